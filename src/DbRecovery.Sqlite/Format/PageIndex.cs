using System.Buffers.Binary;

namespace DbRecovery.Sqlite.Format;

/// <summary>A b-tree as its pages describe it.</summary>
/// <param name="Root">The root page.</param>
/// <param name="Pages">Every page in order: a page, its overflow chains, then its children.</param>
/// <param name="Entries">Rows of a table, or entries of an index.</param>
/// <param name="IsIndex">Whether it is an index (a WITHOUT ROWID table is one, too).</param>
/// <param name="Problems">What does not fit together, at most <see cref="PageIndex.MaxProblems"/>; entries are then a lower bound.</param>
internal sealed record BTreeWalk(uint Root, IReadOnlyList<uint> Pages, long Entries, bool IsIndex, IReadOnlyList<string> Problems);

/// <summary>
/// What the pages of a database point to, gathered while they pass by in any order: about 20 bytes a page are kept.
/// Afterwards trees can be walked without reading a page again.
/// </summary>
internal sealed class PageIndex(int usableSize)
{
    /// <summary>Problems that one walk reports at most.</summary>
    internal const int MaxProblems = 20;

    // SQLite itself gives up beyond 20 levels
    private const int MaxDepth = 24;

    private List<uint> _references = [];
    private Entry[] _pages = new Entry[1024];

    /// <summary>The highest page number seen.</summary>
    internal uint LastPage { get; private set; }

    /// <summary>Takes in a page; a page given twice counts as it was last.</summary>
    /// <param name="pageNumber">The page's number, from 1.</param>
    /// <param name="page">The whole page.</param>
    internal void Add(uint pageNumber, ReadOnlySpan<byte> page)
    {
        if (pageNumber >= _pages.Length)
            Array.Resize(ref _pages, (int)Math.Max(pageNumber + 1L, _pages.Length * 2L));
        var first = _references.Count;
        var wellFormed = BTreePage.TryParse(page, pageNumber, usableSize, _references, out var type, out var cells, out var children);
        _pages[pageNumber] = new Entry
        {
            Seen = true,
            Type = wellFormed ? type : BTreePageType.None,
            Cells = (ushort)cells,
            Children = (ushort)children,
            Next = BinaryPrimitives.ReadUInt32BigEndian(page),
            FirstReference = first,
            References = wellFormed ? _references.Count - first : 0,
        };
        LastPage = Math.Max(LastPage, pageNumber);
    }

    /// <summary>Forgets the pages past a file's end, and what pages said before they were given again.</summary>
    internal void EndAt(uint lastPage)
    {
        for (var page = lastPage + 1; page <= LastPage; page++)
            _pages[page] = default;
        LastPage = Math.Min(LastPage, lastPage);
        long live = 0;
        for (uint page = 1; page <= LastPage; page++)
            live += _pages[page].References;
        if (_references.Count < 2 * live + 1024)
            return;
        var references = new List<uint>((int)live);
        for (uint page = 1; page <= LastPage; page++)
        {
            ref var entry = ref _pages[page];
            var first = references.Count;
            references.AddRange(_references.GetRange(entry.FirstReference, entry.References));
            entry.FirstReference = first;
        }
        _references = references;
    }

    /// <summary>Walks a tree. It ends and never throws, whatever the pages say.</summary>
    internal BTreeWalk Walk(uint rootPage)
    {
        var walk = new Walker(this);
        walk.Tree(rootPage, 0, null);
        return new BTreeWalk(rootPage, walk.Pages, walk.Entries, walk.IsIndex ?? false, walk.Problems);
    }

    /// <summary>The pages of the freelist, trunks and leaves are not told apart: only trunks can be followed.</summary>
    internal IReadOnlyList<uint> Chain(uint first)
    {
        var walk = new Walker(this);
        walk.Chain(first, "the freelist");
        return walk.Pages;
    }

    private struct Entry
    {
        internal bool Seen;
        internal BTreePageType Type;
        internal ushort Cells;
        internal ushort Children;
        internal uint Next;
        internal int FirstReference;
        internal int References;
    }

    private sealed class Walker(PageIndex index)
    {
        private readonly HashSet<uint> _visited = [];

        internal List<uint> Pages { get; } = [];
        internal List<string> Problems { get; } = [];
        internal long Entries { get; private set; }
        internal bool? IsIndex { get; private set; }

        internal void Tree(uint number, int depth, uint? parent)
        {
            var from = parent is null ? "as a root" : $"from page {parent}";
            if (depth > MaxDepth || !Visit(number, from))
            {
                if (depth > MaxDepth)
                    Report($"page {number} is more than {MaxDepth} levels deep");
                return;
            }
            var page = index._pages[number];
            var isIndex = page.Type is BTreePageType.IndexInterior or BTreePageType.IndexLeaf;
            IsIndex ??= isIndex;
            if (page.Type == BTreePageType.None || isIndex != IsIndex)
            {
                Report($"page {number} (reached {from}) is not a well-formed {(IsIndex.Value && parent is not null ? "index" : parent is null ? "b-tree" : "table")} page");
                return;
            }
            if (page.Type != BTreePageType.TableInterior)
                Entries += page.Cells;
            for (var i = page.Children; i < page.References; i++)
                Chain(index._references[page.FirstReference + i], $"an overflow of page {number}");
            for (var i = 0; i < page.Children; i++)
                Tree(index._references[page.FirstReference + i], depth + 1, number);
        }

        internal void Chain(uint first, string from)
        {
            // a chain that comes back to itself ends at a visited page
            for (var number = first; number != 0; number = index._pages[number].Next)
            {
                if (!Visit(number, $"in {from}"))
                    return;
            }
        }

        private bool Visit(uint number, string from)
        {
            if (number == 0 || number > index.LastPage || !index._pages[number].Seen)
            {
                Report($"page {number} (reached {from}) does not exist");
                return false;
            }
            if (!_visited.Add(number))
            {
                Report($"page {number} is reached twice, the second time {from}");
                return false;
            }
            Pages.Add(number);
            return true;
        }

        private void Report(string problem)
        {
            if (Problems.Count < MaxProblems)
                Problems.Add(problem);
        }
    }
}

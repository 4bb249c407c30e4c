using System.Globalization;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>Gives the rows of one damaged table, and afterwards says what is missing of it.</summary>
internal sealed class TableRows(DamagedDatabase database, DamagedTable table, CancellationToken cancellationToken)
{
    private const int MostListed = 100;
    internal const string FromTable = "table", FromStrayPage = "table (page found without the tree)";

    private readonly HashSet<long> _attributed = [];
    private readonly List<LooseRow> _partly = [];
    private long _fromPages;
    private long _fromIndexes;
    private long? _expected;

    /// <summary>Rows of which only some columns are known; filled when all rows were given.</summary>
    internal IReadOnlyList<LooseRow> Partly => _partly;

    /// <summary>The rows: from the tree, from pages found without it, then from indexes. Pages for which <paramref name="skip"/> holds are passed over.</summary>
    internal IEnumerable<FoundRow> Read(Func<uint, bool>? skip = null)
    {
        foreach (var (page, source) in table.Tree.Pages.Select(p => (p, FromTable)).Concat(table.Attributed.Select(p => (p, FromStrayPage))))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (skip?.Invoke(page) == true || database.Pages.TryReadPage(page) is not { } read)
                continue;
            foreach (var cell in read.Cells)
            {
                if (TryRow(read, cell, source) is { } row)
                {
                    _fromPages++;
                    yield return row;
                }
            }
        }
        if (table.IsWhole || table.Shape is not { WithoutRowId: false } shape)
            yield break;
        foreach (var row in Assembled(shape))
        {
            _fromIndexes++;
            yield return row;
        }
    }

    /// <summary>What is known of the table once its rows were given.</summary>
    internal SalvagedTable Report()
    {
        var read = _fromPages + _fromIndexes;
        var whole = table.IsWhole || _expected == read;
        var broken = table.BrokenRows.Select(b => string.Create(CultureInfo.InvariantCulture, $"rowid {b.Key}: {b.Value}")).Concat(table.BrokenEntries);
        return new SalvagedTable
        {
            Table = table.Row.Name,
            Rows = _fromPages,
            RowsFromIndexes = _fromIndexes,
            RowsUnreadable = whole ? 0 : _expected is { } all ? Math.Max(0, all - read)
                : table.Tree.Gaps.Count == 0 ? table.BrokenRows.Count + table.BrokenEntries.Count : null,
            Complete = whole,
            Unreadable = whole ? [] : [.. table.Tree.Gaps.Select(g => g.ToString()).Concat(broken).Take(MostListed)],
        };
    }

    private FoundRow? TryRow(CellPage page, Cell cell, string source)
    {
        long? rowId = page.IsTable ? cell.RowId : null;
        if (source == FromStrayPage && rowId is { } id)
            _attributed.Add(id);
        var payload = database.Pages.TryReadPayload(page, cell, out var why);
        var record = payload is null ? null : RecordReader.TryDecode(payload, database.Pages.Encoding);
        if (record is not null && table.Shape?.Fits(record) != false)
            return new FoundRow(rowId, record, source, page.Number);
        why ??= record is null ? "its content cannot be read" : "its content does not fit the table";
        if (rowId is { } broken)
            table.BrokenRows[broken] = $"page {page.Number}: {why}";
        else
            table.BrokenEntries.Add($"page {page.Number}: a row whose content cannot be read: {why}");
        return null;
    }

    private bool IsLost(long rowId) =>
        table.BrokenRows.ContainsKey(rowId) || !_attributed.Contains(rowId) && table.Tree.Gaps.Exists(g => g.Holds(rowId));

    private IEnumerable<FoundRow> Assembled(TableShape shape)
    {
        var lost = new SortedDictionary<long, Pieces>();
        foreach (var (index, tree) in table.Indexes)
        {
            var entries = Gather(shape, index, tree, lost);
            if (!index.Partial && tree.Gaps.Count == 0)
                _expected = entries;
        }
        // nothing is ever computed here: a generated column is no part of what must be known
        var needed = shape.Stored.Where(c => c != shape.RowIdColumn && !shape.Columns[c].Generated).ToList();
        foreach (var (rowId, pieces) in lost)
        {
            if (!pieces.Contradicted && needed.TrueForAll(pieces.Values.ContainsKey))
            {
                table.BrokenRows.Remove(rowId);
                yield return new FoundRow(rowId, [.. shape.Stored.Select(c => pieces.Values.GetValueOrDefault(c))], $"index {string.Join(", ", pieces.Indexes)}", 0);
                continue;
            }
            var why = pieces.Contradicted ? "indexes contradict each other" : $"only known from index {string.Join(", ", pieces.Indexes)}: the other columns are lost";
            _partly.Add(new LooseRow(table.Row.Name, 0, rowId, [.. Enumerable.Range(0, shape.Columns.Count).Select(c => c == shape.RowIdColumn ? rowId : pieces.Values.GetValueOrDefault(c))], why));
        }
    }

    private long Gather(TableShape shape, IndexShape index, Tree tree, SortedDictionary<long, Pieces> lost)
    {
        long entries = 0;
        var walker = new TreeWalker(database.Pages, cancellationToken);
        foreach (var page in tree.Pages.Select(database.Pages.TryReadPage).OfType<CellPage>())
        {
            cancellationToken.ThrowIfCancellationRequested();
            entries += page.Cells.Count;
            foreach (var entry in walker.Keys(page))
            {
                if (entry is not [.., long rowId] || entry.Length != index.Columns.Count || !IsLost(rowId))
                    continue;
                if (!lost.TryGetValue(rowId, out var pieces))
                    lost[rowId] = pieces = new Pieces();
                pieces.Add(shape, index, entry);
            }
        }
        return entries;
    }

    private sealed class Pieces
    {
        internal Dictionary<int, object?> Values { get; } = [];
        internal List<string> Indexes { get; } = [];
        internal bool Contradicted { get; private set; }

        internal void Add(TableShape shape, IndexShape index, object?[] entry)
        {
            // an index that has a row twice is no witness
            Contradicted |= Indexes.Contains(index.Name);
            Indexes.Add(index.Name);
            for (var i = 0; i < entry.Length; i++)
            {
                var column = index.Columns[i];
                if (column < 0 || column >= shape.Columns.Count)
                    continue;
                if (!Values.TryAdd(column, entry[i]) && !RecordReader.Same(Values[column], entry[i]))
                    Contradicted = true;
            }
        }
    }
}

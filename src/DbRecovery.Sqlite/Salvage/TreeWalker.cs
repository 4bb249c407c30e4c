using System.Globalization;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>A place in a tree that cannot be read, and which keys lie in it.</summary>
/// <param name="Page">The page.</param>
/// <param name="Why">What is wrong with it.</param>
/// <param name="After">The rowid before the first that can be in it; null where there is no bound.</param>
/// <param name="UpTo">The last rowid that can be in it; null where there is no bound.</param>
/// <param name="AfterKey">The same for a tree that is ordered by a key.</param>
/// <param name="UpToKey">The same for a tree that is ordered by a key.</param>
internal sealed record TreeGap(uint Page, string Why, long? After, long? UpTo, object?[]? AfterKey = null, object?[]? UpToKey = null)
{
    /// <summary>Whether a rowid can be in it.</summary>
    internal bool Holds(long rowId) => !(rowId <= After) && !(rowId > UpTo);

    /// <inheritdoc/>
    public override string ToString() => AfterKey is not null || UpToKey is not null || After is null && UpTo is null
        ? $"page {Page}: {Why}"
        : string.Create(CultureInfo.InvariantCulture, $"page {Page} ({Range()}): {Why}");

    private string Range() => (After, UpTo) switch
    {
        (null, { } last) => $"rowid up to {last}",
        ({ } before, null) => $"rowid above {before}",
        _ => $"rowid {After + 1} to {UpTo}",
    };
}

/// <summary>What of a tree can be reached from its root.</summary>
internal sealed class Tree
{
    /// <summary>Pages with rows or entries.</summary>
    internal List<uint> Pages { get; } = [];
    /// <summary>What cannot be read.</summary>
    internal List<TreeGap> Gaps { get; } = [];
}

/// <summary>
/// Walks trees as far as their pages are sound: every byte of a page accounted for, keys in order and within what the parent says,
/// records that fit the table. It ends, whatever the pages say.
/// </summary>
internal sealed class TreeWalker(PageStore pages, CancellationToken cancellationToken)
{
    // SQLite itself gives up beyond 20 levels
    private const int MaxDepth = 24;

    /// <summary>Walks the tree of a rowid table.</summary>
    /// <param name="root">Its root page.</param>
    /// <param name="fits">Whether a record can belong to it.</param>
    internal Tree Table(uint root, Func<object?[], bool> fits)
    {
        var tree = new Tree();
        Table(tree, root, null, null, fits, 0);
        return tree;
    }

    /// <summary>Walks the tree of an index or of a WITHOUT ROWID table.</summary>
    /// <param name="root">Its root page.</param>
    /// <param name="order">The order of its keys; null where it cannot be checked.</param>
    /// <param name="fits">Whether a record can belong to it.</param>
    internal Tree Index(uint root, KeyOrder? order, Func<object?[], bool> fits)
    {
        var tree = new Tree();
        Index(tree, root, null, null, order, fits, 0);
        return tree;
    }

    private void Table(Tree tree, uint number, long? after, long? upTo, Func<object?[], bool> fits, int depth)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Open(number, depth, table: true, out var why) is not { } page)
        {
            tree.Gaps.Add(new TreeGap(number, why, after, upTo));
            return;
        }
        if (!InOrder(page, after, upTo) || page.IsLeaf && !AllFit(page, fits))
        {
            pages.Release(number);
            tree.Gaps.Add(new TreeGap(number, "it holds other rows than belong here", after, upTo));
            return;
        }
        if (page.IsLeaf)
        {
            tree.Pages.Add(number);
            foreach (var cell in page.Cells)
                pages.ClaimOverflow(cell);
            return;
        }
        var from = after;
        foreach (var cell in page.Cells)
        {
            Table(tree, cell.LeftChild, from, cell.RowId, fits, depth + 1);
            from = cell.RowId;
        }
        Table(tree, page.RightChild, from, upTo, fits, depth + 1);
    }

    private void Index(Tree tree, uint number, object?[]? after, object?[]? upTo, KeyOrder? order, Func<object?[], bool> fits, int depth)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Open(number, depth, table: false, out var why) is not { } page)
        {
            tree.Gaps.Add(new TreeGap(number, why, null, null, after, upTo));
            return;
        }
        var keys = Keys(page);
        if (!InOrder(keys, after, upTo, order) || !AllFit(page, keys, fits))
        {
            pages.Release(number);
            tree.Gaps.Add(new TreeGap(number, "it holds other entries than belong here", null, null, after, upTo));
            return;
        }
        tree.Pages.Add(number);
        foreach (var cell in page.Cells)
            pages.ClaimOverflow(cell);
        if (page.IsLeaf)
            return;
        var from = after;
        for (var i = 0; i < page.Cells.Count; i++)
        {
            Index(tree, page.Cells[i].LeftChild, from, keys[i] ?? upTo, order, fits, depth + 1);
            from = keys[i] ?? from;
        }
        Index(tree, page.RightChild, from, upTo, order, fits, depth + 1);
    }

    private CellPage? Open(uint number, int depth, bool table, out string why)
    {
        why = "";
        if (depth > MaxDepth)
            why = "it lies deeper than a tree can be";
        else if (number == 0 || number > pages.PageCount)
            why = "it is missing";
        else if (pages.TryReadPage(number) is not { } page)
            why = "it is damaged";
        else if (page.IsTable != table)
            why = "it is no page of this kind of tree";
        else if (!pages.Claim(number, PageUse.Tree))
            why = "it belongs to another tree";
        else
            return page;
        return null;
    }

    /// <summary>The records of a page's cells; null for one that cannot be read.</summary>
    internal object?[]?[] Keys(CellPage page) =>
        [.. page.Cells.Select(c => pages.TryReadPayload(page, c, out _) is { } payload ? RecordReader.TryDecode(payload, pages.Encoding) : null)];

    /// <summary>Whether every record that is wholly in the page can be read and belongs where it is.</summary>
    internal bool AllFit(CellPage page, Func<object?[], bool> fits) => AllFit(page, Keys(page), fits);

    private static bool AllFit(CellPage page, object?[]?[] records, Func<object?[], bool> fits)
    {
        for (var i = 0; i < records.Length; i++)
        {
            if (records[i] is { } record ? !fits(record) : page.Cells[i].Overflow == 0)
                return false;
        }
        return true;
    }

    private static bool InOrder(CellPage page, long? after, long? upTo)
    {
        var last = after;
        foreach (var cell in page.Cells)
        {
            // an interior key may be the bound itself
            if (cell.RowId <= last || cell.RowId > upTo)
                return false;
            last = cell.RowId;
        }
        return true;
    }

    private static bool InOrder(object?[]?[] keys, object?[]? after, object?[]? upTo, KeyOrder? order)
    {
        if (order is null)
            return true;
        var last = after;
        foreach (var key in keys)
        {
            if (key is null)
                continue;
            if (last is not null && order.Compare(last, key) > 0 || upTo is not null && order.Compare(key, upTo) > 0)
                return false;
            last = key;
        }
        return true;
    }
}

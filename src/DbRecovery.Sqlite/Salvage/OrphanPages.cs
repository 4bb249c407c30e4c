using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>
/// Finds the tables of pages that nothing leads to. A page is given to a table only where exactly one can have it: its keys lie in
/// what is missing of that table and its records fit it, and neither is so of any other.
/// </summary>
internal sealed class OrphanPages(DamagedDatabase database, bool schemaComplete, bool freeKnown, CancellationToken cancellationToken)
{
    private const int SampledPages = 50;
    private readonly Dictionary<DamagedTable, int> _shortest = [];

    /// <summary>Gives out what belongs to one table only; the rest is noted as stray.</summary>
    internal void Attribute()
    {
        // nothing is missing: what is not used then is free, and deleted rows do not come back
        if (schemaComplete && database.Tables.TrueForAll(t => t.Tree.Gaps.Count == 0 && t.Shape is not null))
            return;
        var found = new List<(DamagedTable Table, uint Page, long First, long Last)>();
        var damaged = database.Tables.SelectMany(t => t.Tree.Gaps).Select(g => g.Page).ToHashSet();
        for (uint number = 2; number <= database.Pages.PageCount; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (database.Pages.UseOf(number) != PageUse.Unknown || !database.Pages.CanHoldRows(number))
                continue;
            if (database.Pages.TryReadPage(number) is not { } page)
            {
                if (damaged.Contains(number))
                    database.Strays.Add((number, "the page is damaged: its rows may be wrong"));
                continue;
            }
            Place(page, found);
        }
        foreach (var group in found.GroupBy(f => f.Table))
            Take(group.Key, [.. group]);
    }

    private void Place(CellPage page, List<(DamagedTable Table, uint Page, long First, long Last)> found)
    {
        if (page.Cells.Count == 0 || page.Type == BTreePageType.TableInterior)
            return;
        if (!freeKnown || !schemaComplete)
        {
            database.Strays.Add((page.Number, freeKnown ? "which tables there were is not known" : "which pages are free is not known: its rows may be deleted ones"));
            return;
        }
        var walker = new TreeWalker(database.Pages, cancellationToken);
        var tables = page.IsTable ? RowIdTables(page, walker) : KeyTables(page, walker);
        if (tables is [{ } only])
            found.Add((only, page.Number, page.IsTable ? page.Cells[0].RowId : page.Number, page.IsTable ? page.Cells[^1].RowId : page.Number));
        else if (tables.Count > 1 || page.IsTable)
            database.Strays.Add((page.Number, tables.Count == 0 ? "no table lacks such rows" : $"it may belong to {string.Join(", ", tables.Select(t => t?.Row.Name ?? "an index"))}"));
    }

    private List<DamagedTable?> RowIdTables(CellPage page, TreeWalker walker)
    {
        var (first, last) = (page.Cells[0].RowId, page.Cells[^1].RowId);
        if (!Ascending(page))
            return [];
        return [.. database.Tables.Where(t => t.Shape is { WithoutRowId: false } shape
            && t.Tree.Gaps.Exists(g => g.Holds(first) && g.Holds(last)) && walker.AllFit(page, r => shape.Fits(r) && r.Length >= Shortest(t, walker)))];
    }

    private List<DamagedTable?> KeyTables(CellPage page, TreeWalker walker)
    {
        var keys = walker.Keys(page).OfType<object?[]>().ToList();
        if (keys.Count == 0)
            return [];
        var tables = database.Tables.Where(t => t.Shape is { WithoutRowId: true } shape && keys.TrueForAll(shape.Fits)
            && keys.TrueForAll(k => k.Length >= Shortest(t, walker)) && InGap(t.Tree, KeyOrder.TryMake(shape.Key, database.Pages.Encoding), keys)).ToList<DamagedTable?>();
        // an index that lacks pages is as good an owner as a table
        foreach (var table in database.Tables)
        {
            foreach (var (shape, tree) in table.Indexes)
            {
                if (table.Shape is not null && keys.TrueForAll(k => DamagedDatabase.FitsIndex(table.Shape, shape, k))
                    && InGap(tree, KeyOrder.TryMake(shape.Key, database.Pages.Encoding), keys))
                    tables.Add(null);
            }
        }
        return tables is [null] ? [] : tables;
    }

    private static bool InGap(Tree tree, KeyOrder? order, List<object?[]> keys)
    {
        if (order is null)
            return tree.Gaps.Count > 0;
        for (var i = 1; i < keys.Count; i++)
        {
            if (order.Compare(keys[i - 1], keys[i]) > 0)
                return false;
        }
        return tree.Gaps.Exists(g => (g.AfterKey is null || order.Compare(g.AfterKey, keys[0]) <= 0) && (g.UpToKey is null || order.Compare(keys[^1], g.UpToKey) <= 0));
    }

    // a table whose known rows all have every column may still have older, shorter ones; that a foreign page is such rows is less likely
    private int Shortest(DamagedTable table, TreeWalker walker)
    {
        if (!_shortest.TryGetValue(table, out var shortest))
        {
            var records = table.Tree.Pages.Take(SampledPages).Select(database.Pages.TryReadPage).OfType<CellPage>().SelectMany(walker.Keys).OfType<object?[]>();
            _shortest[table] = shortest = records.Select(r => r.Length).DefaultIfEmpty(1).Min();
        }
        return shortest;
    }

    private void Take(DamagedTable table, List<(DamagedTable Table, uint Page, long First, long Last)> pages)
    {
        pages.Sort((a, b) => a.First.CompareTo(b.First));
        for (var i = 0; i < pages.Count; i++)
        {
            var (_, page, first, last) = pages[i];
            // two pages for the same place: one of them is old
            if (i > 0 && pages[i - 1].Last >= first || i + 1 < pages.Count && pages[i + 1].First <= last)
            {
                database.Strays.Add((page, $"it is one of several for the same place in {table.Row.Name}"));
                continue;
            }
            database.Pages.Claim(page, PageUse.Tree);
            table.Attributed.Add(page);
            if (database.Pages.TryReadPage(page) is { } read)
            {
                foreach (var cell in read.Cells)
                    database.Pages.ClaimOverflow(cell);
            }
        }
    }

    private static bool Ascending(CellPage page)
    {
        for (var i = 1; i < page.Cells.Count; i++)
        {
            if (page.Cells[i].RowId <= page.Cells[i - 1].RowId)
                return false;
        }
        return true;
    }
}

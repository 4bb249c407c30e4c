using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>A row as it was read.</summary>
/// <param name="RowId">Its rowid; null in a WITHOUT ROWID table.</param>
/// <param name="Fields">Its fields in stored order; fewer than the table has where columns were added later.</param>
/// <param name="Source">Where it was read: <c>table</c>, <c>table (page found without the tree)</c> or <c>index NAME</c>.</param>
/// <param name="Page">The page; 0 for one from indexes.</param>
internal sealed record FoundRow(long? RowId, object?[] Fields, string Source, uint Page);

/// <summary>A record that is known and that no table gets, with the reason.</summary>
internal sealed record LooseRow(string? Table, uint Page, long? RowId, object?[] Fields, string Why);

/// <summary>What is known of one table of a damaged database.</summary>
internal sealed class DamagedTable
{
    /// <summary>Its definition.</summary>
    internal required SchemaRow Row { get; init; }
    /// <summary>How its rows lie; null where the definition is not understood.</summary>
    internal required TableShape? Shape { get; init; }
    /// <summary>Its tree.</summary>
    internal required Tree Tree { get; init; }
    /// <summary>Pages that belong to it though nothing leads to them.</summary>
    internal List<uint> Attributed { get; } = [];
    /// <summary>Rows whose cell is there and whose content is not: by rowid, with the reason.</summary>
    internal Dictionary<long, string> BrokenRows { get; } = [];
    /// <summary>Rows without a rowid that are broken.</summary>
    internal List<string> BrokenEntries { get; } = [];
    /// <summary>Its indexes with their trees.</summary>
    internal List<(IndexShape Shape, Tree Tree)> Indexes { get; } = [];
    /// <summary>Whether everything of it is there.</summary>
    internal bool IsWhole => Tree.Gaps.Count == 0 && BrokenRows.Count == 0 && BrokenEntries.Count == 0;
}

/// <summary>A damaged database, taken apart: what belongs to which table, and what cannot be read.</summary>
internal sealed class DamagedDatabase : IDisposable
{
    private readonly bool _owned;

    private DamagedDatabase(PageStore pages, bool owned) => (Pages, _owned) = (pages, owned);

    /// <summary>The pages.</summary>
    internal PageStore Pages { get; }
    /// <summary>The schema as far as it is known.</summary>
    internal IReadOnlyList<SchemaRow> Schema { get; private set; } = [];
    /// <summary>The tables that have pages.</summary>
    internal List<DamagedTable> Tables { get; } = [];
    /// <summary>Pages with rows that no table could be told for.</summary>
    internal List<(uint Page, string Why)> Strays { get; } = [];
    /// <summary>Problems that concern no table alone.</summary>
    internal List<string> Problems { get; } = [];

    /// <summary>Takes a file apart.</summary>
    /// <param name="path">The file; it is only read.</param>
    /// <param name="known">Definitions from elsewhere; null for none.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseCorrupt"/>: there is nothing to read.</exception>
    internal static DamagedDatabase Open(string path, IReadOnlyList<SchemaRow>? known, CancellationToken cancellationToken)
    {
        var pages = PageStore.Open(path, cancellationToken);
        try
        {
            return Read(pages, known, owned: true, cancellationToken);
        }
        catch
        {
            pages.Dispose();
            throw;
        }
    }

    /// <summary>Takes pages apart that somebody else owns.</summary>
    internal static DamagedDatabase Read(PageStore pages, IReadOnlyList<SchemaRow>? known, bool owned, CancellationToken cancellationToken)
    {
        var database = new DamagedDatabase(pages, owned);
        database.Read(known, cancellationToken);
        return database;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_owned)
            Pages.Dispose();
    }

    private void Read(IReadOnlyList<SchemaRow>? known, CancellationToken cancellationToken)
    {
        if (Pages.HeaderGuessed)
            Problems.Add($"the header is destroyed: a page size of {Pages.Header.PageSize} is taken from the pages; settings such as user_version are not known");
        if (Pages.Header.PageCount is { } declared && declared > Pages.PageCount)
            Problems.Add($"the file is truncated: pages {Pages.PageCount + 1} to {declared} are missing");
        var (schema, complete) = SchemaSource.Read(Pages, known, Problems, cancellationToken);
        Schema = schema;
        using (var reader = new ShapeReader())
        {
            var shapes = reader.Read(schema, Problems);
            WalkTables(shapes, new TreeWalker(Pages, cancellationToken));
        }
        var freeKnown = Pages.ClaimFreePages();
        new OrphanPages(this, complete, freeKnown, cancellationToken).Attribute();
    }

    private void WalkTables(IReadOnlyDictionary<string, TableShape> shapes, TreeWalker walker)
    {
        foreach (var row in Schema.Where(r => r.Type == "table" && !ObjectCatalog.IsVirtual(r)))
        {
            var shape = shapes.GetValueOrDefault(row.Name);
            var without = shape?.WithoutRowId ?? false;
            var order = without ? KeyOrder.TryMake(shape!.Key, Pages.Encoding) : null;
            // a table whose definition is not understood shows by its root what it is
            var index = shape is null ? Pages.TryReadPage(row.RootPage) is { IsTable: false } : without;
            var tree = index ? walker.Index(row.RootPage, order, r => shape?.Fits(r) ?? true) : walker.Table(row.RootPage, r => shape?.Fits(r) ?? true);
            Tables.Add(new DamagedTable { Row = row, Shape = shape, Tree = tree });
        }
        foreach (var row in Schema.Where(r => r.Type == "index"))
        {
            var table = Tables.Find(t => t.Row.Name.Equals(row.Table, StringComparison.OrdinalIgnoreCase));
            var shape = table?.Shape?.Indexes.FirstOrDefault(i => i.Name.Equals(row.Name, StringComparison.OrdinalIgnoreCase));
            var order = shape is null ? null : KeyOrder.TryMake(shape.Key, Pages.Encoding);
            var tree = walker.Index(row.RootPage, order, r => shape is null || FitsIndex(table!.Shape!, shape, r));
            if (shape is not null)
                table!.Indexes.Add((shape, tree));
        }
    }

    /// <summary>Whether a record can be an entry of an index.</summary>
    internal static bool FitsIndex(TableShape table, IndexShape index, object?[] entry)
    {
        if (entry.Length != index.Columns.Count)
            return false;
        for (var i = 0; i < entry.Length; i++)
        {
            var column = index.Columns[i];
            if (column == -1 && entry[i] is not long
                || column >= 0 && table.Columns[column].Affinity == Affinity.Text && entry[i] is long or double)
                return false;
        }
        return true;
    }
}

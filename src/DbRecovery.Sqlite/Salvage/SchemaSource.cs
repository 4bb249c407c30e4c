using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>Reads the schema of a damaged database out of its pages.</summary>
internal static class SchemaSource
{
    private static readonly string[] Types = ["table", "index", "view", "trigger"];

    /// <summary>Reads the schema.</summary>
    /// <param name="pages">The pages; a guessed header gets its encoding here.</param>
    /// <param name="known">Definitions from elsewhere, for what cannot be read here; null for none.</param>
    /// <param name="problems">Gets what could not be read.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The rows, and whether that is certainly all of them.</returns>
    internal static (IReadOnlyList<SchemaRow> Rows, bool Complete) Read(PageStore pages, IReadOnlyList<SchemaRow>? known, ICollection<string> problems, CancellationToken cancellationToken)
    {
        if (pages.HeaderGuessed)
            pages.Encoding = GuessEncoding(pages, cancellationToken);
        var walker = new TreeWalker(pages, cancellationToken);
        var tree = walker.Table(1, IsDefinition);
        var found = tree.Pages.SelectMany(n => Rows(pages, n)).ToList();
        var complete = tree.Gaps.Count == 0;
        if (!complete)
        {
            foreach (var gap in tree.Gaps)
                problems.Add($"the list of tables: {gap}");
            found.AddRange(Strays(pages, walker, cancellationToken));
        }
        foreach (var row in (known ?? []).Where(k => k.Name != ObjectCatalog.SchemaTable && !complete && !found.Exists(f => Same(f, k))))
        {
            problems.Add($"the definition of {row.Type} {row.Name} is taken from the backup");
            found.Add(row);
        }
        return ([.. found.DistinctBy(r => (r.Type, r.Name.ToUpperInvariant()))], complete);
    }

    private static bool Same(SchemaRow a, SchemaRow b) => a.Type == b.Type && a.Name.Equals(b.Name, StringComparison.OrdinalIgnoreCase);

    // definitions look like nothing else, so that their pages are known even where nothing leads to them
    private static IEnumerable<SchemaRow> Strays(PageStore pages, TreeWalker walker, CancellationToken cancellationToken)
    {
        for (uint number = 2; number <= pages.PageCount; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (pages.UseOf(number) != PageUse.Unknown || pages.TryReadPage(number) is not { Type: BTreePageType.TableLeaf, Cells.Count: > 0 } page
                || !walker.AllFit(page, IsDefinition) || walker.Keys(page).All(k => k is null) || !pages.Claim(number, PageUse.Tree))
                continue;
            foreach (var row in Rows(pages, number))
                yield return row;
        }
    }

    private static IEnumerable<SchemaRow> Rows(PageStore pages, uint number)
    {
        if (pages.TryReadPage(number) is not { } page)
            yield break;
        foreach (var cell in page.Cells)
        {
            if (pages.TryReadPayload(page, cell, out _) is { } payload && RecordReader.TryDecode(payload, pages.Encoding) is { } r && IsDefinition(r))
                yield return new SchemaRow(r[0]!.ToString()!, r[1]!.ToString()!, r[2]!.ToString()!, r[3] is long and > 0 and <= uint.MaxValue ? (uint)(long)r[3]! : 0, r[4]?.ToString());
        }
    }

    private static bool IsDefinition(object?[] record) =>
        record is [RawText type, RawText, RawText, long or null, RawText or null] && Types.Contains(type.ToString(), StringComparer.Ordinal);

    private static uint GuessEncoding(PageStore pages, CancellationToken cancellationToken)
    {
        foreach (var encoding in new uint[] { 1, 2, 3 })
        {
            pages.Encoding = encoding;
            for (uint number = 1; number <= pages.PageCount; number++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (pages.TryReadPage(number) is { Type: BTreePageType.TableLeaf } && Rows(pages, number).Any())
                    return encoding;
                // the schema is in the first pages of nearly every database
                if (number == 1 && pages.TryReadPage(1) is { Type: BTreePageType.TableLeaf })
                    break;
            }
        }
        return 1;
    }
}

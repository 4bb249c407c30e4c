using System.Globalization;

namespace DbRecovery.Engine.Actions;

/// <summary>Works out what a restore loses from what can be counted; whatever cannot be counted is said to be unknown.</summary>
internal static class LossCalculator
{
    /// <param name="dataAsOf">The moment whose data the restored database is.</param>
    /// <param name="provedUnwritten">Whether it is proved that nothing was written since that moment.</param>
    /// <param name="before">Rows that could be read of the damaged database; null where none could.</param>
    /// <param name="after">Rows of the restored one; null where not counted.</param>
    /// <param name="salvaged">Rows that were added from the damaged database; null where nobody tried.</param>
    public static DataLoss ForRestore(DateTimeOffset? dataAsOf, bool provedUnwritten, IReadOnlyList<TableCount>? before, IReadOnlyDictionary<string, long>? after, long? salvaged = null)
    {
        var tables = Tables(before, after);
        if (provedUnwritten)
        {
            return new DataLoss
            {
                Bytes = 0,
                Tables = tables,
                Statement = "Nothing is lost: it is proved that the database was not written since this backup was taken.",
            };
        }
        return new DataLoss { Bytes = null, Since = dataAsOf, RowsSalvaged = salvaged, Tables = tables, Statement = Statement(dataAsOf, salvaged, tables) };
    }

    /// <summary>What is known in the end: the later count stands, and what was proved stays proved.</summary>
    public static DataLoss? Merge(DataLoss? earlier, DataLoss? later)
    {
        if (earlier is null || later is null)
            return later ?? earlier;
        var tables = later.Tables.Count > 0 ? later.Tables : earlier.Tables;
        if (earlier.Bytes == 0 && earlier.Since is null)
            return earlier with { Tables = tables };
        var since = earlier.Since ?? later.Since;
        var salvaged = later.RowsSalvaged ?? earlier.RowsSalvaged;
        return earlier with { Since = since, RowsSalvaged = salvaged, Tables = tables, Statement = since is null ? earlier.Statement : Statement(since, salvaged, tables) };
    }

    /// <summary>The losses of several steps of one plan: unknown makes the sum unknown, the earliest moment counts.</summary>
    public static DataLoss? Sum(IEnumerable<DataLoss?> losses)
    {
        var all = losses.OfType<DataLoss>().ToList();
        if (all.Count <= 1)
            return all.FirstOrDefault();
        return new DataLoss
        {
            Bytes = all.Any(l => l.Bytes is null) ? null : all.Sum(l => l.Bytes),
            Since = all.Min(l => l.Since),
            Tables = [.. all.SelectMany(l => l.Tables)],
            Statement = string.Join(" ", all.Select(l => l.Statement).Distinct()),
        };
    }

    private static List<TableLoss> Tables(IReadOnlyList<TableCount>? before, IReadOnlyDictionary<string, long>? after)
    {
        var readable = (before ?? []).ToDictionary(t => t.Table, StringComparer.Ordinal);
        var names = readable.Keys.Union(after?.Keys ?? [], StringComparer.Ordinal).Order(StringComparer.Ordinal);
        return [.. names.Select(name => Table(name, readable.GetValueOrDefault(name), after))];
    }

    private static TableLoss Table(string name, TableCount? before, IReadOnlyDictionary<string, long>? after)
    {
        long? rowsAfter = after is null ? null : after.TryGetValue(name, out var rows) ? rows : 0;
        return new TableLoss
        {
            Table = name,
            RowsReadable = before?.Rows,
            RowsAfter = rowsAfter,
            Complete = before?.Complete ?? false,
            Note = before switch
            {
                null => "none of its rows could be read before, so how many there were is unknown",
                { Complete: false } => "only a part could be read before: there were at least this many" + (before.Note is null ? "" : $" ({before.Note})"),
                _ => before.Note,
            },
        };
    }

    private static string Statement(DateTimeOffset? since, long? salvaged, IReadOnlyList<TableLoss> tables)
    {
        var kept = salvaged > 0 ? $", except {Counted.Of(salvaged.Value, "row that was", "rows that were")} read from the damaged database" : "";
        var first = since is { } moment
            ? $"Changes committed after {moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC are lost{kept}; how many bytes that is cannot be known."
            : "What is lost cannot be known.";
        var fewer = tables.Where(t => t.RowsReadable > t.RowsAfter).ToList();
        if (fewer.Count == 0)
            return first;
        var sum = fewer.Sum(t => t.RowsReadable!.Value - t.RowsAfter!.Value);
        var named = string.Join(", ", fewer.Take(5).Select(t => $"{t.Table} {(t.Complete ? "" : "at least ")}{t.RowsReadable - t.RowsAfter}"));
        return $"{first} Rows that could still be read and are not in the restored data: {(fewer.All(t => t.Complete) ? "" : "at least ")}{sum} ({named}{(fewer.Count > 5 ? ", ..." : "")}); changed rows are not counted.";
    }
}

using System.Globalization;

namespace DbRecovery.Shells;

/// <summary>Rows as text for people.</summary>
internal static class RowText
{
    private const int MostBytes = 8;
    private const int MostLetters = 40;

    /// <summary>A value; long ones are cut.</summary>
    public static string Value(object? value) => value switch
    {
        null => "NULL",
        byte[] bytes => $"X'{Convert.ToHexString(bytes.AsSpan(0, Math.Min(MostBytes, bytes.Length)))}{(bytes.Length > MostBytes ? "..." : "")}'",
        string text => $"'{(text.Length > MostLetters ? text[..MostLetters] + "..." : text).ReplaceLineEndings(" ")}'",
        var number => Convert.ToString(number, CultureInfo.InvariantCulture)!,
    };

    /// <summary>Names and values.</summary>
    public static string Values(IReadOnlyDictionary<string, object?> row) => string.Join(", ", row.Select(v => $"{v.Key}={Value(v.Value)}"));

    /// <summary>The columns that differ.</summary>
    public static string Names(RowDifference difference) => difference.ChangedColumns.Count == 0 ? "-" : string.Join(", ", difference.ChangedColumns);

    /// <summary>What of a row tells the difference: the columns that changed, else all.</summary>
    public static string Shown(RowDifference difference, IReadOnlyDictionary<string, object?>? row) => row is null ? "-"
        : Values(difference.ChangedColumns.Count == 0 ? row : row.Where(v => difference.ChangedColumns.Contains(v.Key, StringComparer.OrdinalIgnoreCase)).ToDictionary());

    /// <summary>What would be written, in one sentence.</summary>
    public static string Summary(RowRestorePlan plan)
    {
        var parts = new List<string>();
        if (plan.Insert > 0)
            parts.Add($"{Counted.Of(plan.Insert, "row")} brought back");
        if (plan.Update > 0)
            parts.Add($"{Counted.Of(plan.Update, "row")} given the backup's values");
        if (plan.Delete > 0)
            parts.Add($"{Counted.Of(plan.Delete, "row")} DELETED that only the database has");
        if (plan.StagingTable is not null)
            parts.Add($"the backup's rows put into the new table '{plan.StagingTable}'");
        return $"Table '{plan.Table}' of '{plan.Database}', from backup {plan.BackupId}: {string.Join(", ", parts)}.{(plan.UndoScript is null ? "" : $" Undo script: {plan.UndoScript}")}";
    }

    /// <summary>The plan in full.</summary>
    public static string Of(RowRestorePlan plan) => string.Join('\n', [Summary(plan), .. plan.Statements.Select(s => "  " + s), .. plan.Notes.Select(n => "note: " + n)]);
}

using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Rows;

/// <summary>Compares the staged rows of a backup with a database, in the order of the key.</summary>
internal sealed class RowComparison(SqliteConnection connection, RowMatch match, RowSelection selection)
{
    private const int ReportEvery = 8192;
    private const string BackupSchema = "dbrecovery_backup";
    private readonly long[] _counts = new long[3];

    internal long Count(RowDifferenceKind kind) => _counts[(int)kind];

    /// <summary>Compares. What is given to <paramref name="record"/> is the kind, the key and the database's row.</summary>
    /// <param name="difference">Gets each difference; null where only counts are wanted.</param>
    /// <param name="record">Gets what must be known to write it.</param>
    /// <param name="addedAreKnown">Whether the condition can be evaluated on the database.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal void Run(Action<RowDifference>? difference, Action<RowDifferenceKind, RowValue[], RowValue[]>? record, bool addedAreKnown, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var backup = match.Backup.Columns.Select(c => c.Name).ToList();
        var live = match.Live is null ? [] : match.LiveColumns;
        var stored = match.Live is null ? [] : match.LiveStored;
        var common = match.Common.Select(c => (Backup: backup.FindIndex(b => TableSchema.SameName(b, c)), Live: live.ToList().IndexOf(c))).ToArray();
        using var rows = new Statement(connection, Sql(backup, stored, addedAreKnown));
        var (keyAt, backupAt) = (1, 1 + match.Key.Count);
        var liveAt = backupAt + backup.Count + stored.Count - live.Count;
        var changed = new List<string>();
        RowValue[] last = [];
        for (long row = 1; rows.Step(); row++)
        {
            if (row % ReportEvery == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Report(new OperationProgress($"Comparing {match.Backup.Name}", "rows", row, null, "rows"));
            }
            var kind = (RowDifferenceKind)(long)rows.Value(0).ToObject()!;
            if (kind == RowDifferenceKind.Changed)
            {
                changed.Clear();
                foreach (var (inBackup, inDatabase) in common)
                    if (!rows.Same(backupAt + inBackup, liveAt + inDatabase))
                        changed.Add(live[inDatabase]);
                if (changed.Count == 0)
                    continue;
            }
            var key = rows.Values(keyAt, match.Key.Count);
            // a key that was asked for twice gives its added row twice
            if (kind == RowDifferenceKind.Added && RowValue.Same(key, last))
                continue;
            last = key;
            _counts[(int)kind]++;
            record?.Invoke(kind, key, rows.Values(backupAt + backup.Count, stored.Count));
            difference?.Invoke(new RowDifference
            {
                Table = match.Backup.Name,
                Kind = kind,
                Key = Named(match.Key, key),
                InBackup = kind == RowDifferenceKind.Added ? null : Named(backup, rows.Values(backupAt, backup.Count)),
                InDatabase = kind == RowDifferenceKind.Missing ? null : Named(live, rows.Values(liveAt, live.Count)),
                ChangedColumns = kind == RowDifferenceKind.Changed ? [.. changed] : [],
            });
        }
    }

    private static Dictionary<string, object?> Named(IReadOnlyList<string> names, RowValue[] values)
    {
        var named = new Dictionary<string, object?>(names.Count);
        for (var i = 0; i < names.Count; i++)
            named[names[i]] = values[i].ToObject();
        return named;
    }

    // kind, key, the backup's row, the database's row
    private string Sql(List<string> backup, IReadOnlyList<string> stored, bool addedAreKnown)
    {
        var order = string.Join(", ", Enumerable.Range(2, match.Key.Count));
        var key = TableSchema.List(match.Key, "s.");
        if (match.Live is null)
            return $"SELECT {(int)RowDifferenceKind.Missing}, {key}, {TableSchema.List(backup, "s.")} FROM {match.StagedName} s ORDER BY {order}";
        var paired = $"""
            SELECT CASE WHEN l.{SqlText.Quote(match.Key[0])} IS NULL THEN {(int)RowDifferenceKind.Missing} ELSE {(int)RowDifferenceKind.Changed} END, {key}, {TableSchema.List(backup, "s.")}, {TableSchema.List(stored, "l.")}
            FROM {match.StagedName} s LEFT JOIN {match.LiveName} l ON {match.SameKey("l.", "s.")}
            """;
        return addedAreKnown ? $"{paired} UNION ALL {Added(backup.Count, stored)} ORDER BY {order}" : $"{paired} ORDER BY {order}";
    }

    private string Added(int backupColumns, IReadOnlyList<string> stored)
    {
        var table = match.LiveName;
        var columns = $"{(int)RowDifferenceKind.Added}, {TableSchema.List(match.Key, table + ".")}, {string.Join(", ", Enumerable.Repeat("NULL", backupColumns))}, {TableSchema.List(stored, table + ".")}";
        var absent = $"NOT EXISTS (SELECT 1 FROM {match.StagedName} s WHERE {match.SameKey("s.", table + ".")})";
        if (selection.Keys is not null)
            return $"SELECT {columns} FROM {RowStage.Schema}.{RowStage.Keys} k CROSS JOIN {table} ON {RowStage.KeyMatch(match.Backup, table + ".", "k.")} WHERE {absent}";
        if (selection.Where is null)
            return $"SELECT {columns} FROM {table} WHERE {absent}";
        // a row that the backup has, too, only not under this condition, was not added
        return $"SELECT {columns} FROM {table} WHERE ({selection.Where}\n) AND {absent} AND NOT EXISTS (SELECT 1 FROM {BackupSchema}.{SqlText.Quote(match.Backup.Name)} b WHERE {match.SameKey("b.", table + ".")})";
    }

    /// <summary>Attaches the backup itself, for the keys that a condition has not selected in it.</summary>
    internal void AttachBackup(ImageConnection backup)
    {
        if (selection.Where is not null)
            RowStage.AttachUri(connection, backup.Uri, BackupSchema);
    }
}

using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Rows;

/// <summary>How the rows of a table in a backup and in a database belong together: by which key, and over which columns they are compared.</summary>
internal sealed record RowMatch
{
    internal required TableSchema Backup { get; init; }
    /// <summary>The table in the database; null where it was dropped since.</summary>
    internal required TableSchema? Live { get; init; }
    internal required IReadOnlyList<string> Key { get; init; }
    /// <summary>Whether the key is the row's number, which is no column.</summary>
    internal required bool ByNumber { get; init; }
    /// <summary>The columns that both have, as the database names them.</summary>
    internal required IReadOnlyList<string> Common { get; init; }
    internal required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The table in the database.</summary>
    internal string LiveName => $"main.{SqlText.Quote((Live ?? Backup).Name)}";

    /// <summary>The staged table.</summary>
    internal string StagedName => $"{RowStage.Schema}.{SqlText.Quote(Backup.Name)}";

    /// <summary>That two rows have the same key; the first decides the collation.</summary>
    internal string SameKey(string first, string second) => string.Join(" AND ", Key.Select(k => $"{first}{SqlText.Quote(k)} = {second}{SqlText.Quote(k)}"));

    /// <summary>That a row has the key given by parameters.</summary>
    internal string KeyIs(string row = "") => string.Join(" AND ", Key.Select((k, i) => $"{row}{SqlText.Quote(k)} = ?{i + 1}"));

    /// <summary>The columns that are written for a row that is brought back.</summary>
    internal IReadOnlyList<string> Inserted => ByNumber ? [Key[0], .. Common] : Common;

    /// <summary>The columns of a row of the database that must be kept to make it again.</summary>
    internal IReadOnlyList<string> LiveStored => ByNumber ? [Key[0], .. LiveColumns] : LiveColumns;

    /// <summary>The database's columns.</summary>
    internal IReadOnlyList<string> LiveColumns => [.. (Live ?? Backup).Columns.Select(c => c.Name)];

    /// <summary>Decides how rows are matched.</summary>
    /// <param name="connection">The database, with the stage attached.</param>
    /// <param name="stage">The backup's rows.</param>
    /// <param name="live">The table in the database; null where it was dropped.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RestoreFailed"/>: the keys are not the same any longer.</exception>
    internal static RowMatch Of(SqliteConnection connection, RowStage stage, TableSchema? live)
    {
        var backup = stage.Table;
        var notes = new List<string>();
        var key = RowStage.KeyOf(backup);
        if (live is null)
            notes.Add($"the table '{backup.Name}' is not in the database any longer: all its rows are missing");
        else if (backup.PrimaryKey.Count > 0 || live.PrimaryKey.Count > 0)
            RequireSameKey(backup, live);
        var byNumber = backup.PrimaryKey.Count == 0;
        if (byNumber)
            notes.Add($"'{backup.Name}' has no primary key: rows are matched by their number (rowid)");
        else if (HasNullKeys(connection, $"{RowStage.Schema}.{SqlText.Quote(backup.Name)}", backup) || live is not null && HasNullKeys(connection, $"main.{SqlText.Quote(live.Name)}", live))
        {
            if (backup.RowId is null || live is { RowId: null })
                throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported, $"rows of '{backup.Name}' have NULL in their primary key and cannot be told apart", "Restore the table into a file of its own.", backup.Name);
            (key, byNumber) = (backup.RowIdKey, true);
            notes.Add($"rows of '{backup.Name}' have NULL in their primary key: they are matched by their number (rowid)");
        }
        if (byNumber && live is not null && live.RowId != backup.RowId)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported, $"the rows of '{backup.Name}' were matched by their number, which the database's table does not have any longer", "Restore the table into a file of its own.", backup.Name);
        AddDrift(notes, backup, live);
        var common = live is null ? backup.Columns.Select(c => c.Name) : live.Columns.Select(c => c.Name).Where(backup.Has);
        return new RowMatch { Backup = backup, Live = live, Key = key, ByNumber = byNumber, Common = [.. common], Notes = notes };
    }

    private static void RequireSameKey(TableSchema backup, TableSchema live)
    {
        if (!backup.PrimaryKey.SequenceEqual(live.PrimaryKey, StringComparer.OrdinalIgnoreCase))
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported,
                $"the primary key of '{backup.Name}' was ({string.Join(", ", backup.PrimaryKey)}) in the backup and is ({string.Join(", ", live.PrimaryKey)}) in the database: rows cannot be matched",
                "Restore the table into a file of its own, or into a staging table.", backup.Name);
    }

    private static bool HasNullKeys(SqliteConnection connection, string table, TableSchema schema)
    {
        // the number is never NULL, and a table WITHOUT ROWID has no NULL in its key; other tables of SQLite may
        if (schema.KeyIsRowId || schema.PrimaryKey.All(k => schema.Columns.Any(c => TableSchema.SameName(c.Name, k) && c.NotNull)))
            return false;
        return Statement.Scalar(connection, $"SELECT 1 FROM {table} WHERE {string.Join(" OR ", schema.PrimaryKey.Select(k => SqlText.Quote(k) + " IS NULL"))} LIMIT 1") is not null;
    }

    private static void AddDrift(List<string> notes, TableSchema backup, TableSchema? live)
    {
        if (live is null)
            return;
        var added = live.Columns.Where(c => !backup.Has(c.Name)).Select(c => c.Name).ToList();
        var dropped = backup.Columns.Where(c => !live.Has(c.Name)).Select(c => c.Name).ToList();
        if (added.Count > 0)
            notes.Add($"only the database has {Columns(added)}: not compared; rows that are brought back get the default");
        if (dropped.Count > 0)
            notes.Add($"only the backup has {Columns(dropped)}: not compared and not brought back");
        foreach (var (then, now) in backup.Columns.Join(live.Columns, c => c.Name, c => c.Name, (then, now) => (then, now), StringComparer.OrdinalIgnoreCase).Where(c => !TableSchema.SameName(c.then.DeclaredType, c.now.DeclaredType)))
            notes.Add($"the column {now.Name} was '{then.DeclaredType}' in the backup and is '{now.DeclaredType}' in the database: a value that is brought back may take another form, such as '007' that of 7");
    }

    private static string Columns(List<string> names) => $"the column{(names.Count > 1 ? "s" : "")} {string.Join(", ", names)}";
}

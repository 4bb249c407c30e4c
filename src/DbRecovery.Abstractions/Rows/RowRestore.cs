namespace DbRecovery;

/// <summary>Which rows of a table are meant.</summary>
public sealed record RowSelection
{
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>
    /// A condition in the engine's SQL, as after WHERE; null for every row. Meant are the rows of the backup for which it holds there,
    /// and the rows without a counterpart in the backup for which it holds in the database.
    /// </summary>
    public string? Where { get; init; }
    /// <summary>
    /// Values of the primary key: one entry a row, its values in the key's order; null for every row. One text may hold all values of a
    /// key of several columns, with commas between. A blob is written <c>X'0AFF'</c>.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<string>>? Keys { get; init; }
}

/// <summary>How a row in the database differs from the backup's.</summary>
public enum RowDifferenceKind
{
    /// <summary>In the database, not in the backup.</summary>
    Added,
    /// <summary>In both, with other values.</summary>
    Changed,
    /// <summary>In the backup, not in the database.</summary>
    Missing,
}

/// <summary>One row that differs. Values are null, <see cref="long"/>, <see cref="double"/>, <see cref="string"/> or <see cref="T:byte[]"/>.</summary>
public sealed record RowDifference
{
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>How it differs.</summary>
    public required RowDifferenceKind Kind { get; init; }
    /// <summary>The primary key's columns and values.</summary>
    public required IReadOnlyDictionary<string, object?> Key { get; init; }
    /// <summary>The row in the backup; null where it has none.</summary>
    public IReadOnlyDictionary<string, object?>? InBackup { get; init; }
    /// <summary>The row in the database; null where it has none.</summary>
    public IReadOnlyDictionary<string, object?>? InDatabase { get; init; }
    /// <summary>The columns whose values differ.</summary>
    public IReadOnlyList<string> ChangedColumns { get; init; } = [];
}

/// <summary>How far a restore of rows goes.</summary>
public sealed record RowRestoreOptions
{
    /// <summary>A new database file that gets the table (definition, indexes and selected rows) instead of a comparison.</summary>
    public string? Destination { get; init; }
    /// <summary>The table in the live database that gets the backup's rows, for people to look at; null: they are staged for the comparison only, outside the database.</summary>
    public string? StagingTable { get; init; }
    /// <summary>The differences that are written into the live database; empty: none, it is only compared. <see cref="RowDifferenceKind.Added"/> means that rows which only the database has are deleted.</summary>
    public IReadOnlyList<RowDifferenceKind> Apply { get; init; } = [];
    /// <summary>The file that gets the statements which undo what is written; needed where something is written.</summary>
    public string? UndoScript { get; init; }
    /// <summary>Whether rows are written though the table has triggers, which do not fire.</summary>
    public bool Force { get; init; }
    /// <summary>How long to wait for a lock.</summary>
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>
    /// Asked after the comparison and before anything is written; null agrees. A row that changes between the comparison and the write
    /// is left as it is.
    /// </summary>
    public Func<RowRestorePlan, CancellationToken, Task<bool>>? Approve { get; init; }
}

/// <summary>What a restore of rows would write.</summary>
public sealed record RowRestorePlan
{
    /// <summary>The backup.</summary>
    public required string BackupId { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>The database that would be changed.</summary>
    public required string Database { get; init; }
    /// <summary>Rows that would be brought back.</summary>
    public required long Insert { get; init; }
    /// <summary>Rows that would get the backup's values.</summary>
    public required long Update { get; init; }
    /// <summary>Rows that would be deleted, because the backup does not have them.</summary>
    public required long Delete { get; init; }
    /// <summary>The statements; each is carried out once a row, with the row's values as its parameters.</summary>
    public required IReadOnlyList<string> Statements { get; init; }
    /// <summary>The script that would undo it; null where only a staging table is made.</summary>
    public string? UndoScript { get; init; }
    /// <summary>The staging table that would be made; null for none.</summary>
    public string? StagingTable { get; init; }
    /// <summary>What else is to be known, such as columns that one side lacks.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>The outcome of a restore of a table's rows.</summary>
public sealed record RowRestoreResult
{
    /// <summary>The backup.</summary>
    public required string BackupId { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>The moment whose rows these are.</summary>
    public required DateTimeOffset DataAsOf { get; init; }
    /// <summary>Rows of the backup that were selected.</summary>
    public required long RowsInBackup { get; init; }
    /// <summary>Rows that only the database has.</summary>
    public required long Added { get; init; }
    /// <summary>Rows that differ.</summary>
    public required long Changed { get; init; }
    /// <summary>Rows that only the backup has.</summary>
    public required long Missing { get; init; }
    /// <summary>Rows that were written into the database.</summary>
    public long Written { get; init; }
    /// <summary>Rows that were to be written and were left as they are, because they changed after the comparison.</summary>
    public long Skipped { get; init; }
    /// <summary>The columns by which rows were matched; <c>rowid</c> where the table has no key of its own.</summary>
    public IReadOnlyList<string> KeyColumns { get; init; } = [];
    /// <summary>What else is to be known, such as columns that one side lacks and rows that were skipped.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>The staging table that holds the backup's rows; null where there is none.</summary>
    public string? StagingTable { get; init; }
    /// <summary>The file that holds the rows, where they were restored into a file of their own.</summary>
    public string? Path { get; init; }
    /// <summary>The script that undoes what was written; null where nothing was.</summary>
    public string? UndoScript { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
}

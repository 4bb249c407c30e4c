namespace DbRecovery;

/// <summary>Which rows of a table are meant.</summary>
public sealed record RowSelection
{
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>A condition in the engine's SQL, as after WHERE; null for every row.</summary>
    public string? Where { get; init; }
    /// <summary>Values of the primary key: one entry a row, its values in the key's order; null for every row.</summary>
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
    /// <summary>The staging table that holds the backup's rows; null where there is none.</summary>
    public string? StagingTable { get; init; }
    /// <summary>The file that holds the rows, where they were restored into a file of their own.</summary>
    public string? Path { get; init; }
    /// <summary>The script that undoes what was written; null where nothing was.</summary>
    public string? UndoScript { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
}

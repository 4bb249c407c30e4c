namespace DbRecovery;

/// <summary>Brings single tables and rows back out of a backup.</summary>
public interface IRowRestore
{
    /// <summary>
    /// Compares selected rows of a backup with a live database, and, where asked, stages them in it or writes them.
    /// Only what holds the table is read of the backup. Differences are given one by one, in key order.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ObjectNotFound"/>: no such table or column; <see cref="ErrorIds.ParameterInvalid"/>: the condition or key cannot be understood; <see cref="ErrorIds.TargetExists"/>: a destination, staging table or undo script is there already; <see cref="ErrorIds.DatabaseBusy"/>; <see cref="ErrorIds.RestoreFailed"/>: the rows do not fit into the database, which is as it was.</exception>
    Task<RowRestoreResult> RestoreRowsAsync(RowRestoreOrder order, Action<RowDifference>? difference, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

/// <summary>What rows to bring back, from where, and how far to go.</summary>
public sealed record RowRestoreOrder
{
    /// <summary>The backup.</summary>
    public required IBackupContent Backup { get; init; }
    /// <summary>The node whose database is compared and, on request, changed; null where the destination is a file of its own.</summary>
    public NodeDefinition? Node { get; init; }
    /// <summary>The rows.</summary>
    public required RowSelection Selection { get; init; }
    /// <summary>How far to go.</summary>
    public RowRestoreOptions Options { get; init; } = new();
}

/// <summary>Reads what can be read of a damaged database.</summary>
public interface ISalvager
{
    /// <summary>Reads a damaged database into a new one: every table, around the damage. The damaged file is only read.</summary>
    /// <param name="damaged">The damaged database.</param>
    /// <param name="destination">The new one; null: nothing is written, the report says what can be read.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels; nothing is left then.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseCorrupt"/>: nothing at all can be read; <see cref="ErrorIds.TargetExists"/>; <see cref="ErrorIds.OutOfSpace"/>.</exception>
    Task<SalvageReport> SalvageAsync(string damaged, string? destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>
    /// Adds rows of a damaged database to a restored one where it has none with their key: a proved row is never overwritten, and
    /// nothing is added that breaks a constraint. Done twice, it adds nothing the second time.
    /// </summary>
    /// <param name="damaged">The damaged database; it is only read.</param>
    /// <param name="restored">The restored one.</param>
    /// <param name="rowList">The file that gets a line for every row that was added, before it is; null: nothing is written, the report says what would be.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels; nothing was added then.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseCorrupt"/>: nothing at all can be read; <see cref="ErrorIds.DatabaseNotFound"/>; <see cref="ErrorIds.DatabaseBusy"/>.</exception>
    Task<SalvageReport> AddNewerRowsAsync(string damaged, string restored, string? rowList, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

/// <summary>Says what lies where in a file of a backup, so that damage to bytes can be named as damage to tables.</summary>
public interface IObjectMap
{
    /// <summary>The objects whose content lies in ranges of a file; what is unreadable is gone around.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="path">The file in it.</param>
    /// <param name="ranges">Offsets and lengths that cannot be read.</param>
    /// <param name="cancellationToken">Cancels.</param>
    Task<IReadOnlyList<string>> ObjectsInAsync(IBackupContent backup, string path, IReadOnlyList<(long Offset, long Length)> ranges, CancellationToken cancellationToken);
}

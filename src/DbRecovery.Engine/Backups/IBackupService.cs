namespace DbRecovery.Engine.Backups;

/// <summary>Which backups are meant.</summary>
public sealed record BackupFilter
{
    /// <summary>Of this cluster; null for all.</summary>
    public string? Cluster { get; init; }
    /// <summary>Only this id; a unique beginning is enough.</summary>
    public string? Id { get; init; }
    /// <summary>Only those whose last test passed.</summary>
    public bool ProvedOnly { get; init; }
    /// <summary>Only those not suspect.</summary>
    public bool CompleteOnly { get; init; }
    /// <summary>Only the newest that is left.</summary>
    public bool Latest { get; init; }
}

/// <summary>What to restore, and where.</summary>
public sealed record RestoreRequest
{
    /// <summary>The backup.</summary>
    public required BackupInfo Backup { get; init; }
    /// <summary>The absolute path that shall hold the data.</summary>
    public required string Destination { get; init; }
    /// <summary>Whether something at the destination may be replaced (it is kept beside it).</summary>
    public bool Replace { get; init; }
}

/// <summary>Takes, lists, proves and restores backups, whatever the engine.</summary>
public interface IBackupService
{
    /// <summary>Takes a full backup of a cluster from its best node.</summary>
    Task<BackupInfo> CreateAsync(ClusterDefinition cluster, RepositoryDefinition repository, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Backups that match, newest first. A damaged manifest is passed to <paramref name="damaged"/> and does not end the list.</summary>
    Task<IReadOnlyList<BackupInfo>> ListAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken);

    /// <summary>Opens a backup: its manifest, and page hashes on request.</summary>
    Task<IBackupContent> OpenAsync(BackupInfo backup, CancellationToken cancellationToken);

    /// <summary>Restores into a scratch place, checks what came out, and remembers the proof in the repository.</summary>
    Task<BackupTestResult> TestAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Restores a backup. Every blob is checked against its hash on the way.</summary>
    Task<RestoreResult> RestoreAsync(RestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

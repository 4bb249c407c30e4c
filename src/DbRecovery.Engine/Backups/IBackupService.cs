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

/// <summary>What backup to take.</summary>
public sealed record BackupRequest
{
    /// <summary>The cluster; its best node is read.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The repository; it is made where there is none.</summary>
    public required RepositoryDefinition Repository { get; init; }
    /// <summary>What it is compared with. Without a backup to compare with it becomes a full, and its notes say why.</summary>
    public BackupKind Kind { get; init; } = BackupKind.Full;
    /// <summary>Whether only codecs that standard tools know are used: raw and gzip.</summary>
    public bool Portable { get; init; }
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
    /// <summary>Whether the files that belong to the database are restored, too; what is at their places is kept beside them.</summary>
    public bool IncludeFiles { get; init; }
    /// <summary>The folder that gets those files; null: where they were.</summary>
    public string? FilesTo { get; init; }
}

/// <summary>Takes, lists, proves and restores backups, whatever the engine.</summary>
public interface IBackupService
{
    /// <summary>Takes a backup of a cluster from its best node.</summary>
    Task<BackupInfo> CreateAsync(BackupRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Backups that match, newest first. A damaged manifest is passed to <paramref name="damaged"/> and does not end the list.</summary>
    Task<IReadOnlyList<BackupInfo>> ListAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken);

    /// <summary>Opens a backup: its manifest, and page hashes on request.</summary>
    Task<IBackupContent> OpenAsync(BackupInfo backup, CancellationToken cancellationToken);

    /// <summary>Restores into a scratch place, checks what came out, and remembers the proof in the repository.</summary>
    Task<BackupTestResult> TestAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Restores a backup. Every blob is checked against its hash on the way.</summary>
    Task<RestoreResult> RestoreAsync(RestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

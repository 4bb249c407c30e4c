using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime;

/// <summary>The operations on repositories: check, repair, copy.</summary>
public sealed partial class RecoveryRuntime
{
    private RepositoryCare Care => new(Provider, _options.Clock, new SecretResolver(_options));

    /// <summary>Checks a repository: what no earlier check has read, every byte, or every blob, too.</summary>
    public Task<RepositoryReport> TestRepositoryAsync(RepositoryDefinition repository, ScrubDepth depth, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Care.TestAsync(repository, depth, progress, cancellationToken);

    /// <summary>Repairs a repository, from another one where that is given; or says what a repair would do.</summary>
    public Task<RepositoryRepairResult> RepairRepositoryAsync(RepositoryDefinition repository, RepositoryDefinition? other, bool plan, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Care.RepairAsync(repository, other, plan, progress, cancellationToken);

    /// <summary>Copies a backup to another repository.</summary>
    public Task<BackupCopyResult> CopyBackupAsync(BackupInfo backup, RepositoryDefinition destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Care.CopyAsync(backup, destination, progress, cancellationToken);
}

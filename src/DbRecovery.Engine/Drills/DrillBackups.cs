using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Drills;

/// <summary>
/// The backups of a sandbox: its own, and the one of the real repository that the drill was given. That one is only read: its speed
/// and its state are what the drill is to show.
/// </summary>
internal sealed class DrillBackups(IBackupService own, IBackupService real, BackupInfo? given, string cluster) : IBackupService
{
    public Task<BackupInfo> CreateAsync(BackupRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        own.CreateAsync(request, progress, cancellationToken);

    public async Task<IReadOnlyList<BackupInfo>> ListAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        var found = await own.ListAsync(repository, filter, damaged, cancellationToken).ConfigureAwait(false);
        if (given is null || !Matches(filter))
            return found;
        return filter.Latest && found.Count > 0 ? found : [.. found, given];
    }

    public Task<IBackupContent> OpenAsync(BackupInfo backup, CancellationToken cancellationToken) => Of(backup).OpenAsync(backup, cancellationToken);

    // a proof would be written into the real repository
    public Task<BackupTestResult> TestAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => IsGiven(backup)
        ? Task.FromResult(new BackupTestResult { Backup = backup, Proof = backup.Proof! })
        : own.TestAsync(backup, progress, cancellationToken);

    public Task<RestoreResult> RestoreAsync(RestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Of(request.Backup).RestoreAsync(request, progress, cancellationToken);

    private bool Matches(BackupFilter filter) => (filter.Cluster is null || filter.Cluster == cluster)
        && (filter.Id is null || given!.Id.StartsWith(filter.Id, StringComparison.Ordinal))
        && (!filter.ProvedOnly || given!.Proof is { Passed: true })
        && (!filter.CompleteOnly || given!.Status == BackupStatus.Complete);

    private bool IsGiven(BackupInfo backup) => given is not null && backup.Id == given.Id;

    private IBackupService Of(BackupInfo backup) => IsGiven(backup) ? real : own;
}

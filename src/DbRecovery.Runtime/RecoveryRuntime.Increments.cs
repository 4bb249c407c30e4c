using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    /// <summary>Takes a backup of a kind into the cluster's repository, or into another.</summary>
    public Task<BackupInfo> NewBackupAsync(ClusterDefinition cluster, RepositoryDefinition? repository, BackupKind kind, bool portable, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => _backups.Value.CreateAsync(new BackupRequest { Cluster = cluster, Repository = repository ?? GetRepository(cluster), Kind = kind, Portable = portable }, progress, cancellationToken);

    /// <summary>Protects a cluster continuously: an increment whenever something was committed, until it is cancelled or the options end it. Gives the number of backups taken.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="repository">The repository; null: the cluster's own.</param>
    /// <param name="every">The interval; null: the inventory's, or <see cref="ContinuousOptions.DefaultEvery"/>.</param>
    /// <param name="duration">How long to go on; null: until it is cancelled.</param>
    /// <param name="count">How many backups to take; null: no limit.</param>
    /// <param name="taken">Gets each backup.</param>
    /// <param name="failed">Gets the error of each round that failed.</param>
    /// <param name="cancellationToken">Ends it, without an error.</param>
    public Task<int> ProtectAsync(ClusterDefinition cluster, RepositoryDefinition? repository, TimeSpan? every, TimeSpan? duration, int? count,
        Action<BackupInfo> taken, Action<DbRecoveryException> failed, CancellationToken cancellationToken)
    {
        var to = repository ?? GetRepository(cluster);
        var watch = Provider(cluster.Engine).TryGet<IChangeWatch>(out var capability) ? capability : null;
        var protection = new ContinuousProtection(_backups.Value, watch, _options.Clock, ThinningOf(cluster));
        var options = new ContinuousOptions { Every = every ?? cluster.Backups?.Every ?? ContinuousOptions.DefaultEvery, For = duration, Count = count };
        return protection.RunAsync(cluster, to, options, backup => taken(backup with { Definition = cluster, RepositoryDefinition = to }), failed, cancellationToken);
    }

    /// <summary>Restores a backup to a path, and, where asked, the files that belong to the database.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="destination">The path; null: to where the cluster's node is.</param>
    /// <param name="replace">Whether something there may be replaced; it is kept beside it.</param>
    /// <param name="includeFiles">Whether the files are restored.</param>
    /// <param name="filesTo">The folder that gets them; null: where they were.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public Task<RestoreResult> RestoreBackupAsync(BackupInfo backup, string? destination, bool replace, bool includeFiles, string? filesTo, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (filesTo is not null && !includeFiles)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a folder for the files is given, and the files are not asked for", "Ask for them, too.", filesTo);
        var path = destination is not null ? Locations.Resolve(_options, destination) : (backup.Definition ?? GetCluster(backup.Cluster)).Node(backup.Node).Path
            ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the node '{backup.Node}' has no path to restore to", "Name a destination.", backup.Node);
        return _backups.Value.RestoreAsync(new RestoreRequest
        {
            Backup = backup, Destination = path, Replace = replace, IncludeFiles = includeFiles, FilesTo = filesTo is null ? null : Locations.Resolve(_options, filesTo),
        }, progress, cancellationToken);
    }

    // 'keep' is applied while backups go on, by the same decision and removal as by hand; without it everything stays
    private Func<ClusterDefinition, RepositoryDefinition, CancellationToken, Task>? ThinningOf(ClusterDefinition protectedCluster) => protectedCluster.Backups?.Keep is null ? null
        : async (cluster, repository, cancellationToken) =>
        {
            var options = new UpkeepOptions();
            var decisions = await DecideRetentionAsync(cluster.Name, repository, null, options, cancellationToken).ConfigureAwait(false);
            if (decisions.Any(d => !d.Keep))
                await RemoveBackupsAsync(repository, decisions, options, null, cancellationToken).ConfigureAwait(false);
        };
}

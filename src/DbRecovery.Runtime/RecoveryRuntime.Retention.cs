using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    private RepositoryUpkeep Upkeep => new(new SecretResolver(_options), _options.Clock);

    /// <summary>Decides which backups of a cluster a rule keeps. Changes nothing.</summary>
    /// <param name="cluster">The cluster's name.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="retention">The rule as <see cref="RetentionText"/> reads it; null: the inventory's <c>keep</c>.</param>
    /// <param name="options">How the repository is kept up.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RetentionInvalid"/>: no rule, or one that cannot be read; <see cref="ErrorIds.ClockSkew"/>; <see cref="ErrorIds.RepositoryCorrupt"/>: a manifest is damaged, and what cannot be read could be the newest.</exception>
    public async Task<IReadOnlyList<RetentionDecision>> DecideRetentionAsync(string cluster, RepositoryDefinition repository, string? retention, UpkeepOptions options, CancellationToken cancellationToken)
    {
        var rule = retention is not null ? RetentionText.Parse(retention) : Model?.Clusters.FirstOrDefault(c => c.Name == cluster)?.Backups?.Keep
            ?? throw new DbRecoveryException(ErrorIds.RetentionInvalid, ErrorKind.InvalidInput, $"it is not said which backups of '{cluster}' to remove",
                "Name their ids, give a retention such as last=7,days=30, or add 'keep: { last: 7, days: 30 }' to the cluster's 'backups' in the inventory.", cluster);
        var backups = await _backups.Value.ListAsync(repository, new BackupFilter { Cluster = cluster }, static damaged => throw damaged, cancellationToken).ConfigureAwait(false);
        return await Upkeep.DecideAsync(repository, rule, backups, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Decides on backups that were named: they go, unless they must stay and that is not overruled.</summary>
    /// <param name="named">The backups, all in one repository.</param>
    /// <param name="force">Whether the newest and the last proved may go too.</param>
    /// <param name="refused">Gets <see cref="ErrorIds.DataLossNotAllowed"/> for each that must stay, with the reason; where it returns, that one is kept.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<IReadOnlyList<RetentionDecision>> DecideRemovalAsync(IReadOnlyList<BackupInfo> named, bool force, Action<DbRecoveryException> refused, CancellationToken cancellationToken)
    {
        var decisions = new List<RetentionDecision>();
        foreach (var group in named.DistinctBy(b => b.Id).GroupBy(b => b.Cluster, StringComparer.Ordinal))
        {
            var all = await _backups.Value.ListAsync(group.First().RequireRepository(), new BackupFilter { Cluster = group.Key }, null, cancellationToken).ConfigureAwait(false);
            foreach (var backup in group)
            {
                var reasons = RetentionPolicy.Protection(backup, all);
                var stays = reasons.Count > 0 && !force;
                if (stays)
                    refused(new DbRecoveryException(ErrorIds.DataLossNotAllowed, ErrorKind.Refused, $"backup {backup.Id} of '{backup.Cluster}' must stay: {string.Join(", ", reasons)}",
                        "Take and prove a newer backup first, or remove it with --force (-Force).", backup.Id));
                decisions.Add(new RetentionDecision { Backup = backup, Keep = stays, Reasons = stays ? reasons : [.. reasons.Select(r => $"forced: {r}")] });
            }
        }
        return decisions;
    }

    /// <summary>Removes the backups that the decisions do not keep, then what nothing refers to any more; with <see cref="UpkeepOptions.Plan"/> says what would go.</summary>
    public Task<(IReadOnlyList<RetentionDecision> Decisions, PruneResult Result)> RemoveBackupsAsync(RepositoryDefinition repository, IReadOnlyList<RetentionDecision> decisions, UpkeepOptions options,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => Upkeep.RemoveAsync(repository, decisions, options, progress, cancellationToken);

    /// <summary>Takes a removed backup back while its grace lasts.</summary>
    public async Task<BackupInfo> RestoreRemovedBackupAsync(RepositoryDefinition repository, string id, CancellationToken cancellationToken)
    {
        var whole = await Upkeep.UndoAsync(repository, id, new UpkeepOptions(), cancellationToken).ConfigureAwait(false);
        return (await _backups.Value.ListAsync(repository, new BackupFilter { Id = whole }, null, cancellationToken).ConfigureAwait(false)).FirstOrDefault()
            ?? throw new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"backup {whole} was removed again just now", null, whole);
    }

    /// <summary>Removes what no backup of a repository needs, and writes wasteful packs anew where the options ask for it.</summary>
    public Task<PruneResult> PruneRepositoryAsync(RepositoryDefinition repository, UpkeepOptions options, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Upkeep.PruneAsync(repository, options, progress, cancellationToken);
}

using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>backup</c>.</summary>
internal sealed record BackupOptions
{
    /// <summary>Whether it is also proved.</summary>
    [Option("also prove it by a restore into a scratch place")]
    public bool Test { get; init; } = true;
}

/// <summary>What backups there were before.</summary>
internal sealed record BackupState(bool Test, IReadOnlyList<string> Before);

/// <summary>Takes a backup and proves it.</summary>
internal sealed class BackupAction : RecoveryAction<BackupOptions, BackupState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "backup", "Takes a full backup into the cluster's repository and proves it by restoring it.",
        capability: typeof(IBackupSource), timeout: TimeSpan.FromHours(2), outputs:
        [
            new("backupId", FactType.Text, null, "the backup's id"),
            new("proved", FactType.Bool, null, "whether its test passed"),
        ]);

    protected override async Task<Planned<BackupState>> PlanCoreAsync(ActionContext context, BackupOptions options, CancellationToken cancellationToken)
    {
        context.Provider.Require<IBackupSource>(Descriptor.Name);
        var repository = context.RequireRepository(Descriptor.Name);
        // only a person makes a repository: a folder that is gone may be a disk that is not mounted, and a backup below its mount point helps nobody
        if (!Directory.Exists(repository.Path))
        {
            throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.Refused, $"the repository '{repository.Name}' is not at '{repository.Path}'",
                "Mount its disk; or, if there never was one, take the first backup by hand.", repository.Path);
        }
        var acts = new List<PlannedAct> { new(ActKind.Create, repository.Path, $"full backup of {context.Cluster.Name}") };
        if (options.Test)
            acts.Add(new PlannedAct(ActKind.Read, repository.Path, "restore it into a scratch place, check what came out, and note the proof"));
        return new Planned<BackupState>(new(options.Test, [.. (await ListAsync(context, cancellationToken).ConfigureAwait(false)).Select(b => b.Id)]), acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, BackupState state, CancellationToken cancellationToken)
    {
        // an attempt that was cut off after the backup stood leaves it to be tested, not taken again
        var backup = await FindNewAsync(context, state, cancellationToken).ConfigureAwait(false)
            ?? await context.Backups.CreateAsync(new BackupRequest { Cluster = context.Cluster, Repository = context.RequireRepository(Descriptor.Name) }, context.Progress, cancellationToken).ConfigureAwait(false);
        if (state.Test && backup.Proof is not { Passed: true })
        {
            var test = await context.Backups.TestAsync(backup, context.Progress, cancellationToken).ConfigureAwait(false);
            if (!test.Passed)
            {
                throw new DbRecoveryException(ErrorIds.BackupVerifyFailed, ErrorKind.CorruptData,
                    $"backup {backup.Id} was taken, and its test failed: {string.Join("; ", test.Proof.Checks.Where(c => !c.Passed).Select(c => $"{c.Name}: {c.Detail}"))}",
                    "Keep older backups and look at the database's integrity.", backup.Id);
            }
            backup = test.Backup;
        }
        return Result(backup);
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, BackupState state, CancellationToken cancellationToken)
    {
        var found = await FindNewAsync(context, state, cancellationToken).ConfigureAwait(false);
        return found switch
        {
            null => new Reconciliation(ReconcileOutcome.NotDone, "the repository holds no backup that was not there before"),
            { Proof: not { Passed: true } } when state.Test => new Reconciliation(ReconcileOutcome.NotDone, $"backup {found.Id} stands and is not proved yet"),
            _ => new Reconciliation(ReconcileOutcome.Done, $"backup {found.Id} stands", Result(found)),
        };
    }

    private async Task<BackupInfo?> FindNewAsync(ActionContext context, BackupState state, CancellationToken cancellationToken) =>
        (await ListAsync(context, cancellationToken).ConfigureAwait(false)).FirstOrDefault(b => !state.Before.Contains(b.Id));

    private Task<IReadOnlyList<BackupInfo>> ListAsync(ActionContext context, CancellationToken cancellationToken) =>
        context.Backups.ListAsync(context.RequireRepository(Descriptor.Name),
            new BackupFilter { Cluster = context.Cluster.Name, CompleteOnly = true }, damaged: null, cancellationToken);

    private static ActionResult Result(BackupInfo backup) => new()
    {
        Summary = $"Backup {backup.Id} of {backup.SizeBytes} bytes{(backup.Proof is { Passed: true } ? ", proved by a restore" : ", not tested")}.",
        Outputs = new Dictionary<string, FactValue> { ["backupId"] = backup.Id, ["proved"] = backup.Proof is { Passed: true } },
    };
}

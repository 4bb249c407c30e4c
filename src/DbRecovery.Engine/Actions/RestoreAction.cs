using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>restore</c>.</summary>
internal sealed record RestoreOptions
{
    /// <summary>The newest backup whose test passed.</summary>
    public const string LatestProved = "latest-proved";

    /// <summary>Which backup.</summary>
    [Option("a backup's id, or latest-proved: the newest complete one whose test passed")]
    public string Backup { get; init; } = LatestProved;
}

/// <summary>What is restored where, and what could be read of the damaged database when that was decided.</summary>
internal sealed record RestoreState(
    string BackupId, string Source, string Path, DateTimeOffset DataAsOf, bool ProvedUnwritten, IReadOnlyList<TableCount>? Before);

/// <summary>Restores a proved backup into a new file beside the database and checks it; the database itself is not touched.</summary>
internal sealed class RestoreAction : RecoveryAction<RestoreOptions, RestoreState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "restore", "Restores a proved backup into a new file beside the database and checks it; what is there stays as it is.",
        capability: typeof(IRestoreTarget), timeout: TimeSpan.FromHours(2), outputs:
        [
            new("path", FactType.Text, null, "the restored file"),
            new("backupId", FactType.Text, null, "the backup that was restored"),
            new("dataAsOf", FactType.Text, null, "the moment whose data it is (UTC)"),
        ]);

    /// <inheritdoc/>
    public override bool CanCompensate => true;

    /// <inheritdoc/>
    public override bool IsOnlyForItsIncident => true;

    protected override async Task<Planned<RestoreState>> PlanCoreAsync(ActionContext context, RestoreOptions options, CancellationToken cancellationToken)
    {
        var source = context.TargetPath(Descriptor.Name);
        context.Provider.Require<IRestoreTarget>(Descriptor.Name);
        var backup = await SelectAsync(context, options.Backup, cancellationToken).ConfigureAwait(false);
        var content = await context.Backups.OpenAsync(backup, cancellationToken).ConfigureAwait(false);
        var before = await FileDatabase.CountAsync(context, source, cancellationToken).ConfigureAwait(false);
        var state = new RestoreState(backup.Id, source, $"{source}.dbrecovery-{context.IncidentId}", content.Source.DataAsOf, IsUnwrittenSince(context, backup), before);
        var after = content.Source.Objects.Where(o => o.Type == "table" && o.Rows is not null).ToDictionary(o => o.Name, o => o.Rows!.Value, StringComparer.Ordinal);
        return new Planned<RestoreState>(state,
            [
                new PlannedAct(ActKind.Create, state.Path, $"restore backup {backup.Id}, data as of {content.Source.DataAsOf:u}, {backup.SizeBytes} bytes, into a new file"),
                new PlannedAct(ActKind.Read, state.Path, "check it against what the backup says of itself and against the inventory's expectations"),
            ],
            LossCalculator.ForRestore(state.DataAsOf, state.ProvedUnwritten, before, after.Count == 0 ? null : after),
            Outputs(state));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, RestoreState state, CancellationToken cancellationToken)
    {
        var backup = await SelectAsync(context, state.BackupId, cancellationToken).ConfigureAwait(false);
        // the name holds this incident's id, so what is there is a leftover of an attempt of our own
        FileDatabase.Remove(state.Path);
        try
        {
            await context.Backups.RestoreAsync(new RestoreRequest { Backup = backup, Destination = state.Path }, context.Progress, cancellationToken).ConfigureAwait(false);
            var (problems, after) = await CheckAsync(context, state, backup, cancellationToken).ConfigureAwait(false);
            if (problems.Count > 0)
            {
                throw new DbRecoveryException(ErrorIds.BackupVerifyFailed, ErrorKind.CorruptData,
                    $"what backup {backup.Id} restored is not good enough to use: {string.Join("; ", problems)}",
                    "Restore an older backup by its id; the database was not touched.", backup.Id);
            }
            return Result(state, after);
        }
        catch
        {
            FileDatabase.Remove(state.Path);
            throw;
        }
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, RestoreState state, CancellationToken cancellationToken)
    {
        if (!File.Exists(state.Path))
            return new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Path}' is not there");
        var backup = await SelectAsync(context, state.BackupId, cancellationToken).ConfigureAwait(false);
        var (problems, after) = await CheckAsync(context, state, backup, cancellationToken).ConfigureAwait(false);
        return problems.Count > 0
            ? new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Path}' is not whole: {problems[0]}")
            : new Reconciliation(ReconcileOutcome.Done, $"'{state.Path}' is there and every check of it passes", Result(state, after));
    }

    /// <inheritdoc/>
    public override Task<ActionResult> CompensateAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken)
    {
        var state = Read(plan);
        FileDatabase.Remove(state.Path);
        return Task.FromResult(new ActionResult { Summary = $"The restored file '{state.Path}' was removed." });
    }

    private async Task<BackupInfo> SelectAsync(ActionContext context, string wanted, CancellationToken cancellationToken)
    {
        var latest = wanted == RestoreOptions.LatestProved;
        // nodes of an embedded database are files of their own: one's backup is not another's data
        var apart = context.Provider.Embedded && context.Cluster.Nodes.Count > 1;
        var filter = new BackupFilter { Cluster = context.Cluster.Name, Id = latest ? null : wanted, ProvedOnly = latest, CompleteOnly = true, Latest = !apart };
        var found = await context.Backups.ListAsync(context.RequireRepository(Descriptor.Name), filter, damaged: null, cancellationToken).ConfigureAwait(false);
        if (apart)
            found = [.. found.Where(b => b.Node == context.TargetNode().Name)];
        return found.Count > 0 ? found[0] : throw new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound,
            latest
                ? $"cluster '{context.Cluster.Name}' has no complete backup whose test passed"
                : $"cluster '{context.Cluster.Name}' has no complete backup '{wanted}'",
            latest ? "Test a backup: a recovery restores only what was proved." : "List the backups and give an id from there.", context.Cluster.Name);
    }

    private static bool IsUnwrittenSince(ActionContext context, BackupInfo backup) =>
        context.Facts.Bool(SqliteFacts.UnwrittenSinceBackup) == true && context.Facts.Text(CommonFacts.BackupId) == backup.Id;

    private async Task<(IReadOnlyList<string> Problems, IReadOnlyList<TableCount> Counts)> CheckAsync(
        ActionContext context, RestoreState state, BackupInfo backup, CancellationToken cancellationToken)
    {
        var inspector = context.Provider.Require<IDataInspector>(Descriptor.Name);
        var content = await context.Backups.OpenAsync(backup, cancellationToken).ConfigureAwait(false);
        var checks = await inspector.CheckRestoredAsync(state.Path, content, context.Progress, cancellationToken).ConfigureAwait(false);
        var counts = await inspector.CountRowsAsync(state.Path, cancellationToken).ConfigureAwait(false);
        var problems = checks.Where(c => !c.Passed).Select(c => $"{c.Name}: {c.Detail}").ToList();
        foreach (var (table, expected) in context.Cluster.Expects.Tables)
        {
            var count = counts.FirstOrDefault(c => c.Table == table);
            if (count is null)
                problems.Add($"the table '{table}' that the inventory declares is not in it");
            else if (count.Rows < expected.MinRows)
                problems.Add($"the table '{table}' has {Counted.Of(count.Rows, "row")}, and the inventory declares at least {expected.MinRows}");
        }
        return (problems, counts);
    }

    private static ActionResult Result(RestoreState state, IReadOnlyList<TableCount> after) => new()
    {
        Summary = $"Backup {state.BackupId}, data as of {state.DataAsOf:u}, restored into '{state.Path}' and checked: {Counted.Of(after.Count, "table")}, {Counted.Of(after.Sum(t => t.Rows), "row")}.",
        Outputs = Outputs(state),
        Loss = LossCalculator.ForRestore(state.DataAsOf, state.ProvedUnwritten, state.Before, after.ToDictionary(t => t.Table, t => t.Rows, StringComparer.Ordinal)),
    };

    private static Dictionary<string, FactValue> Outputs(RestoreState state) => new()
    {
        ["path"] = state.Path,
        ["backupId"] = state.BackupId,
        ["dataAsOf"] = state.DataAsOf.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture),
    };
}

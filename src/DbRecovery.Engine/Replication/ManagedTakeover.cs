using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Replication;

/// <summary>A change of the primary by the manager that owns the cluster: it is asked, and what follows is its own.</summary>
internal static class ManagedTakeover
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);

    /// <summary>Plans a takeover where the manager has no leader.</summary>
    public static async Task<Planned<FailoverState>> PlanFailoverAsync(ActionContext context, HealthReport seen, string? old, string wanted, CancellationToken cancellationToken)
    {
        var managed = await LookAsync(context, cancellationToken).ConfigureAwait(false);
        var choice = CandidateSelection.Choose(new CandidateQuestion
        {
            Cluster = context.Cluster, Old = old, Seen = seen.Observations, Last = seen.LastPrimary, Faults = seen.Faults, Wanted = wanted.Length > 0 ? context.Cluster.Node(wanted).Name : null,
        });
        var candidate = choice.Require(context.Cluster.Name);
        var loss = LossPreview.Of(context.Cluster, seen.LastPrimary, seen.Observations, candidate.Name, choice.Place, LossPreview.EndOf(context, seen, old, stoppedAt: null));
        var acts = Client(context).Failover(context.Cluster, managed, candidate.Name).Acts;
        return new Planned<FailoverState>(
            new FailoverState(old, candidate.Name, seen.LastPrimary?.SystemId, choice.Place.Timeline, choice.Place.Bytes, [], false, false, false, loss, Managed: true),
            [.. acts.AsDestructive(), .. choice.Remarks], loss, new Dictionary<string, FactValue> { ["newPrimary"] = candidate.Name, ["oldPrimary"] = old ?? "" }, choice.ApprovalBecause);
    }

    /// <summary>Asks for the takeover.</summary>
    public static async Task<ActionResult> FailoverAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken)
    {
        var managed = await LookAsync(context, cancellationToken).ConfigureAwait(false);
        var outcome = await Client(context).Failover(context.Cluster, managed, state.Candidate).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        return Result(outcome, state.Old, state.Loss);
    }

    /// <summary>What a planned change would do.</summary>
    public static async Task<IReadOnlyList<PlannedAct>> PlanSwitchoverAsync(ActionContext context, string? wanted, CancellationToken cancellationToken) =>
        Client(context).Switchover(context.Cluster, await LookAsync(context, cancellationToken).ConfigureAwait(false), wanted).Acts;

    /// <summary>Asks for a planned change.</summary>
    public static async Task<ActionResult> SwitchoverAsync(ActionContext context, string? old, string? wanted, CancellationToken cancellationToken)
    {
        var managed = await LookAsync(context, cancellationToken).ConfigureAwait(false);
        var outcome = await Client(context).Switchover(context.Cluster, managed, wanted).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        return Result(outcome, old, null);
    }

    /// <summary>Whether the manager has another leader than before.</summary>
    public static async Task<Reconciliation> ReconcileAsync(ActionContext context, string? old, CancellationToken cancellationToken)
    {
        var managed = await LookAsync(context, cancellationToken).ConfigureAwait(false);
        var leader = managed.Members.FirstOrDefault(m => m.Name == managed.Leader)?.Node;
        return leader is not null && leader != old
            ? new Reconciliation(ReconcileOutcome.Done, $"'{leader}' leads", Result(new OperationOutcome($"'{leader}' leads.", new Dictionary<string, FactValue> { ["newPrimary"] = leader }), old, null))
            : new Reconciliation(ReconcileOutcome.NotDone, leader is null ? "the manager has no leader" : $"'{leader}' still leads");
    }

    private static ActionResult Result(OperationOutcome outcome, string? old, DataLoss? loss)
    {
        var outputs = outcome.Outputs.ToDictionary(o => o.Key, o => o.Value, StringComparer.Ordinal);
        outputs["oldPrimary"] = old ?? "";
        if (loss?.Bytes is { } bytes)
            outputs["lossBytes"] = bytes;
        return new ActionResult { Summary = outcome.Summary, Outputs = outputs, Loss = loss };
    }

    private static IClusterManagerClient Client(ActionContext context) => context.Provider.Require<IClusterManagerClient>($"a cluster that {context.Cluster.ManagedBy?.Kind} owns");

    private static Task<ManagedCluster> LookAsync(ActionContext context, CancellationToken cancellationToken) => Client(context).LookAsync(context.Cluster, Look, cancellationToken);
}

using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>fence</c>.</summary>
internal sealed record FenceOptions
{
    /// <summary>The node.</summary>
    [Option("the node that must not write any more; empty: the faulty one")]
    public string Node { get; init; } = "";

    /// <summary>The least level.</summary>
    [Option("the least level: 4 cut off, 3 proved stopped, 2 a synchronous quorum denies it acknowledgements, 1 best effort, 0 none; below 2 a person must agree")]
    public int AtLeast { get; init; } = FenceLevel.Enough;
}

/// <summary>Who is fenced, and the level that must be reached: what was asked for, or the lower one that a person agreed to.</summary>
internal sealed record FenceState(string Node, int AtLeast);

/// <summary>
/// Keeps a former primary from writing, and says how surely. It is never undone by itself: a promotion that was asked for may come to pass long
/// after its step failed, once the replica has applied all that it has.
/// </summary>
internal sealed class FenceAction : RecoveryAction<FenceOptions, FenceState>
{
    private static readonly string[] s_silences = ["pg.primary.dead", "node.hung", "node.host-unreachable", "node.process-down"];

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "fence", "Keeps a former primary from writing: its machine shows it stopped, or it is killed there, or cut off; else a synchronous quorum denies it acknowledgements.",
        destructive: true, capability: typeof(IReplicationControl), timeout: TimeSpan.FromSeconds(10),
        outputs:
        [
            new("level", FactType.Int, null, "the level reached: 4 cut off, 3 proved stopped, 2 denied acknowledgements, 1 best effort, 0 none"),
            new("node", FactType.Text, null, "the node that was fenced"),
        ]);

    protected override async Task<Planned<FenceState>> PlanCoreAsync(ActionContext context, FenceOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        var node = context.NodeOrTarget(options.Node);
        RequireSilence(context, node);
        var forecast = await new FencingLadder(context, node).ForecastAsync(cancellationToken).ConfigureAwait(false);
        RequireGone(context.Fault, node, forecast.Status);
        // fencing loses nothing by itself and takes a server away: that is what a guard is for
        var acts = forecast.Acts.Count == 0 ? [new PlannedAct(ActKind.Read, node.Name, forecast.Because, Destructive: true)] : forecast.Acts.AsDestructive().ToList();
        var level = Math.Min(forecast.Level, options.AtLeast);
        return new Planned<FenceState>(new(node.Name, level), acts,
            Outputs: new Dictionary<string, FactValue> { ["level"] = (long)forecast.Level, ["node"] = node.Name },
            ApprovalBecause: level < FenceLevel.Enough
                ? $"'{node.Name}' cannot be proved to be down (level {level}): if it still runs and clients reach it, it and the new primary both take writes (split brain), and what is written on one of them is lost"
                : level < options.AtLeast ? $"of level {options.AtLeast}, which is asked for, only level {level} can be had: {forecast.Because}" : null);
    }

    /// <summary>
    /// One that was called down for giving no answer, and is the only primary again, is not taken from those that it serves: a person thought for a while, a
    /// start took its time, or a process ended and another one goes on. Where somebody was asked to become primary, there may soon be two.
    /// </summary>
    private static void RequireSilence(ActionContext context, NodeDefinition node)
    {
        if (context.Fault is { } fault && fault.Node == node.Name && s_silences.Contains(fault.Id) && context.Seen is { } seen && seen.Primaries() is [var only] && only.Node == node.Name
            && !PromotionMark.IsSet(context.IncidentFolder) && context.PendingPromotions(seen).Count == 0)
        {
            throw new DbRecoveryException(ErrorIds.FaultGone, ErrorKind.Refused, $"'{node.Name}' answers as the primary again: {fault.Id} is over",
                "Look at why it was gone; a failover can be asked for (Invoke-DbFailover, dbrecovery failover).", node.Name);
        }
    }

    /// <summary>
    /// A silence that is no proof of death (nothing answers, or nothing speaks) may be only between here and the node. Where its machine says that it
    /// runs and is not frozen, most of those that may be in touch with it must have lost it, too, before it is taken from those that are served.
    /// </summary>
    private static void RequireGone(Fault? fault, NodeDefinition node, InstanceStatus status)
    {
        var silent = fault?.Node == node.Name && (fault.Id is "node.hung" or "node.host-unreachable" || (fault.Details.TryGetValue("cause", out var cause) && cause == "host-unreachable"));
        if (!silent || status is not { State: InstanceState.Running, ProcessState: not ('T' or 't' or 'D' or 'Z') } || (fault!.Details.TryGetValue("majority", out var majority) && majority.AsBool()))
            return;
        var witnesses = fault.Details.TryGetValue("witnesses", out var seen) && seen.AsList() is { Count: > 0 } list ? $"only {string.Join(", ", list.Select(w => $"'{w}'"))} lost it" : "no other node lost it";
        throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused,
            $"'{node.Name}' runs on its machine ({status.Detail}) and may be out of reach from here alone: {witnesses}, which is not most of the nodes that may be in touch with it",
            "Look at the network between this machine, the other nodes and it; a failover can be asked for (Invoke-DbFailover, dbrecovery failover).", node.Name);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, FenceState state, CancellationToken cancellationToken)
    {
        RequireSilence(context, context.Cluster.Node(state.Node));
        var outcome = await new FencingLadder(context, context.Cluster.Node(state.Node)).ClimbAsync(cancellationToken).ConfigureAwait(false);
        if (outcome.Level < state.AtLeast)
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused,
                $"only level {outcome.Level} of {state.AtLeast} was reached, so nobody is promoted: {outcome.Summary}",
                $"Make sure that '{state.Node}' is down (power it off), or ask for the takeover with a lower level and agree to the risk.", state.Node);
        }
        return Result(state.Node, outcome.Level, outcome.Summary);
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, FenceState state, CancellationToken cancellationToken)
    {
        var node = context.Cluster.Node(state.Node);
        if (context.Provider.TryGet<IInstanceControl>(out var control) && control.UnavailableBecause(context.Cluster, node) is null
            && await control.StatusAsync(context.Cluster, node, TimeSpan.FromSeconds(2), cancellationToken).ConfigureAwait(false) is { State: InstanceState.Stopped } status
            && control.HoldDown(context.Cluster, node) is null)
        {
            return new Reconciliation(ReconcileOutcome.Done, status.Detail, Result(node.Name, FenceLevel.Stopped, $"'{node.Name}' is stopped: {status.Detail}"));
        }
        return new Reconciliation(ReconcileOutcome.NotDone, "fencing once more does no harm");
    }

    private static ActionResult Result(string node, int level, string summary) => new()
    {
        Summary = $"Level {level}: {summary}.", Outputs = new Dictionary<string, FactValue> { ["level"] = (long)level, ["node"] = node },
    };
}

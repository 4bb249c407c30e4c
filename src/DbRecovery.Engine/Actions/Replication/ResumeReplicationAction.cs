namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>resume-replication</c>.</summary>
internal sealed record ResumeReplicationOptions
{
    /// <summary>The replica.</summary>
    [Option("the replica; empty: the faulty node")]
    public string Node { get; init; } = "";

    /// <summary>How long it may take until it streams.</summary>
    [Option("how long it may take until it streams again")]
    public TimeSpan Within { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Which replica, and whom it follows.</summary>
internal sealed record ResumeReplicationState(string Node, string Upstream, TimeSpan Within);

/// <summary>Gets a replica's stream going again: connection, slot, paused replay.</summary>
internal sealed class ResumeReplicationAction : RecoveryAction<ResumeReplicationOptions, ResumeReplicationState>
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "resume-replication", "Gets a replica's stream going again: its connection text, its slot, a paused replay; only what is wrong is changed.",
        capability: typeof(IReplicationControl), timeout: TimeSpan.FromMinutes(2));

    protected override async Task<Planned<ResumeReplicationState>> PlanCoreAsync(ActionContext context, ResumeReplicationOptions options, CancellationToken cancellationToken)
    {
        if (context.Cluster.ManagedBy is { } manager)
            throw new DbRecoveryException(ErrorIds.ManagedCluster, ErrorKind.Refused, $"{manager.Kind} owns the cluster '{context.Cluster.Name}' and sets whom its members follow", $"Ask {manager.Kind}.", context.Cluster.Name);
        var node = options.Node.Length > 0 ? context.Cluster.Node(options.Node) : context.TargetNode();
        var upstream = await UpstreamAsync(context, node, cancellationToken).ConfigureAwait(false);
        var operation = await Control(context).ResumeReplicationAsync(context.Cluster, node, upstream, cancellationToken).ConfigureAwait(false);
        return new Planned<ResumeReplicationState>(new(node.Name, upstream.Name, options.Within), operation.Acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, ResumeReplicationState state, CancellationToken cancellationToken)
    {
        var (node, upstream) = (context.Cluster.Node(state.Node), context.Cluster.Node(state.Upstream));
        var operation = await Control(context).ResumeReplicationAsync(context.Cluster, node, upstream, cancellationToken).ConfigureAwait(false);
        var outcome = await operation.RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        var since = context.Clock.GetTimestamp();
        while (!await StreamsAsync(context, state, cancellationToken).ConfigureAwait(false))
        {
            if (context.Clock.GetElapsedTime(since) > state.Within)
            {
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{node.Name}' still does not stream from '{upstream.Name}': {outcome.Summary}",
                    "Its log says why. Where the primary no longer has the log that it needs, rebuild it.", node.Name);
            }
            await Task.Delay(BetweenLooks, context.Clock, cancellationToken).ConfigureAwait(false);
        }
        return new ActionResult { Summary = $"'{node.Name}' streams from '{upstream.Name}'. {outcome.Summary}" };
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, ResumeReplicationState state, CancellationToken cancellationToken) =>
        await StreamsAsync(context, state, cancellationToken).ConfigureAwait(false)
            ? new Reconciliation(ReconcileOutcome.Done, $"'{state.Node}' streams", new ActionResult { Summary = $"'{state.Node}' streams from '{state.Upstream}'." })
            : new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Node}' does not stream; what mends it can be done again");

    private IReplicationControl Control(ActionContext context) => context.Provider.Require<IReplicationControl>(Descriptor.Name);

    private static async Task<bool> StreamsAsync(ActionContext context, ResumeReplicationState state, CancellationToken cancellationToken)
    {
        var seen = (await context.LookAsync([context.Cluster.Node(state.Node)], TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false))[0];
        return seen.Role == NodeRole.Replica && seen.MayStreamFrom(context.Cluster, state.Upstream) && seen.Facts.Bool(PostgreSqlFacts.ReplayPaused) != true;
    }

    // a cascading replica goes back to the upstream that the inventory gives it, if that is there
    private static async Task<NodeDefinition> UpstreamAsync(ActionContext context, NodeDefinition node, CancellationToken cancellationToken)
    {
        var seen = await context.SeenNowAsync(cancellationToken).ConfigureAwait(false);
        var reachable = seen.Observations.Where(o => o.Reachability == Reachability.Reachable && o.Node != node.Name).ToList();
        if (node.Upstream is { } named && reachable.Exists(o => o.Node == named))
            return context.Cluster.Node(named);
        return reachable.Where(o => o.Role == NodeRole.Primary).Select(o => o.Node).ToList() is [var only]
            ? context.Cluster.Node(only)
            : throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{context.Cluster.Name}' has no one primary that answers, so there is nobody whom '{node.Name}' could follow", "Look at the topology first.", context.Cluster.Name);
    }
}

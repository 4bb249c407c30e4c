namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>kill-sessions</c>.</summary>
internal sealed record KillSessionsOptions
{
    /// <summary>The node.</summary>
    [Option("the node; empty: the faulty one")]
    public string Node { get; init; } = "";

    /// <summary>Which sessions.</summary>
    [Option("which sessions end")]
    public SessionSelection Sessions { get; init; } = SessionSelection.IdleInTransaction;

    /// <summary>How long they must have been so.</summary>
    [Option("only those that have been so for longer")]
    public TimeSpan OlderThan { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Which sessions end.</summary>
internal sealed record KillSessionsState(string Node, SessionSelection Sessions, TimeSpan OlderThan);

/// <summary>Ends sessions; never those of replication or of DbRecovery.</summary>
internal sealed class KillSessionsAction : RecoveryAction<KillSessionsOptions, KillSessionsState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "kill-sessions", "Ends sessions: those at the root of a queue of locks, those that hold a transaction open and do nothing, or all.", capability: typeof(IReplicationControl),
        timeout: TimeSpan.FromSeconds(30), outputs: [new("ended", FactType.Int, null, "sessions that were ended")]);

    protected override async Task<Planned<KillSessionsState>> PlanCoreAsync(ActionContext context, KillSessionsOptions options, CancellationToken cancellationToken)
    {
        var node = context.NodeOrTarget(options.Node);
        var operation = await context.Replication(Descriptor.Name).EndSessionsAsync(context.Cluster, node, options.Sessions, options.OlderThan, cancellationToken).ConfigureAwait(false);
        return new Planned<KillSessionsState>(new(node.Name, options.Sessions, options.OlderThan), operation.Acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, KillSessionsState state, CancellationToken cancellationToken)
    {
        var operation = await context.Replication(Descriptor.Name).EndSessionsAsync(context.Cluster, context.Cluster.Node(state.Node), state.Sessions, state.OlderThan, cancellationToken).ConfigureAwait(false);
        var outcome = await operation.RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = outcome.Summary, Outputs = outcome.Outputs };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, KillSessionsState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "sessions that are still so are looked for anew"));
}

/// <summary>Options of <c>free-space</c>.</summary>
internal sealed record FreeSpaceOptions
{
    /// <summary>The node.</summary>
    [Option("the node; empty: the faulty one")]
    public string Node { get; init; } = "";
}

/// <summary>Frees space by what is provably safe only.</summary>
internal sealed class FreeSpaceAction : RecoveryAction<FreeSpaceOptions, InstanceActState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "free-space", "Frees space on a server's disk by what is provably safe only: rotated logs, old core files; never the write-ahead log.", capability: typeof(IInstanceControl),
        timeout: TimeSpan.FromMinutes(2));

    protected override async Task<Planned<InstanceActState>> PlanCoreAsync(ActionContext context, FreeSpaceOptions options, CancellationToken cancellationToken)
    {
        var node = context.NodeOrTarget(options.Node);
        var operation = await InstanceActs.Control(context, node).FreeSpaceAsync(context.Cluster, node, cancellationToken).ConfigureAwait(false);
        return new Planned<InstanceActState>(new(node.Name), operation.Acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken)
    {
        var node = context.Cluster.Node(state.Node);
        var operation = await InstanceActs.Control(context, node).FreeSpaceAsync(context.Cluster, node, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = (await operation.RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false)).Summary };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "what can be freed is looked for anew"));
}

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>rebuild-replica</c> and <c>new-replica</c>.</summary>
internal sealed record CopyReplicaOptions
{
    /// <summary>The node.</summary>
    [Option("the node whose data are made; empty: the one that it is about")]
    public string Node { get; init; } = "";

    /// <summary>Where they are copied from.</summary>
    [Option("the node that they are copied from, a replica to spare the primary; empty: the primary")]
    public string Source { get; init; } = "";
}

/// <summary>Copies a replica's data anew from another node; the old ones are kept beside.</summary>
internal sealed class RebuildReplicaAction : RecoveryAction<CopyReplicaOptions, ReplicaReturnState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "rebuild-replica", "Copies a replica's data anew into a new folder, which takes the place of the old one; that is kept.",
        destructive: true, capability: typeof(IReplicaBuilder), timeout: TimeSpan.FromHours(4), outputs: RejoinAction.Outputs);

    protected override Task<Planned<ReplicaReturnState>> PlanCoreAsync(ActionContext context, CopyReplicaOptions options, CancellationToken cancellationToken)
    {
        var node = options.Node.Length > 0 ? context.Cluster.Node(options.Node) : context.TargetNode();
        return RejoinAction.PlanAsync(context, Descriptor.Name, node, options.Source, RebuildChoice.Always, keepTail: true, cancellationToken);
    }

    protected override Task<ActionResult> ExecuteCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).RunAsync(state, cancellationToken);

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).ReconcileAsync(state, cancellationToken);
}

/// <summary>Makes a node that has no data a replica.</summary>
internal sealed class NewReplicaAction : RecoveryAction<CopyReplicaOptions, ReplicaReturnState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "new-replica", "Makes a node that has no data yet a replica: a copy of the primary, or of another replica.",
        capability: typeof(IReplicaBuilder), timeout: TimeSpan.FromHours(4), outputs: RejoinAction.Outputs);

    protected override async Task<Planned<ReplicaReturnState>> PlanCoreAsync(ActionContext context, CopyReplicaOptions options, CancellationToken cancellationToken)
    {
        var node = options.Node.Length > 0 ? context.Cluster.Node(options.Node) : context.TargetNode();
        var way = new ReplicaReturn(context, Descriptor.Name);
        var scene = await way.LookAsync(node, cancellationToken).ConfigureAwait(false);
        if (scene.Status.State == InstanceState.Running)
            throw Taken(node, "its server runs");
        var found = scene.Primary is { } primary ? await way.CompareAsync(node, primary, mayRecover: false, cancellationToken).ConfigureAwait(false) : null;
        if (found is { Assessment: not null } or { UnreadableBecause: not null })
            throw Taken(node, $"'{node.DataDir}' is not empty");
        var state = new ReplicaReturnState(node.Name, scene.Primary?.Name ?? "", options.Source.Length > 0 ? context.Cluster.Node(options.Source).Name : scene.Primary?.Name ?? "", RebuildChoice.Always, null, null);
        // nothing is taken away: the place is empty
        return new Planned<ReplicaReturnState>(state, [.. way.Acts(state, scene, found).Select(a => a with { Destructive = false })]);
    }

    protected override Task<ActionResult> ExecuteCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).RunAsync(state, cancellationToken);

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).ReconcileAsync(state, cancellationToken);

    private static DbRecoveryException Taken(NodeDefinition node, string because) => new(ErrorIds.TargetExists, ErrorKind.Refused,
        $"'{node.Name}' is not new: {because}", "A replica that is there is rebuilt by 'rejoin' or 'rebuild-replica', which keep its old data.", node.Name);
}

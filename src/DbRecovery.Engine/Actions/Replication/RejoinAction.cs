namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>rejoin</c>.</summary>
internal sealed record RejoinOptions
{
    /// <summary>The node.</summary>
    [Option("the node that comes back; empty: the faulty one")]
    public string Node { get; init; } = "";

    /// <summary>When its data are copied anew.</summary>
    [Option("when its data are copied anew, beside the old ones, which are kept")]
    public RebuildChoice Rebuild { get; init; } = RebuildChoice.WhenNeeded;

    /// <summary>Whether the log that the primary lacks is kept.</summary>
    [Option("keep the log that the primary lacks, and list the writes in it")]
    public bool KeepTail { get; init; } = true;
}

/// <summary>Brings a former primary, or a replica that lost its way, back as a replica of the present primary.</summary>
internal sealed class RejoinAction : RecoveryAction<RejoinOptions, ReplicaReturnState>
{
    internal static readonly FactDefinition[] Outputs =
    [
        new("method", FactType.Text, null, "how it came back: started, rewound or rebuilt"),
        new("lostBytes", FactType.Int, "B", "bytes of its log with committed writes that the primary lacks"),
        new("lostWrites", FactType.Int, null, "the writes that are listed"),
        new("tailPath", FactType.Text, null, "the folder on its machine with that log and the list"),
        new("keptPath", FactType.Text, null, "where its old data folder is kept, if it was copied anew"),
    ];

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "rejoin", "Brings a former primary, or a replica that lost its way, back as a replica: stopped, compared, its own writes kept and listed, then rewound or copied anew.",
        destructive: true, capability: typeof(IReplicaBuilder), timeout: TimeSpan.FromHours(4), outputs: Outputs);

    protected override async Task<Planned<ReplicaReturnState>> PlanCoreAsync(ActionContext context, RejoinOptions options, CancellationToken cancellationToken)
    {
        var node = options.Node.Length > 0 ? context.Cluster.Node(options.Node) : context.TargetNode();
        return await PlanAsync(context, Descriptor.Name, node, "", options.Rebuild, options.KeepTail, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Plans the return of a node.</summary>
    internal static async Task<Planned<ReplicaReturnState>> PlanAsync(
        ActionContext context, string action, NodeDefinition node, string source, RebuildChoice rebuild, bool keepTail, CancellationToken cancellationToken)
    {
        var way = new ReplicaReturn(context, action);
        var scene = await way.LookAsync(node, cancellationToken).ConfigureAwait(false);
        var found = scene is { Primary: { } primary, Status.State: not InstanceState.Running } ? await way.CompareAsync(node, primary, mayRecover: false, cancellationToken).ConfigureAwait(false) : null;
        var state = new ReplicaReturnState(node.Name, scene.Primary?.Name ?? "", source.Length > 0 ? context.Cluster.Node(source).Name : scene.Primary?.Name ?? "", rebuild,
            keepTail ? $"{node.DataDir}.lost-{context.IncidentId}" : null, ReplicaReturn.StartOf(scene.Seen.Observations.FirstOrDefault(o => o.Node == node.Name)));
        var loss = scene.Status.State == InstanceState.Running && scene.Primary is not null ? way.LossOfRunning(scene, node) : way.Loss(found);
        return new Planned<ReplicaReturnState>(state, way.Acts(state, scene, found), loss);
    }

    protected override Task<ActionResult> ExecuteCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).RunAsync(state, cancellationToken);

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, ReplicaReturnState state, CancellationToken cancellationToken) =>
        new ReplicaReturn(context, Descriptor.Name).ReconcileAsync(state, cancellationToken);
}

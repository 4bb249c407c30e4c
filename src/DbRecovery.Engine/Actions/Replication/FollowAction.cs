namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>follow</c>.</summary>
internal sealed record FollowOptions
{
    /// <summary>The replica.</summary>
    [Option("the replica; empty: the faulty node")]
    public string Node { get; init; } = "";

    /// <summary>Whom it follows.</summary>
    [Option("the node that it follows; empty: the primary")]
    public string Upstream { get; init; } = "";
}

/// <summary>Who follows whom.</summary>
internal sealed record FollowState(string Node, string Upstream);

/// <summary>Makes a replica follow another node.</summary>
internal sealed class FollowAction : RecoveryAction<FollowOptions, FollowState>
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "follow", "Makes a replica follow another node and waits until it receives from it.", capability: typeof(IReplicationControl), timeout: TimeSpan.FromMinutes(1));

    protected override async Task<Planned<FollowState>> PlanCoreAsync(ActionContext context, FollowOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        var node = context.NodeOrTarget(options.Node);
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        var upstream = context.Cluster.Node(options.Upstream.Length > 0 ? options.Upstream : seen.OnlyPrimary());
        seen.RefuseStalePrimary(upstream.Name);
        if (seen.Observations.FirstOrDefault(o => o.Node == node.Name) is { } own)
        {
            if (own.IsPrimary() || upstream.Name == node.Name)
                throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' is a primary: it becomes a replica by 'rejoin'", target: node.Name);
            if (seen.Observations.FirstOrDefault(o => o.Node == upstream.Name)?.SystemId is { } other && own.SystemId is { } id && id != other)
                throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' belongs to another system than '{upstream.Name}'", target: node.Name);
        }
        return new Planned<FollowState>(new(node.Name, upstream.Name), context.Replication(Descriptor.Name).Follow(context.Cluster, node, upstream).Acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, FollowState state, CancellationToken cancellationToken)
    {
        var (node, upstream) = (context.Cluster.Node(state.Node), context.Cluster.Node(state.Upstream));
        await context.Replication(Descriptor.Name).Follow(context.Cluster, node, upstream).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        while (!(await context.LookAsync([node], Look, cancellationToken).ConfigureAwait(false))[0].StreamsFrom(context.Cluster, upstream.Name))
            await Task.Delay(BetweenLooks, context.Clock, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = $"'{node.Name}' receives from '{upstream.Name}'." };
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, FollowState state, CancellationToken cancellationToken) =>
        (await context.LookAsync([context.Cluster.Node(state.Node)], Look, cancellationToken).ConfigureAwait(false))[0].StreamsFrom(context.Cluster, state.Upstream)
            ? new Reconciliation(ReconcileOutcome.Done, $"'{state.Node}' receives from '{state.Upstream}'", new ActionResult { Summary = $"'{state.Node}' receives from '{state.Upstream}'." })
            : new Reconciliation(ReconcileOutcome.NotDone, "to lead it there once more does no harm");
}

/// <summary>Options of <c>set-sync</c>.</summary>
internal sealed record SetSyncOptions
{
    /// <summary>How many.</summary>
    [Option("how many replicas must have a transaction before it is acknowledged; -1: as the policy says")]
    public int Required { get; init; } = -1;

    /// <summary>Of which.</summary>
    [Option("the replicas that count; empty: those that stream now")]
    public IReadOnlyList<string> Replicas { get; init; } = [];
}

/// <summary>Which replicas the primary waits for.</summary>
internal sealed record SetSyncState(string Primary, IReadOnlyList<string> Replicas, int Required);

/// <summary>Sets which replicas must have a transaction before it is acknowledged.</summary>
internal sealed class SetSyncAction : RecoveryAction<SetSyncOptions, SetSyncState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "set-sync", "Sets how many of which replicas must have a transaction before it is acknowledged. Fewer than the policy asks for needs a person's agreement.",
        capability: typeof(IReplicationControl), timeout: TimeSpan.FromSeconds(30));

    protected override async Task<Planned<SetSyncState>> PlanCoreAsync(ActionContext context, SetSyncOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        var primary = seen.OnlyPrimary();
        var policy = context.Cluster.Policy.Synchronous;
        var now = seen.Observations.First(o => o.Node == primary);
        // where no policy speaks of it, what somebody has set on the primary is what was asked for
        var asked = policy > 0 ? policy : now.Facts.Int(PostgreSqlFacts.SyncRequired) ?? 0;
        var required = options.Required < 0 ? (int)asked : options.Required;
        // by the names that the primary knows: one that receives from another replica, or under another name, is waited for in vain
        var listed = now.Downstreams.Where(d => d.State is "streaming" or "unknown").Select(d => d.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
        string[] streaming = [.. seen.Observations.Where(o => o.Node != primary && o is { Role: NodeRole.Replica, Upstream.Streaming: true } && listed.Contains(o.Node)).Select(o => o.Node)];
        // those that do not stream are named too where the policy could not be met without them: then commits wait for one of them
        string[] others = [.. context.Cluster.Nodes.Where(n => n.Name != primary).Select(n => n.Name)];
        var replicas = options.Replicas.Count > 0 ? options.Replicas : required == 0 ? [] : streaming.Length >= required ? streaming : others;
        var nodes = replicas.Select(context.Cluster.Node).ToList();
        return new Planned<SetSyncState>(new(primary, replicas, required), context.Replication(Descriptor.Name).SetSynchronous(context.Cluster, context.Cluster.Node(primary), nodes, required).Acts,
            ApprovalBecause: required < asked ? $"a transaction would be acknowledged with {required} instead of {asked} replicas that have it: with the next failure of the primary it may be lost" : null);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SetSyncState state, CancellationToken cancellationToken)
    {
        var outcome = await context.Replication(Descriptor.Name).SetSynchronous(context.Cluster, context.Cluster.Node(state.Primary), [.. state.Replicas.Select(context.Cluster.Node)], state.Required)
            .RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = outcome.Summary };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SetSyncState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "setting it once more does no harm"));
}

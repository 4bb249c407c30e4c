namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>start</c>.</summary>
internal sealed record StartOptions
{
    /// <summary>The node.</summary>
    [Option("the node; empty: the faulty one")]
    public string Node { get; init; } = "";

    /// <summary>Whether it is tried at all.</summary>
    [Option("whether it is tried at all, such as ${cluster.policy.restartInPlace}; where not, 'started' is false")]
    public bool Enabled { get; init; } = true;

    /// <summary>Whether a server that does not start is an outcome.</summary>
    [Option("a server that does not start, or was started too often in the last hour, is no failure: 'started' is false then")]
    public bool Optional { get; init; }

    /// <summary>Starts in an hour.</summary>
    [Option("how often it may be started in an hour, this time included")]
    public int PerHour { get; init; } = 3;
}

/// <summary>What is started; with a reason, it is not.</summary>
internal sealed record StartState(string Node, bool Optional, string? NotBecause);

/// <summary>Starts an instance where it was.</summary>
internal sealed class StartAction : RecoveryAction<StartOptions, StartState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "start", "Starts a server and waits until it answers, within a budget of starts an hour.", capability: typeof(IInstanceControl), timeout: TimeSpan.FromSeconds(30),
        outputs: [new("started", FactType.Bool, null, "whether it answers")]);

    protected override async Task<Planned<StartState>> PlanCoreAsync(ActionContext context, StartOptions options, CancellationToken cancellationToken)
    {
        var node = context.NodeOrTarget(options.Node);
        if (!options.Enabled)
            return Not("the policy does not ask for it");
        context.RefuseManaged(Descriptor.Name);
        if (InstanceActs.Hindrance(context, node, options.PerHour) is { } hindrance)
            return options.Optional ? Not(hindrance.Message) : throw hindrance;
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return new Planned<StartState>(new(node.Name, options.Optional, null), InstanceActs.Start(context, node, seen, [.. seen.Observations.Where(o => o.Node != node.Name && !seen.IsStranger(o.Node))]).Acts);
        }
        catch (DbRecoveryException e) when (options.Optional)
        {
            return Not(e.Message);
        }

        Planned<StartState> Not(string because) => new(new(node.Name, options.Optional, because), [new PlannedAct(ActKind.Read, node.Name, $"is not started: {because}")],
            Outputs: new Dictionary<string, FactValue> { ["started"] = false });
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, StartState state, CancellationToken cancellationToken)
    {
        if (state.NotBecause is { } because)
            return Result(false, $"'{state.Node}' was not started: {because}.");
        // a little less than the step has, so that a start that hangs is an outcome, which other steps follow from, and not an unknown one
        using var late = new CancellationTokenSource(context.Timeout * 0.95, context.Clock);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            var outcome = await InstanceActs.StartAsync(context, context.Cluster.Node(state.Node), ends.Token).ConfigureAwait(false);
            return Result(true, outcome.Summary);
        }
        catch (DbRecoveryException e) when (state.Optional && e.Id != ErrorIds.LeaseLost)
        {
            return Result(false, $"'{state.Node}' does not start: {e.Message}");
        }
        catch (OperationCanceledException) when (state.Optional && late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return Result(false, $"'{state.Node}' did not start in time: nothing was heard of it.");
        }
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, StartState state, CancellationToken cancellationToken) =>
        (await context.LookAsync([context.Cluster.Node(state.Node)], TimeSpan.FromSeconds(2), cancellationToken).ConfigureAwait(false))[0].Reachability == Reachability.Reachable
            ? new Reconciliation(ReconcileOutcome.Done, $"'{state.Node}' answers", Result(true, $"'{state.Node}' answers."))
            : new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Node}' does not answer");

    private static ActionResult Result(bool started, string summary) => new() { Summary = summary, Outputs = new Dictionary<string, FactValue> { ["started"] = started } };
}

/// <summary>Options of <c>stop</c> and <c>restart</c>.</summary>
internal sealed record InstanceOptions
{
    /// <summary>The node.</summary>
    [Option("the node; empty: the faulty one")]
    public string Node { get; init; } = "";
}

/// <summary>The instance.</summary>
internal sealed record InstanceActState(string Node);

/// <summary>Stops an instance cleanly.</summary>
internal sealed class StopAction : RecoveryAction<InstanceOptions, InstanceActState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "stop", "Stops a server cleanly.", destructive: true, capability: typeof(IInstanceControl), timeout: TimeSpan.FromMinutes(2));

    protected override Task<Planned<InstanceActState>> PlanCoreAsync(ActionContext context, InstanceOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        var node = context.NodeOrTarget(options.Node);
        return Task.FromResult(new Planned<InstanceActState>(new(node.Name), [.. InstanceActs.Control(context, node).Stop(context.Cluster, node).Acts.AsDestructive()]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken)
    {
        var node = context.Cluster.Node(state.Node);
        return new ActionResult { Summary = (await InstanceActs.Control(context, node).Stop(context.Cluster, node).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false)).Summary };
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken)
    {
        var node = context.Cluster.Node(state.Node);
        var status = await InstanceActs.Control(context, node).StatusAsync(context.Cluster, node, TimeSpan.FromSeconds(2), cancellationToken).ConfigureAwait(false);
        return status.State == InstanceState.Stopped
            ? new Reconciliation(ReconcileOutcome.Done, status.Detail, new ActionResult { Summary = $"'{state.Node}' is stopped." })
            : new Reconciliation(ReconcileOutcome.NotDone, status.Detail);
    }
}

/// <summary>Stops an instance cleanly and starts it again.</summary>
internal sealed class RestartAction : RecoveryAction<InstanceOptions, InstanceActState>
{
    private const int PerHour = 3;

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "restart", "Stops a server cleanly and starts it again, at most three times an hour.", destructive: true, capability: typeof(IInstanceControl), timeout: TimeSpan.FromMinutes(3));

    protected override Task<Planned<InstanceActState>> PlanCoreAsync(ActionContext context, InstanceOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        var node = context.NodeOrTarget(options.Node);
        if (InstanceActs.Hindrance(context, node, PerHour) is { } hindrance)
            throw hindrance;
        var control = InstanceActs.Control(context, node);
        return Task.FromResult(new Planned<InstanceActState>(new(node.Name),
            [.. control.Stop(context.Cluster, node).Acts.AsDestructive(), .. control.Start(context.Cluster, node).Acts]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken)
    {
        var node = context.Cluster.Node(state.Node);
        var control = InstanceActs.Control(context, node);
        await control.Stop(context.Cluster, node).RunAsync(context.Timeout / 2, context.Progress, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = (await control.Start(context.Cluster, node).RunAsync(context.Timeout / 2, context.Progress, cancellationToken).ConfigureAwait(false)).Summary };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, InstanceActState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "restarting it once more does no harm"));
}

/// <summary>What starting and stopping have in common.</summary>
internal static class InstanceActs
{
    /// <summary>The control of a node.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.CapabilityMissing"/>.</exception>
    public static IInstanceControl Control(ActionContext context, NodeDefinition node)
    {
        var control = context.Provider.Require<IInstanceControl>("control of instances");
        return control.UnavailableBecause(context.Cluster, node) is { } because
            ? throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, $"'{node.Name}' cannot be controlled: {because}", "Add 'control' to the cluster.", node.Name)
            : control;
    }

    /// <summary>Why an instance may not be started; null if it may.</summary>
    public static DbRecoveryException? Hindrance(ActionContext context, NodeDefinition node, int perHour)
    {
        try
        {
            Control(context, node);
        }
        catch (DbRecoveryException e)
        {
            return e;
        }
        var before = context.StartsInLastHour(node.Name);
        return before < perHour ? null : new DbRecoveryException(ErrorIds.RecoverySuppressed, ErrorKind.Refused,
            $"'{node.Name}' was started {Counted.Of(before, "time")} in the last hour, and may be {perHour}: what makes it fall is not mended by another start", "Look at its log.", node.Name);
    }

    /// <summary>
    /// What starting does. A node that was fenced is let go, and one may become a primary, only where it is the one that is known as the primary, and no other
    /// node is, was asked to become one, or may be: elsewhere a former primary whose machine came back would be a second one. It rejoins.
    /// </summary>
    public static NodeOperation Start(ActionContext context, NodeDefinition node, HealthReport seen, IReadOnlyList<NodeObservation> others)
    {
        var known = seen.Observations.Select(o => o.Facts.Text(ReplicationFacts.Primary)).FirstOrDefault(p => p is not null) ?? seen.LastPrimary?.Node;
        var leads = (known == node.Name || context.Cluster.Nodes.Count == 1) && !others.Any(o => o.IsPrimary()) && context.PendingPromotions(seen).All(a => a.Node == node.Name);
        // one that does not answer may be the one that took this node's place when it was fenced
        var letGo = leads && others.All(o => o.Reachability == Reachability.Reachable);
        return Control(context, node).Start(context.Cluster, node, letGo, asReplica: !leads);
    }

    /// <summary>Starts an instance.</summary>
    public static async Task<OperationOutcome> StartAsync(ActionContext context, NodeDefinition node, CancellationToken cancellationToken)
    {
        var others = await context.LookAsync(context.Others(node), TimeSpan.FromMilliseconds(500), cancellationToken).ConfigureAwait(false);
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        return await Start(context, node, seen, others).RunAsync(context.Timeout * 0.9, context.Progress, cancellationToken).ConfigureAwait(false);
    }
}

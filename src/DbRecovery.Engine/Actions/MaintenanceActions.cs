namespace DbRecovery.Engine.Actions;

/// <summary>No options.</summary>
internal sealed record MaintenanceOptions;

/// <summary>The node that is kept up.</summary>
internal sealed record MaintenanceState(string Node);

/// <summary>Rebuilds indexes from their tables.</summary>
internal sealed class ReindexAction : RecoveryAction<MaintenanceOptions, MaintenanceState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "reindex", "Rebuilds every index from its table.", capability: typeof(IMaintenance), timeout: TimeSpan.FromMinutes(30));

    protected override Task<Planned<MaintenanceState>> PlanCoreAsync(ActionContext context, MaintenanceOptions options, CancellationToken cancellationToken)
    {
        var act = context.Provider.Require<IMaintenance>(Descriptor.Name).PlanReindex(context.TargetNode());
        return Task.FromResult(new Planned<MaintenanceState>(new(context.TargetNode().Name), [act]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, MaintenanceState state, CancellationToken cancellationToken)
    {
        await context.Provider.Require<IMaintenance>(Descriptor.Name).ReindexAsync(context.Cluster, context.Cluster.Node(state.Node), context.Timeout, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = "Indexes were rebuilt from their tables." };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, MaintenanceState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "rebuilding indexes once more does no harm"));
}

/// <summary>Carries out a pending crash recovery and moves logged changes into the database.</summary>
internal sealed class CheckpointAction : RecoveryAction<MaintenanceOptions, MaintenanceState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "checkpoint", "Opens the database read-write, which carries out a pending crash recovery, and moves logged changes into it.",
        capability: typeof(IMaintenance), timeout: TimeSpan.FromMinutes(10),
        outputs: [new("summary", FactType.Text, null, "what was done")]);

    protected override Task<Planned<MaintenanceState>> PlanCoreAsync(ActionContext context, MaintenanceOptions options, CancellationToken cancellationToken)
    {
        var act = context.Provider.Require<IMaintenance>(Descriptor.Name).PlanCheckpoint(context.TargetNode());
        return Task.FromResult(new Planned<MaintenanceState>(new(context.TargetNode().Name), [act]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, MaintenanceState state, CancellationToken cancellationToken)
    {
        var summary = await context.Provider.Require<IMaintenance>(Descriptor.Name).CheckpointAsync(context.Cluster, context.Cluster.Node(state.Node), context.Timeout, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = summary, Outputs = new Dictionary<string, FactValue> { ["summary"] = summary } };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, MaintenanceState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "a further checkpoint does no harm"));
}

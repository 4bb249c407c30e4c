using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>promote</c>.</summary>
internal sealed record PromoteOptions
{
    /// <summary>The node.</summary>
    [Option("the replica that becomes primary")]
    public required string Node { get; init; }
}

/// <summary>Promotes a replica that is named. What must be true for a failover must be true for this: no living primary, a fence, nothing left to receive.</summary>
internal sealed class PromoteAction : RecoveryAction<PromoteOptions, FailoverState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "promote", "Makes a replica that is named the primary, under the same conditions as 'failover'.", destructive: true, capability: typeof(IReplicationControl),
        outputs: [new("newPrimary", FactType.Text, null, "the node that took over"), new("timeline", FactType.Int, null, "the new timeline"), .. Aftercare.Outputs]);

    /// <inheritdoc/>
    public override bool PlansEachAttempt => true;

    /// <inheritdoc/>
    public override bool MayStillComeToPass(ClusterDefinition cluster, string incidentFolder) => PromotionMark.IsSet(incidentFolder);

    protected override Task<Planned<FailoverState>> PlanCoreAsync(ActionContext context, PromoteOptions options, CancellationToken cancellationToken)
    {
        context.RefuseManaged(Descriptor.Name);
        return FailoverAction.PlanTakeoverAsync(context, new FailoverOptions { Candidate = options.Node }, cancellationToken);
    }

    protected override Task<ActionResult> ExecuteCoreAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken) => FailoverAction.TakeOverAsync(context, state, cancellationToken);

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken) => FailoverAction.LookBackAsync(context, state, cancellationToken);
}

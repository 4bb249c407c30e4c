namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>wait</c>.</summary>
internal sealed record WaitOptions
{
    /// <summary>How long.</summary>
    [Option("how long to wait")]
    public required TimeSpan For { get; init; }
}

/// <summary>How long.</summary>
internal sealed record WaitState(TimeSpan For);

/// <summary>Waits.</summary>
internal sealed class WaitAction : RecoveryAction<WaitOptions, WaitState>
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe("wait", "Waits, at most one hour.", timeout: Longest + TimeSpan.FromMinutes(1));

    protected override Task<Planned<WaitState>> PlanCoreAsync(ActionContext context, WaitOptions options, CancellationToken cancellationToken)
    {
        if (options.For < TimeSpan.Zero || options.For > Longest)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'for: {options.For}' is not between nothing and {Longest}", "Wait for a shorter time.");
        return Task.FromResult(new Planned<WaitState>(new(options.For), [new PlannedAct(ActKind.Wait, context.Cluster.Name, $"wait {options.For}")]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, WaitState state, CancellationToken cancellationToken)
    {
        await Task.Delay(state.For, context.Clock, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = $"Waited {state.For}." };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, WaitState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "waiting once more does no harm"));
}

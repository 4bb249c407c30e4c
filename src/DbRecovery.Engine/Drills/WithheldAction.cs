using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Drills;

/// <summary>An action that reaches beyond the database: a drill plans it, says so, and does not carry it out.</summary>
internal sealed class WithheldAction(RecoveryAction action) : RecoveryAction
{
    // people, programs and services are no part of a sandbox
    private static readonly HashSet<string> Withheld = ["notify", "run-command", "run-powershell"];

    /// <summary>The actions of an incident's steps that a drill planned and did not carry out.</summary>
    public static IReadOnlyList<string> Among(IEnumerable<IncidentStep> steps) => [.. steps.Select(s => s.Action).Where(Withheld.Contains).Distinct()];

    /// <summary>The actions as a drill carries them out.</summary>
    public static ActionCatalogue InDrill(ActionCatalogue actions) =>
        new(actions.Descriptors.Select(d => actions.Get(d.Name)).Select(a => Withheld.Contains(a.Descriptor.Name) ? new WithheldAction(a) : a));

    public override ActionDescriptor Descriptor => action.Descriptor;

    public override Type OptionsType => action.OptionsType;

    public override Task<ActionPlan> PlanAsync(ActionContext context, object options, CancellationToken cancellationToken) => action.PlanAsync(context, options, cancellationToken);

    public override Task<ActionResult> ExecuteAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        Task.FromResult(new ActionResult { Summary = $"Not carried out in a drill: {string.Join("; ", plan.Acts.Select(a => a.Detail))}", Outputs = plan.PlannedOutputs });

    public override Task<Reconciliation> ReconcileAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "a drill does not carry it out"));
}

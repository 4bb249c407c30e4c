using System.Text.Json;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Tests.Incidents;

/// <summary>An action that plans, does and finds what a test says, and counts.</summary>
internal sealed class ScriptedAction(string name) : RecoveryAction
{
    internal sealed record Options;

    public override ActionDescriptor Descriptor { get; } = new() { Name = name, Description = name, Destructive = true, Options = [], Outputs = [] };
    public override Type OptionsType => typeof(Options);
    public override bool PlansEachAttempt => true;
    public override bool CanCompensate => true;
    public override bool UndoesItself => CleansUp;
    public override bool MayStillComeToPass(ClusterDefinition cluster, string incidentFolder) => Pending ?? PromotionMark.IsSet(incidentFolder);

    /// <summary>What it would lose; it is asked whenever a plan is made.</summary>
    public Func<DataLoss?> Loss { get; set; } = () => null;
    /// <summary>What it would lose where a person is asked, and has answered by a moment; null: as otherwise.</summary>
    public Func<DateTimeOffset?, DataLoss?>? LossBy { get; set; }
    /// <summary>Why a person must agree.</summary>
    public Func<string?> Because { get; set; } = () => null;
    public Func<CancellationToken, Task> Doing { get; set; } = _ => Task.CompletedTask;
    public Func<ReconcileOutcome> Found { get; set; } = () => ReconcileOutcome.NotDone;
    /// <summary>Whether what it was asked for may still come to pass; null: as the mark says.</summary>
    public bool? Pending { get; set; } = true;
    /// <summary>Whether a cancelled attempt leaves nothing behind.</summary>
    public bool CleansUp { get; set; }
    /// <summary>Whether it says on disk that it asks a node to become primary.</summary>
    public bool Marks { get; set; }
    public int Planned { get; private set; }
    /// <summary>The nodes that incidents before asked to become primary, as the last plan was told.</summary>
    public IReadOnlyList<string> Asked { get; private set; } = [];
    /// <summary>The number of the plan that each attempt was made with.</summary>
    public List<int> Done { get; } = [];
    public int Undone { get; private set; }

    public override Task<ActionPlan> PlanAsync(ActionContext context, object options, CancellationToken cancellationToken)
    {
        Asked = [.. context.AskedPromotions().Select(a => a.Node)];
        return Task.FromResult(new ActionPlan
        {
            Acts = [new PlannedAct(ActKind.Sql, "n1", $"do {name}", Destructive: true)], Loss = LossBy is { } by ? by(context.AnsweredBy) : Loss(), ApprovalBecause = Because(),
            State = JsonSerializer.SerializeToElement(new { number = ++Planned, candidate = "n2", timeline = 1 }),
        });
    }

    public override async Task<ActionResult> ExecuteAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken)
    {
        Done.Add(plan.State.GetProperty("number").GetInt32());
        if (Marks)
            await File.WriteAllTextAsync(Path.Combine(context.IncidentFolder, PromotionMark.Name), "n2", cancellationToken);
        await Doing(cancellationToken);
        return new ActionResult { Summary = $"{name} is done" };
    }

    public override Task<Reconciliation> ReconcileAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(Found(), "it was looked at", new ActionResult { Summary = $"{name} is done" }));

    public override Task<ActionResult> CompensateAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken)
    {
        Undone++;
        return Task.FromResult(new ActionResult { Summary = $"{name} is undone" });
    }
}

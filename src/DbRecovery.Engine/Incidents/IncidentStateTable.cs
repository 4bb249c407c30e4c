using System.Text;

namespace DbRecovery.Engine.Incidents;

/// <summary>What moves an incident from one state to another.</summary>
public enum IncidentTrigger
{
    /// <summary>A fault was seen, or reported.</summary>
    FaultSeen,
    /// <summary>A second look saw it too.</summary>
    FaultConfirmed,
    /// <summary>A later look does not see it.</summary>
    FaultGone,
    /// <summary>A plan was made.</summary>
    PlanMade,
    /// <summary>A pause, cooldown, limit or open incident stands against acting.</summary>
    Blocked,
    /// <summary>A person must agree.</summary>
    ApprovalNeeded,
    /// <summary>A person agreed.</summary>
    Approved,
    /// <summary>Plan or evidence changed: what was agreed to is not what would be done.</summary>
    ApprovalVoid,
    /// <summary>The steps begin.</summary>
    Start,
    /// <summary>Every step is done.</summary>
    StepsDone,
    /// <summary>A step failed and what was done shall be undone.</summary>
    UndoNeeded,
    /// <summary>Whether a step took effect cannot be known.</summary>
    OutcomeUnknown,
    /// <summary>The world shows now whether it did.</summary>
    Reconciled,
    /// <summary>Every check held.</summary>
    Verified,
    /// <summary>What a person asked for is done, and every check held: there is no fault that could recur.</summary>
    Settled,
    /// <summary>The time in which a recurrence escalates is over.</summary>
    ProbationOver,
    /// <summary>A later look takes this one's place, or a wider fault.</summary>
    TakenOver,
    /// <summary>A person stopped it.</summary>
    Stopped,
    /// <summary>The state's time is over.</summary>
    TimedOut,
    /// <summary>It cannot go on.</summary>
    Failed,
}

/// <summary>One edge of the state table.</summary>
/// <param name="From">The state before.</param>
/// <param name="Trigger">What moves it.</param>
/// <param name="To">The state after.</param>
/// <param name="Guard">What must be true, by name; null for nothing beside the trigger.</param>
public sealed record IncidentTransition(IncidentState From, IncidentTrigger Trigger, IncidentState To, string? Guard = null);

/// <summary>What moves a step from one state to another.</summary>
/// <param name="From">The state before.</param>
/// <param name="To">The state after.</param>
/// <param name="On">What moves it.</param>
public sealed record StepTransition(StepState From, StepState To, string On);

/// <summary>The states of incidents and steps and the edges between them. Nothing else moves a state.</summary>
public static class IncidentStateTable
{
    /// <summary>The edges of a step.</summary>
    public static IReadOnlyList<StepTransition> StepTransitions { get; } =
    [
        new(StepState.Pending, StepState.Intent, "intent is durable"),
        new(StepState.Pending, StepState.Skipped, "condition does not hold"),
        new(StepState.Pending, StepState.Failed, "cannot be planned, guard fails"),
        new(StepState.Intent, StepState.Applied, "action ended well"),
        new(StepState.Intent, StepState.Failed, "action failed without effect"),
        new(StepState.Intent, StepState.Unknown, "timeout, lost outcome, death of the process"),
        new(StepState.Intent, StepState.Intent, "probe: not done, or a failed attempt is retried"),
        new(StepState.Unknown, StepState.Confirmed, "probe: done"),
        new(StepState.Unknown, StepState.Intent, "probe: not done, tried again"),
        new(StepState.Unknown, StepState.Failed, "probe: not done, no attempt left; timeout; a person closed it"),
        new(StepState.Failed, StepState.Intent, "attempt left"),
        new(StepState.Failed, StepState.Failed, "attempt left, and a guard or the whole time forbids it"),
        new(StepState.Applied, StepState.Compensated, "undone"),
        new(StepState.Confirmed, StepState.Compensated, "undone"),
    ];

    /// <summary>The states from which nothing leads on.</summary>
    public static IReadOnlySet<IncidentState> Final { get; } = new HashSet<IncidentState>
    {
        IncidentState.Resolved, IncidentState.Superseded, IncidentState.Cancelled, IncidentState.Failed,
    };

    /// <summary>The edges of an incident.</summary>
    public static IReadOnlyList<IncidentTransition> Transitions { get; } = Build();

    /// <summary>How long a state may last where the runbook says nothing; a state that is not final has one.</summary>
    public static IReadOnlyDictionary<IncidentState, TimeSpan> Timeouts { get; } = new Dictionary<IncidentState, TimeSpan>
    {
        [IncidentState.Observing] = TimeSpan.FromMinutes(15),
        [IncidentState.Suspected] = TimeSpan.FromMinutes(30),
        [IncidentState.Confirmed] = TimeSpan.FromMinutes(30),
        [IncidentState.Planned] = TimeSpan.FromMinutes(30),
        [IncidentState.AwaitingApproval] = TimeSpan.FromMinutes(15),
        [IncidentState.Executing] = TimeSpan.FromHours(24),
        [IncidentState.Verifying] = TimeSpan.FromHours(24),
        [IncidentState.Probation] = TimeSpan.FromMinutes(10),
        [IncidentState.Suppressed] = TimeSpan.FromHours(1),
        [IncidentState.Compensating] = TimeSpan.FromHours(24),
        [IncidentState.AmbiguousHalt] = TimeSpan.FromDays(7),
    };

    /// <summary>The state that a trigger leads to.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.Unexpected"/>: the table has no such edge.</exception>
    public static IncidentState Next(IncidentState from, IncidentTrigger trigger) =>
        Find(from, trigger)?.To ?? throw new DbRecoveryException(ErrorIds.Unexpected, ErrorKind.Failed, $"an incident cannot go on from {from} by {trigger}");

    /// <summary>The edge of a trigger; null where there is none.</summary>
    public static IncidentTransition? Find(IncidentState from, IncidentTrigger trigger) =>
        Transitions.FirstOrDefault(t => t.From == from && t.Trigger == trigger);

    /// <summary>Whether a step may go from one state to the other.</summary>
    public static bool Allows(StepState from, StepState to) => StepTransitions.Any(t => t.From == from && t.To == to);

    /// <summary>The table as a graph in the DOT language.</summary>
    public static string ToDot()
    {
        var text = new StringBuilder("digraph incident {\n  rankdir=LR;\n  node [shape=box];\n");
        foreach (var state in Final)
            text.Append("  ").Append(state).Append(" [peripheries=2];\n");
        foreach (var edge in Transitions)
        {
            text.Append("  ").Append(edge.From).Append(" -> ").Append(edge.To)
                .Append(" [label=\"").Append(edge.Trigger).Append(edge.Guard is null ? "" : $"\\n[{edge.Guard}]").Append('"')
                .Append(edge.Trigger == IncidentTrigger.TimedOut ? ", style=dashed" : "").Append("];\n");
        }
        return text.Append("}\n").ToString();
    }

    private static IncidentTransition[] Build()
    {
        IncidentTransition[] edges =
        [
            new(IncidentState.Observing, IncidentTrigger.FaultSeen, IncidentState.Suspected, "lease held"),
            new(IncidentState.Observing, IncidentTrigger.TimedOut, IncidentState.Cancelled),
            new(IncidentState.Suspected, IncidentTrigger.FaultConfirmed, IncidentState.Confirmed),
            new(IncidentState.Suspected, IncidentTrigger.FaultGone, IncidentState.Cancelled),
            new(IncidentState.Suspected, IncidentTrigger.TimedOut, IncidentState.Cancelled),
            new(IncidentState.Confirmed, IncidentTrigger.PlanMade, IncidentState.Planned),
            new(IncidentState.Confirmed, IncidentTrigger.FaultGone, IncidentState.Cancelled),
            new(IncidentState.Confirmed, IncidentTrigger.TimedOut, IncidentState.Cancelled),
            new(IncidentState.Planned, IncidentTrigger.PlanMade, IncidentState.Planned, "nothing was begun"),
            new(IncidentState.Planned, IncidentTrigger.Blocked, IncidentState.Suppressed),
            new(IncidentState.Planned, IncidentTrigger.ApprovalNeeded, IncidentState.AwaitingApproval),
            new(IncidentState.Planned, IncidentTrigger.Start, IncidentState.Executing, "guards hold, no pause, no cooldown, within limits, loss allowed"),
            new(IncidentState.Planned, IncidentTrigger.FaultGone, IncidentState.Cancelled),
            new(IncidentState.Planned, IncidentTrigger.TimedOut, IncidentState.Cancelled),
            new(IncidentState.AwaitingApproval, IncidentTrigger.Approved, IncidentState.AwaitingApproval, "hash is that of the plan, not expired"),
            new(IncidentState.AwaitingApproval, IncidentTrigger.ApprovalVoid, IncidentState.AwaitingApproval),
            new(IncidentState.AwaitingApproval, IncidentTrigger.Blocked, IncidentState.Suppressed),
            new(IncidentState.AwaitingApproval, IncidentTrigger.Start, IncidentState.Executing, "approved, plan and evidence unchanged, guards hold"),
            new(IncidentState.AwaitingApproval, IncidentTrigger.FaultGone, IncidentState.Cancelled),
            new(IncidentState.AwaitingApproval, IncidentTrigger.TimedOut, IncidentState.Cancelled),
            new(IncidentState.Executing, IncidentTrigger.ApprovalNeeded, IncidentState.AwaitingApproval, "between two steps"),
            new(IncidentState.Executing, IncidentTrigger.StepsDone, IncidentState.Verifying),
            new(IncidentState.Executing, IncidentTrigger.UndoNeeded, IncidentState.Compensating),
            new(IncidentState.Executing, IncidentTrigger.OutcomeUnknown, IncidentState.AmbiguousHalt),
            new(IncidentState.Executing, IncidentTrigger.FaultGone, IncidentState.Cancelled, "between two steps"),
            new(IncidentState.Executing, IncidentTrigger.TimedOut, IncidentState.Failed),
            new(IncidentState.Verifying, IncidentTrigger.Verified, IncidentState.Probation, "checks held for their time"),
            new(IncidentState.Verifying, IncidentTrigger.Settled, IncidentState.Resolved, "a person asked for it, checks held for their time"),
            new(IncidentState.Verifying, IncidentTrigger.TimedOut, IncidentState.Failed),
            new(IncidentState.Probation, IncidentTrigger.ProbationOver, IncidentState.Resolved),
            new(IncidentState.Probation, IncidentTrigger.TimedOut, IncidentState.Resolved),
            new(IncidentState.Suppressed, IncidentTrigger.TimedOut, IncidentState.Superseded),
            new(IncidentState.Compensating, IncidentTrigger.OutcomeUnknown, IncidentState.AmbiguousHalt),
            new(IncidentState.Compensating, IncidentTrigger.TimedOut, IncidentState.Failed),
            new(IncidentState.AmbiguousHalt, IncidentTrigger.Reconciled, IncidentState.Executing, "the action's probe can tell"),
            new(IncidentState.AmbiguousHalt, IncidentTrigger.TimedOut, IncidentState.Failed),
        ];
        var open = Enum.GetValues<IncidentState>().Where(s => !Final.Contains(s)).ToList();
        return
        [
            .. edges,
            .. open.Select(s => new IncidentTransition(s, IncidentTrigger.Failed, IncidentState.Failed)),
            .. open.Select(s => new IncidentTransition(s, IncidentTrigger.Stopped, IncidentState.Cancelled)),
            .. open.Where(s => s is not IncidentState.Compensating)
                .Select(s => new IncidentTransition(s, IncidentTrigger.TakenOver, IncidentState.Superseded, s is IncidentState.Executing ? "between two steps" : null)),
        ];
    }
}

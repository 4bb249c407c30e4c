using System.Collections.Concurrent;
using System.Text.Json;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Routing;

namespace DbRecovery.Engine.Actions;

/// <summary>Runs a PowerShell script block; only where PowerShell is.</summary>
public interface IPowerShellHost
{
    /// <summary>Runs a script with named arguments and gives its output as text, a line an object.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.StepFailed"/> with the script's error.</exception>
    Task<IReadOnlyList<string>> InvokeAsync(string script, IReadOnlyDictionary<string, string> arguments, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>What an action works with.</summary>
public sealed record ActionContext
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The fault; null for an action carried out by itself.</summary>
    public Fault? Fault { get; init; }
    /// <summary>The database.</summary>
    public required IDatabaseProvider Provider { get; init; }
    /// <summary>Backups.</summary>
    public required IBackupService Backups { get; init; }
    /// <summary>The cluster's repository; null where none is configured.</summary>
    public RepositoryDefinition? Repository { get; init; }
    /// <summary>Observation.</summary>
    public required IHealthService Health { get; init; }
    /// <summary>The inventory's ways to reach people.</summary>
    public IReadOnlyDictionary<string, NotificationChannel> Notifications { get; init; } = new Dictionary<string, NotificationChannel>();
    /// <summary>Reads secrets.</summary>
    public required ISecretResolver Secrets { get; init; }
    /// <summary>Environment variables with secrets: programs that an action starts do not inherit them.</summary>
    public IReadOnlyCollection<string> SecretVariables { get; init; } = [];
    /// <summary>PowerShell; null outside it.</summary>
    public IPowerShellHost? PowerShell { get; init; }
    /// <summary>The incident's id.</summary>
    public required string IncidentId { get; init; }
    /// <summary>The incident's folder, where an action may keep files of its own.</summary>
    public required string IncidentFolder { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    /// <summary>Progress of long operations.</summary>
    public IProgress<OperationProgress>? Progress { get; init; }
    /// <summary>The facts of the last look at the target node; empty for an action carried out by itself.</summary>
    public FactSet Facts { get; init; } = new();
    /// <summary>The deadline of one attempt, for calls that take a timeout of their own.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);
    /// <summary>The last look at the whole cluster; null where none was taken. What must be safe is looked at anew, just before the act.</summary>
    public HealthReport? Seen { get; init; }
    /// <summary>The takeover epoch of the lease under which it acts; 0 while a plan is only shown.</summary>
    public long Epoch { get; init; }
    /// <summary>Whether the step is carried out now or next, rather than shown: earlier steps have run, so the world must be ready for this one, and what was seen before them is old.</summary>
    public bool Acting { get; init; }
    /// <summary>The ways by which applications reach the primary; null where the host gives none.</summary>
    public IRoutes? Routes { get; init; }
    /// <summary>How often an instance was started or restarted in the last hour, by the journals.</summary>
    public Func<string, int> StartsInLastHour { get; init; } = _ => 0;
    /// <summary>When the steps of <see cref="Done"/> had ended (UTC), by their action's name.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset?> DoneAt { get; init; } = new Dictionary<string, DateTimeOffset?>();
    /// <summary>The moment by which a person has agreed to what is planned (UTC); null where nobody is asked. Until then nothing is done.</summary>
    public DateTimeOffset? AnsweredBy { get; init; }
    /// <summary>Promotions that incidents before this one asked for, and that may still come to pass.</summary>
    public Func<IReadOnlyList<AskedPromotion>> AskedPromotions { get; init; } = () => [];
    /// <summary>What the nodes' machines said last in this incident, and when on the clock that cannot be set.</summary>
    public ConcurrentDictionary<string, (long At, InstanceStatus Said)> MachineLooks { get; init; } = new(StringComparer.Ordinal);
    /// <summary>The outputs of the incident's steps so far, by their action's name; of two steps with one action, the later's.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, FactValue>> Done { get; init; } = new Dictionary<string, IReadOnlyDictionary<string, FactValue>>();
}

/// <summary>A promotion that was asked for, and of which nobody knows what came: a replica that was asked becomes primary once it has applied all that it has.</summary>
/// <param name="Incident">The incident that asked.</param>
/// <param name="Node">The node that was asked.</param>
/// <param name="Timeline">The timeline that it was on then.</param>
public sealed record AskedPromotion(string Incident, string Node, long Timeline);

/// <summary>What an action found that it would do. It goes into the journal before the act, so that a reconciliation after a crash knows what was meant.</summary>
public sealed record ActionPlan
{
    /// <summary>What will be done, in order.</summary>
    public required IReadOnlyList<PlannedAct> Acts { get; init; }
    /// <summary>What would be lost; null for nothing.</summary>
    public DataLoss? Loss { get; init; }
    /// <summary>The action's own resolved inputs (paths, ids), as JSON.</summary>
    public required JsonElement State { get; init; }
    /// <summary>Outputs that are certain before the act, so that later steps can be planned with them.</summary>
    public IReadOnlyDictionary<string, FactValue> PlannedOutputs { get; init; } = new Dictionary<string, FactValue>();
    /// <summary>Why a person must agree, whatever the runbook says; null where none must.</summary>
    public string? ApprovalBecause { get; init; }
}

/// <summary>What came of an action.</summary>
public sealed record ActionResult
{
    /// <summary>In one sentence.</summary>
    public required string Summary { get; init; }
    /// <summary>Values for later steps, by the names of the descriptor's outputs.</summary>
    public IReadOnlyDictionary<string, FactValue> Outputs { get; init; } = new Dictionary<string, FactValue>();
    /// <summary>What was lost, as far as it is known now.</summary>
    public DataLoss? Loss { get; init; }
}

/// <summary>What a look at the world says of an act whose result is missing.</summary>
public enum ReconcileOutcome
{
    /// <summary>It did not happen, or can be done again without harm.</summary>
    NotDone,
    /// <summary>It happened.</summary>
    Done,
    /// <summary>It cannot be told.</summary>
    Unknown,
}

/// <summary>The answer of <see cref="RecoveryAction.ReconcileAsync"/>.</summary>
/// <param name="Outcome">What is known.</param>
/// <param name="Evidence">How it is known, in one sentence.</param>
/// <param name="Result">The result, where it happened.</param>
public sealed record Reconciliation(ReconcileOutcome Outcome, string Evidence, ActionResult? Result = null);

/// <summary>An action of a runbook. It has no state of its own: the same instance serves every incident.</summary>
public abstract class RecoveryAction
{
    /// <summary>What linter, schema and help know of it.</summary>
    public abstract ActionDescriptor Descriptor { get; }

    /// <summary>Works out what would be done. Changes nothing.</summary>
    /// <param name="context">What it works with.</param>
    /// <param name="options">The bound options record.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException">It cannot be done as things stand; the message says why.</exception>
    public abstract Task<ActionPlan> PlanAsync(ActionContext context, object options, CancellationToken cancellationToken);

    /// <summary>Does what the plan says.</summary>
    public abstract Task<ActionResult> ExecuteAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken);

    /// <summary>Looks whether the plan was carried out: after a crash, a timeout or a lost link. Changes nothing.</summary>
    public abstract Task<Reconciliation> ReconcileAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken);

    /// <summary>Whether <see cref="CompensateAsync"/> can undo it.</summary>
    public virtual bool CanCompensate => false;

    /// <summary>Whether a failed attempt leaves nothing behind that the next plan must know of, so that the next attempt is planned anew.</summary>
    public virtual bool PlansEachAttempt => false;

    /// <summary>Whether an attempt that was cancelled before it came to its effect has left everything as it was.</summary>
    public virtual bool UndoesItself => false;

    /// <summary>The time that an attempt has after its deadline, or after it was cancelled, to come to where it leaves nothing half done. After it nobody waits any longer.</summary>
    public virtual TimeSpan Grace => TimeSpan.FromSeconds(30);

    /// <summary>Whether an attempt whose outcome nobody knows may still come to pass, so that nothing else is planned in its place.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="incidentFolder">The incident's folder.</param>
    public virtual bool MayStillComeToPass(ClusterDefinition cluster, string incidentFolder) => true;

    /// <summary>Whether what it makes serves the rest of its incident and nothing else: it is undone at the end of one that fails, whatever the runbook says of failures.</summary>
    public virtual bool IsOnlyForItsIncident => false;

    /// <summary>Undoes what the plan did.</summary>
    public virtual Task<ActionResult> CompensateAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.NotSupported, $"the action '{Descriptor.Name}' cannot be undone");

    /// <summary>The type of its options record.</summary>
    public abstract Type OptionsType { get; }
}

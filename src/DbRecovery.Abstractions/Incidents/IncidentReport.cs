using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>The states of an incident. Which may follow which is a table in the engine.</summary>
public enum IncidentState
{
    /// <summary>A round of observation is under way.</summary>
    Observing,
    /// <summary>A fault was seen once.</summary>
    Suspected,
    /// <summary>A fault was seen as often as its class demands.</summary>
    Confirmed,
    /// <summary>A plan stands.</summary>
    Planned,
    /// <summary>A person must agree.</summary>
    AwaitingApproval,
    /// <summary>Steps are being carried out.</summary>
    Executing,
    /// <summary>The result is being checked.</summary>
    Verifying,
    /// <summary>The checks held; a recurrence in this time escalates.</summary>
    Probation,
    /// <summary>Done.</summary>
    Resolved,
    /// <summary>A pause, cooldown or limit forbids acting; the reason and the next review are recorded.</summary>
    Suppressed,
    /// <summary>What was done is being undone.</summary>
    Compensating,
    /// <summary>It cannot be known whether a step took effect; a person must look.</summary>
    AmbiguousHalt,
    /// <summary>A wider fault took over.</summary>
    Superseded,
    /// <summary>A person stopped it.</summary>
    Cancelled,
    /// <summary>It failed; nothing goes on by itself.</summary>
    Failed,
}

/// <summary>The states of a step.</summary>
public enum StepState
{
    /// <summary>Not begun.</summary>
    Pending,
    /// <summary>The intent is in the journal; the effect may have begun.</summary>
    Intent,
    /// <summary>The action ended well.</summary>
    Applied,
    /// <summary>Whether it took effect is not known.</summary>
    Unknown,
    /// <summary>Its effect was seen.</summary>
    Confirmed,
    /// <summary>It was undone.</summary>
    Compensated,
    /// <summary>Its condition did not hold.</summary>
    Skipped,
    /// <summary>It failed without effect.</summary>
    Failed,
}

/// <summary>A step of an incident.</summary>
public sealed record IncidentStep
{
    /// <summary>The step's id in its runbook.</summary>
    public required string Id { get; init; }
    /// <summary>The action.</summary>
    public required string Action { get; init; }
    /// <summary>Its state.</summary>
    public required StepState State { get; init; }
    /// <summary>When its intent was written (UTC).</summary>
    public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When its result was written (UTC).</summary>
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Attempts made.</summary>
    public int Attempts { get; init; }
    /// <summary>What came of it, in one sentence.</summary>
    public string? Result { get; init; }
    /// <summary>Values that later steps may use.</summary>
    public IReadOnlyDictionary<string, FactValue> Outputs { get; init; } = new Dictionary<string, FactValue>();
}

/// <summary>One line of an incident's timeline.</summary>
/// <param name="At">When (UTC).</param>
/// <param name="State">The incident's state.</param>
/// <param name="Step">The step, where it is about one.</param>
/// <param name="Event">What happened, in one sentence.</param>
public sealed record TimelineEntry(DateTimeOffset At, IncidentState State, string? Step, string Event)
{
    /// <summary>The incident, for whoever is told of several; the report that holds the line has it anyway.</summary>
    [JsonIgnore]
    public string? Incident { get; init; }

    /// <summary>The entry as a line: the time (UTC), the state, the step where the event does not begin with it, and the event.</summary>
    public override string ToString() => $"{At.UtcDateTime:HH:mm:ss.fff}  {State,-16} {Lead()}{Event}";

    /// <summary>The step before what is told of it; nothing where that begins with it.</summary>
    public string Lead() => Step is null || Event.StartsWith(Step + ":", StringComparison.Ordinal) ? "" : Step + ": ";
}

/// <summary>The record of an incident: what was seen, decided, done, verified and lost.</summary>
public sealed record IncidentReport
{
    /// <summary>The id: UTC time of the beginning and a random part.</summary>
    public required string Id { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>The node at fault.</summary>
    public string? Node { get; init; }
    /// <summary>The state now.</summary>
    public required IncidentState State { get; init; }
    /// <summary>The fault.</summary>
    public required Fault Fault { get; init; }
    /// <summary>The runbook's name.</summary>
    public required string Runbook { get; init; }
    /// <summary>The runbook's version.</summary>
    public required string RunbookVersion { get; init; }
    /// <summary>The takeover epoch under which it acted.</summary>
    public required long Epoch { get; init; }
    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }
    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>From detection to a verified recovery: the RTO that was reached; null before that.</summary>
    public TimeSpan? RecoveryTime { get; init; }
    /// <summary>The steps.</summary>
    public required IReadOnlyList<IncidentStep> Steps { get; init; }
    /// <summary>The checks after the steps.</summary>
    public IReadOnlyList<ProofCheck> Verification { get; init; } = [];
    /// <summary>What was lost; null where nothing was.</summary>
    public DataLoss? Loss { get; init; }
    /// <summary>Why it stands where it stands, in one sentence.</summary>
    public required string Summary { get; init; }
    /// <summary>Why an approval is needed, while it is.</summary>
    public IReadOnlyList<string> ApprovalReasons { get; init; } = [];
    /// <summary>The plan's hash: what an approval names.</summary>
    public string? PlanHash { get; init; }
    /// <summary>When a suppressed incident is looked at again, or an approval expires.</summary>
    public DateTimeOffset? NextReviewAt { get; init; }
    /// <summary>Where evidence is kept.</summary>
    public string? EvidencePath { get; init; }
    /// <summary>The journal's path.</summary>
    public required string JournalPath { get; init; }
    /// <summary>Everything in order.</summary>
    public required IReadOnlyList<TimelineEntry> Timeline { get; init; }
    /// <summary>The cluster as it was defined when the incident began.</summary>
    [JsonIgnore]
    public ClusterDefinition? Definition { get; init; }
}

/// <summary>Whether recovery of a cluster is paused, and what else holds it back.</summary>
public sealed record RecoveryStatus
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>Whether a person paused it.</summary>
    public required bool Paused { get; init; }
    /// <summary>Why.</summary>
    public string? Reason { get; init; }
    /// <summary>Since when (UTC).</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>When the pause ends by itself (UTC).</summary>
    public DateTimeOffset? Until { get; init; }
    /// <summary>The takeover epoch.</summary>
    public long Epoch { get; init; }
    /// <summary>Fault classes under cooldown and when each ends (UTC).</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Cooldowns { get; init; } = new Dictionary<string, DateTimeOffset>();
}

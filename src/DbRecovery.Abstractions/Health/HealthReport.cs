using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>The state of a node or cluster.</summary>
public enum HealthStatus
{
    /// <summary>Every check passed.</summary>
    Healthy,
    /// <summary>It works, and something needs attention.</summary>
    Degraded,
    /// <summary>It does not work, or its data is at risk.</summary>
    Failed,
    /// <summary>It could not be told.</summary>
    Unknown,
}

/// <summary>What a check is about.</summary>
public enum CheckCategory
{
    /// <summary>Does it answer, can it be written.</summary>
    Availability,
    /// <summary>Do replicas follow.</summary>
    Replication,
    /// <summary>Does the data agree with what was declared and with other nodes.</summary>
    Consistency,
    /// <summary>Is what is stored what was written.</summary>
    Integrity,
    /// <summary>Does it answer fast enough.</summary>
    Performance,
    /// <summary>Is there room.</summary>
    Capacity,
    /// <summary>Are backups fresh and proved.</summary>
    Backup,
    /// <summary>A check of the user's own.</summary>
    Custom,
}

/// <summary>The outcome of a check.</summary>
public enum CheckVerdict
{
    /// <summary>The value keeps its threshold.</summary>
    Pass,
    /// <summary>Attention is needed.</summary>
    Warn,
    /// <summary>The threshold is broken.</summary>
    Fail,
    /// <summary>The value could not be had.</summary>
    Unknown,
}

/// <summary>One check of one node.</summary>
public sealed record HealthCheck
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node; null for a check of the whole cluster.</summary>
    public string? Node { get; init; }
    /// <summary>The check's stable name, such as <c>integrity</c>.</summary>
    public required string Name { get; init; }
    /// <summary>What it is about.</summary>
    public required CheckCategory Category { get; init; }
    /// <summary>The value seen; null where unknown.</summary>
    public FactValue? Value { get; init; }
    /// <summary>The value's unit.</summary>
    public string? Unit { get; init; }
    /// <summary>The bound, as text such as <c>at least 1</c>.</summary>
    public string? Threshold { get; init; }
    /// <summary>The outcome.</summary>
    public required CheckVerdict Verdict { get; init; }
    /// <summary>What was seen, in one sentence.</summary>
    public required string Evidence { get; init; }
}

/// <summary>One node in a health report.</summary>
public sealed record NodeHealth
{
    /// <summary>The node.</summary>
    public required string Node { get; init; }
    /// <summary>The address or path.</summary>
    public required string Address { get; init; }
    /// <summary>The node's state.</summary>
    public required HealthStatus Status { get; init; }
    /// <summary>The node's part in replication.</summary>
    public required NodeRole Role { get; init; }
    /// <summary>Where it stands.</summary>
    public LogPosition? Position { get; init; }
    /// <summary>The node's checks.</summary>
    public required IReadOnlyList<HealthCheck> Checks { get; init; }
}

/// <summary>The health of a cluster: observed, checked and judged as a whole.</summary>
public sealed record HealthReport
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>When the observation round began (UTC).</summary>
    public required DateTimeOffset ObservedAt { get; init; }
    /// <summary>How long the round and its judgement took.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>How much was looked at.</summary>
    public required ObservationLevel Level { get; init; }
    /// <summary>The worst state that matters.</summary>
    public required HealthStatus Status { get; init; }
    /// <summary>The nodes.</summary>
    public required IReadOnlyList<NodeHealth> Nodes { get; init; }
    /// <summary>Every check, of the nodes and of the cluster.</summary>
    public required IReadOnlyList<HealthCheck> Checks { get; init; }
    /// <summary>The faults, gravest first.</summary>
    public required IReadOnlyList<Fault> Faults { get; init; }
    /// <summary>What is known of the primary from before; null where none was ever seen.</summary>
    public LastPrimary? LastPrimary { get; init; }
    /// <summary>Where each route leads; empty where there is none, or nobody looked.</summary>
    public IReadOnlyList<RouteObservation> Routes { get; init; } = [];
    /// <summary>The observations that all this was judged from.</summary>
    public required IReadOnlyList<NodeObservation> Observations { get; init; }
    /// <summary>The cluster as it was defined, so that the next command of a pipeline needs no inventory.</summary>
    [JsonIgnore]
    public required ClusterDefinition Definition { get; init; }
}

/// <summary>What earlier rounds, and the replicas, know of a cluster's primary: the ground of every preview of a loss.</summary>
public sealed record LastPrimary
{
    /// <summary>The node that is primary, or last was.</summary>
    public required string Node { get; init; }
    /// <summary>Its data's origin.</summary>
    public string? SystemId { get; init; }
    /// <summary>The furthest end of its log that anybody knows: from its last sample, or from what it told a replica since.</summary>
    public LogPosition? Position { get; init; }
    /// <summary>When that was (UTC).</summary>
    public required DateTimeOffset At { get; init; }
    /// <summary>When the primary itself was last seen (UTC): what it waits for is known from then. Null where that is not known.</summary>
    public DateTimeOffset? SeenAt { get; init; }
    /// <summary>The fastest growth of its log in the last rounds, in bytes a second: what may have been written since. Null where it was sampled once only.</summary>
    public double? BytesPerSecond { get; init; }
    /// <summary>Names of the replicas that had to have a transaction before it was acknowledged, when it was last seen; <c>*</c> is any that connects; empty for asynchronous.</summary>
    public IReadOnlyList<string> Synchronous { get; init; } = [];
    /// <summary>How many of them.</summary>
    public int SynchronousRequired { get; init; }
    /// <summary>Since when its log has not grown, at the least (UTC); null where it was sampled once only, or grew since.</summary>
    public DateTimeOffset? StandsSince { get; init; }
    /// <summary>Since when its machine refuses connections: it writes nothing any more (UTC). Null where that was not seen, as of one that merely gives no answer, or is not so any more.</summary>
    public DateTimeOffset? GoneAt { get; init; }
    /// <summary>The logical replication slots that it had when it was last seen: before PostgreSQL 17 no replica has them.</summary>
    public IReadOnlyList<string> LogicalSlots { get; init; } = [];
}

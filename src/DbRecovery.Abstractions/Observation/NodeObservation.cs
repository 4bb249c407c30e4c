using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>How much an observation looks at.</summary>
public enum ObservationLevel
{
    /// <summary>What costs milliseconds whatever the size: file and header state, locks, a light read, free space.</summary>
    Quick,
    /// <summary>Also what reads the data once: structure, declared tables and counts, keys, page hashes against the last backup.</summary>
    Standard,
    /// <summary>Also every cross-check that the engine has.</summary>
    Deep,
}

/// <summary>How a node answered.</summary>
public enum Reachability
{
    /// <summary>It answered and let us look.</summary>
    Reachable,
    /// <summary>It answered, with a refusal: it is alive. The errors say why.</summary>
    Refusing,
    /// <summary>Nothing is there: the connection was refused at once, or the file does not exist.</summary>
    Absent,
    /// <summary>No answer within the deadline.</summary>
    TimedOut,
}

/// <summary>A node's part in replication.</summary>
public enum NodeRole
{
    /// <summary>It could not be told.</summary>
    Unknown,
    /// <summary>It takes writes and has no upstream; the only role of an engine without replication.</summary>
    Primary,
    /// <summary>It follows an upstream.</summary>
    Replica,
}

/// <summary>An error that a node gave while it was observed.</summary>
/// <param name="Code">The engine's own code: an SQLSTATE, a MySQL error number, an SQLite result code.</param>
/// <param name="Message">The engine's message.</param>
/// <param name="During">What was being done.</param>
public sealed record ObservedError(string Code, string Message, string During)
{
    /// <summary>What would be right; null where there is nothing to advise.</summary>
    public string? Advice { get; init; }

    /// <summary>The message, and what would be right.</summary>
    [JsonIgnore]
    public string Told => Advice is null ? Message : $"{Message.TrimEnd('.')}. {Advice}";
}

/// <summary>Where a node stands in the stream of changes. Comparable only between equal <see cref="Kind"/> and <see cref="History"/>.</summary>
/// <param name="Kind">What the value is: <c>lsn</c>, <c>gtid</c>, <c>seqno</c>, <c>change-counter</c>.</param>
/// <param name="Value">The engine's own text for it.</param>
/// <param name="History">The timeline, server UUID or cluster UUID that the value belongs to.</param>
/// <param name="Ordinal">The value as a number where the engine has one.</param>
public sealed record LogPosition(string Kind, string Value, string? History = null, long? Ordinal = null);

/// <summary>What a replica says of its upstream.</summary>
public sealed record UpstreamObservation
{
    /// <summary>The upstream's address as the replica knows it.</summary>
    public required string Address { get; init; }
    /// <summary>Whether it streams now.</summary>
    public required bool Streaming { get; init; }
    /// <summary>When the last message of the upstream arrived.</summary>
    public DateTimeOffset? LastMessageAt { get; init; }
    /// <summary>The last position received.</summary>
    public LogPosition? Received { get; init; }
    /// <summary>The last position applied.</summary>
    public LogPosition? Applied { get; init; }
    /// <summary>The end of the upstream's log, as it last told: what the replica knows to be missing.</summary>
    public LogPosition? UpstreamEnd { get; init; }
}

/// <summary>What an upstream says of one replica that is connected to it.</summary>
public sealed record DownstreamObservation
{
    /// <summary>The name that the replica gave itself (<c>application_name</c>).</summary>
    public required string Name { get; init; }
    /// <summary>The address that it came from.</summary>
    public string? Address { get; init; }
    /// <summary>The state of the stream: <c>startup</c>, <c>catchup</c>, <c>streaming</c>, <c>backup</c>, <c>stopping</c>.</summary>
    public required string State { get; init; }
    /// <summary>Its part in synchronous replication: <c>async</c>, <c>potential</c>, <c>sync</c>, <c>quorum</c>.</summary>
    public required string SyncState { get; init; }
    /// <summary>The last position sent to it.</summary>
    public LogPosition? Sent { get; init; }
    /// <summary>The last position that it has on disk.</summary>
    public LogPosition? Flushed { get; init; }
    /// <summary>The last position that it has applied.</summary>
    public LogPosition? Applied { get; init; }
    /// <summary>The time that a change takes until it is applied there; null where nothing is under way.</summary>
    public TimeSpan? ReplayLag { get; init; }
}

/// <summary>A replication slot.</summary>
public sealed record SlotObservation
{
    /// <summary>The slot's name.</summary>
    public required string Name { get; init; }
    /// <summary><c>physical</c> or <c>logical</c>.</summary>
    public required string Type { get; init; }
    /// <summary>Whether a consumer is connected.</summary>
    public required bool Active { get; init; }
    /// <summary><c>reserved</c>, <c>extended</c>, <c>unreserved</c> or <c>lost</c>; null where the slot reserves nothing.</summary>
    public string? WalStatus { get; init; }
    /// <summary>The oldest position that it holds.</summary>
    public LogPosition? Restart { get; init; }
    /// <summary>Bytes of log that it holds back.</summary>
    public long? HeldBytes { get; init; }
}

/// <summary>What was seen of one node in one round. Facts only: nothing here is a judgement.</summary>
public sealed record NodeObservation
{
    /// <summary>The node.</summary>
    public required string Node { get; init; }
    /// <summary>When the observation began (UTC).</summary>
    public required DateTimeOffset ObservedAt { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>How much was looked at.</summary>
    public required ObservationLevel Level { get; init; }
    /// <summary>How the node answered.</summary>
    public required Reachability Reachability { get; init; }
    /// <summary>The node's part in replication.</summary>
    public NodeRole Role { get; init; }
    /// <summary>What identifies the data's origin: a system identifier, a server UUID, a cluster UUID; a file's device and inode.</summary>
    public string? SystemId { get; init; }
    /// <summary>Where the node stands.</summary>
    public LogPosition? Position { get; init; }
    /// <summary>What a replica says of its upstream; null on a primary.</summary>
    public UpstreamObservation? Upstream { get; init; }
    /// <summary>The replicas that are connected to it.</summary>
    public IReadOnlyList<DownstreamObservation> Downstreams { get; init; } = [];
    /// <summary>Its replication slots.</summary>
    public IReadOnlyList<SlotObservation> Slots { get; init; } = [];
    /// <summary>The errors met.</summary>
    public IReadOnlyList<ObservedError> Errors { get; init; } = [];
    /// <summary>The facts.</summary>
    public FactSet Facts { get; init; } = new();
}

/// <summary>Helpers over <see cref="NodeObservation"/>.</summary>
public static class NodeObservations
{
    /// <summary>Whether a node answered as a primary.</summary>
    public static bool IsPrimary(this NodeObservation node) => node is { Reachability: Reachability.Reachable, Role: NodeRole.Primary };
}

namespace DbRecovery;

/// <summary>Who replicates from whom.</summary>
public sealed record ClusterTopology
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>When it was seen (UTC).</summary>
    public required DateTimeOffset ObservedAt { get; init; }
    /// <summary>The primary's name; null where there is none, or more than one.</summary>
    public string? Primary { get; init; }
    /// <summary>The cluster manager that owns it; null: DbRecovery does.</summary>
    public string? ManagedBy { get; init; }
    /// <summary>The nodes, each before those that follow it.</summary>
    public required IReadOnlyList<TopologyNode> Nodes { get; init; }
}

/// <summary>One node of a topology.</summary>
public sealed record TopologyNode
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node.</summary>
    public required string Node { get; init; }
    /// <summary>Its address.</summary>
    public required string Address { get; init; }
    /// <summary>Its part.</summary>
    public required NodeRole Role { get; init; }
    /// <summary>How it answered.</summary>
    public required Reachability Reachability { get; init; }
    /// <summary>Why it does not answer, and what would be right; null where it answers.</summary>
    public string? Problem { get; init; }
    /// <summary>The node that it follows; null for a primary, and where that is none of the cluster.</summary>
    public string? Upstream { get; init; }
    /// <summary>Steps from the primary: 0 for the primary itself; null where no way leads there.</summary>
    public int? Depth { get; init; }
    /// <summary>The state of its stream, such as <c>streaming</c>; null for a primary.</summary>
    public string? State { get; init; }
    /// <summary>Its part in synchronous replication: <c>async</c>, <c>potential</c>, <c>sync</c>, <c>quorum</c>; null for a primary.</summary>
    public string? SyncState { get; init; }
    /// <summary>The end of its log: written on a primary, received on a replica.</summary>
    public string? Position { get; init; }
    /// <summary>What it has applied; null for a primary.</summary>
    public string? Applied { get; init; }
    /// <summary>The timeline.</summary>
    public string? Timeline { get; init; }
    /// <summary>Bytes that it has not applied yet.</summary>
    public long? LagBytes { get; init; }
    /// <summary>The same as time.</summary>
    public TimeSpan? LagTime { get; init; }
    /// <summary>The slot on its upstream that keeps log for it; null for none.</summary>
    public string? Slot { get; init; }
    /// <summary>The state of that slot.</summary>
    public string? SlotStatus { get; init; }
    /// <summary>Whether replay is paused.</summary>
    public bool Paused { get; init; }
}

namespace DbRecovery.Runtime;

/// <summary>A change of who is primary, or of who follows, that a person can ask for.</summary>
public enum ReplicationOperation
{
    /// <summary>A replica takes over, whatever the primary's state; what the primary alone has is lost.</summary>
    Failover,
    /// <summary>The primary hands over to a replica; nothing is lost.</summary>
    Switchover,
    /// <summary>A former primary, or a broken replica, becomes a replica again.</summary>
    Rejoin,
    /// <summary>A node of the inventory that has no data yet becomes a replica.</summary>
    NewReplica,
}

/// <summary>What a person asks for.</summary>
public sealed record ReplicationRequest
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The operation.</summary>
    public required ReplicationOperation Operation { get; init; }
    /// <summary>The node that becomes primary (null: the fittest), or the one that comes back or is made.</summary>
    public string? Node { get; init; }
    /// <summary>Values for the runbook's parameters.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();
    /// <summary>Bytes of committed data that may be lost; null: what the policy allows.</summary>
    public long? AllowDataLossBytes { get; init; }
}

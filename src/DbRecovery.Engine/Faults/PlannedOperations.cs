namespace DbRecovery.Engine.Faults;

/// <summary>
/// Operations that a person asks for. Each has a class of its own, so that it is carried out by a runbook like a recovery: same lease,
/// journal, plan, approval and resume. Nothing raises these classes, and no cooldown holds for them.
/// </summary>
public static class PlannedOperations
{
    /// <summary>A takeover by a replica, whatever the primary's state.</summary>
    public const string Failover = "planned.failover";
    /// <summary>A change of the primary without any loss.</summary>
    public const string Switchover = "planned.switchover";
    /// <summary>A former primary, or a broken replica, comes back.</summary>
    public const string Rejoin = "planned.rejoin";
    /// <summary>A node of the inventory becomes a replica.</summary>
    public const string NewReplica = "planned.new-replica";

    /// <summary>The classes.</summary>
    public static IReadOnlyList<FaultClass> Classes { get; } =
    [
        new(Failover, FaultSeverity.Notice, ["postgresql"], "a person asked for a takeover", []),
        new(Switchover, FaultSeverity.Notice, ["postgresql"], "a person asked for another primary", []),
        new(Rejoin, FaultSeverity.Notice, ["postgresql"], "a person asked for a node to come back as a replica", []),
        new(NewReplica, FaultSeverity.Notice, ["postgresql"], "a person asked for a new replica", []),
    ];

    /// <summary>Whether a class is one of these.</summary>
    public static bool IsPlanned(string fault) => Classes.Any(c => c.Id == fault);

    /// <summary>What stands in for a fault.</summary>
    /// <param name="operation">One of the ids.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="node">The node that it is about: the present primary of a failover or switchover, the node that comes back or is made.</param>
    /// <param name="by">Who asked.</param>
    /// <param name="at">When (UTC).</param>
    public static Fault Request(string operation, ClusterDefinition cluster, string? node, string by, DateTimeOffset at) => new()
    {
        Id = operation,
        Severity = FaultSeverity.Notice,
        Confidence = FaultConfidence.Certain,
        Cluster = cluster.Name,
        Engine = cluster.Engine,
        Node = node,
        Summary = $"{by} asked for it",
        DetectedAt = at,
        Evidence = [],
        Definition = cluster,
    };
}

namespace DbRecovery.Engine.Health;

/// <summary>The latest look at each node of a cluster, made together or one by one.</summary>
public sealed record ClusterRound
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>
    /// The latest observation of each node. A watch judges whenever one of them is new, so others may have been judged before: what counts
    /// rounds or probes counts an observation once, by its time.
    /// </summary>
    public required IReadOnlyList<NodeObservation> Nodes { get; init; }
    /// <summary>How much was looked at.</summary>
    public required ObservationLevel Level { get; init; }
    /// <summary>What is known of the cluster's backups; null where no repository is configured, or nobody looked at it.</summary>
    public BackupKnowledge? Backups { get; init; }
    /// <summary>Where each route leads, as it was seen; empty where nobody looked.</summary>
    public IReadOnlyList<RouteObservation> Routes { get; init; } = [];
    /// <summary>What the checks of the user's own gave.</summary>
    public IReadOnlyList<CustomCheckResult> CustomChecks { get; init; } = [];
    /// <summary>The moment of which the nodes' answers tell (UTC), where something else was waited for since; null: now.</summary>
    public DateTimeOffset? SeenAt { get; init; }
    /// <summary>When the round began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
}

/// <summary>Judges looks that somebody else made, and makes the slow ones that are not made of the nodes themselves.</summary>
public interface IClusterJudge
{
    /// <summary>Adds what the core knows to the observations, checks and names the faults. Rounds of one cluster are judged one after the other.</summary>
    HealthReport Judge(ClusterRound round);

    /// <summary>What is known of a cluster's backups; null where no repository is configured. One that cannot be read is said, not thrown.</summary>
    Task<BackupKnowledge?> KnowBackupsAsync(ClusterDefinition cluster, CancellationToken cancellationToken);

    /// <summary>Looks where the cluster's routes lead; empty where it has none, or nobody can look.</summary>
    Task<IReadOnlyList<RouteObservation>> LookAtRoutesAsync(ClusterDefinition cluster, ObservationLevel level, CancellationToken cancellationToken);

    /// <summary>Runs the checks of the user's own on the nodes that answer and take writes.</summary>
    Task<IReadOnlyList<CustomCheckResult>> RunChecksAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the takeover epoch of the nodes that take writes, where it matters: in a longer look, and in a quick one where it is not known yet, where another
    /// node than before is primary, or more than one. Part of a round, before it is judged: without it a takeover of ours looks like somebody else's.
    /// </summary>
    Task ReadEpochsAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, ObservationLevel level, CancellationToken cancellationToken);
}

namespace DbRecovery;

/// <summary>Which sessions are meant.</summary>
public enum SessionSelection
{
    /// <summary>Every session of an application.</summary>
    All,
    /// <summary>The session at the root of a queue of locks, and no one who waits behind it.</summary>
    RootBlockers,
    /// <summary>Sessions that hold a transaction open and do nothing.</summary>
    IdleInTransaction,
}

/// <summary>The takeover epoch as a primary keeps it: who was made primary last, by whom, when.</summary>
/// <param name="Epoch">The number; every takeover raises it.</param>
/// <param name="Primary">The node that the takeover made primary.</param>
/// <param name="At">When (UTC).</param>
/// <param name="Incident">The incident.</param>
public sealed record FencingEpoch(long Epoch, string Primary, DateTimeOffset At, string? Incident);

/// <summary>
/// The primitive acts of replication. None decides anything: who is promoted, and what must be known before, is the core's.
/// A method that gives a <see cref="NodeOperation"/> without a task neither looks nor acts.
/// </summary>
public interface IReplicationControl
{
    /// <summary>
    /// Makes a replica the primary: outputs <c>timeline</c> (int) and <c>position</c> (text). It returns as soon as the node takes writes.
    /// A node that is primary already is refused. Promotion is not torn by a cancellation.
    /// </summary>
    NodeOperation Promote(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>What must follow a promotion before anything relies on it: a checkpoint (before PostgreSQL 16 the control file still has the old timeline, and a rewind would do nothing).</summary>
    NodeOperation AfterPromotion(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>What a promotion leaves on the new primary for people to look at. Changes nothing.</summary>
    Task<PromotionFindings> LookAfterPromotionAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Makes a replica follow another node, with a slot there of the replica's name (made where it is missing). It does not wait for the stream; without a restart where the version can (13 and later).</summary>
    NodeOperation Follow(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream);

    /// <summary>Gets a replica's stream going again: connection text, slot, paused replay. Looks what is wrong and plans only what mends it.</summary>
    Task<NodeOperation> ResumeReplicationAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, CancellationToken cancellationToken);

    /// <summary>Makes the replication slots that these replicas use.</summary>
    NodeOperation EnsureSlots(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas);

    /// <summary>Drops a replication slot.</summary>
    NodeOperation DropSlot(ClusterDefinition cluster, NodeDefinition node, string slot);

    /// <summary>Sets which replicas must have a transaction before it is acknowledged: <paramref name="required"/> of <paramref name="replicas"/>; 0: none is waited for.</summary>
    NodeOperation SetSynchronous(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas, int required);

    /// <summary>Refuses or allows writes by new transactions (<c>default_transaction_read_only</c>) and ends sessions that still could write. A session can lift it for itself: this is no fence.</summary>
    NodeOperation SetReadOnly(ClusterDefinition cluster, NodeDefinition node, bool readOnly);

    /// <summary>Ends sessions; never those of replication or of DbRecovery. Output <c>ended</c> (int).</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="node">The node.</param>
    /// <param name="selection">Which.</param>
    /// <param name="olderThan">Only those in their state for longer.</param>
    /// <param name="cancellationToken">Cancels.</param>
    Task<NodeOperation> EndSessionsAsync(ClusterDefinition cluster, NodeDefinition node, SessionSelection selection, TimeSpan olderThan, CancellationToken cancellationToken);

    /// <summary>Whether a replica has received everything up to a position.</summary>
    Task<LogPosition> ReceivedAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken);

    /// <summary>Where a cleanly stopped instance ended: its last checkpoint, from its control data. Null where it was not stopped cleanly.</summary>
    Task<LogPosition?> ShutdownPositionAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken);

    /// <summary>
    /// Writes one row on a node in a transaction of its own and reads it back, without waiting for replicas
    /// (<c>synchronous_commit = local</c>) unless <paramref name="synchronous"/>. Ends within the timeout, whatever the server does.
    /// </summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="host">The host to connect to: a node's, or a route's entry.</param>
    /// <param name="port">Its port.</param>
    /// <param name="synchronous">Whether replicas are waited for.</param>
    /// <param name="timeout">The time that it has.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The address of the server that took the write, as it says itself (<c>inet_server_addr():port</c>, data folder's system id).</returns>
    Task<string> CanaryWriteAsync(ClusterDefinition cluster, string host, int port, bool synchronous, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>The epoch that a node's own data holds; null where none was ever written.</summary>
    Task<FencingEpoch?> ReadEpochAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken);

    /// <summary>Writes the epoch on a primary (schema <c>dbrecovery</c>, made where it is missing). A higher one that is there is left and is an error (<see cref="ErrorIds.LeaseLost"/>).</summary>
    NodeOperation WriteEpoch(ClusterDefinition cluster, NodeDefinition primary, FencingEpoch epoch);
}

/// <summary>What a promotion leaves that no recovery settles by itself.</summary>
/// <param name="LogicalSlots">The logical replication slots that are there and can be used.</param>
/// <param name="PreparedTransactions">Prepared transactions, as <c>'gid' (database)</c>: they survive a promotion and hold their locks.</param>
/// <param name="Subscriptions">Subscriptions that are enabled: the new primary goes on with them.</param>
public sealed record PromotionFindings(IReadOnlyList<string> LogicalSlots, IReadOnlyList<string> PreparedTransactions, IReadOnlyList<string> Subscriptions);

/// <summary>What has to be done so that a former primary, or a broken replica, can follow.</summary>
public sealed record RejoinAssessment
{
    /// <summary>Whether its history left that of the primary: it has writes that the primary lacks.</summary>
    public required bool Diverged { get; init; }
    /// <summary>Where it left; null where it did not.</summary>
    public LogPosition? ForkedAt { get; init; }
    /// <summary>Where it ended.</summary>
    public LogPosition? EndedAt { get; init; }
    /// <summary>Bytes of log after the fork: what is lost with them.</summary>
    public long LostBytes { get; init; }
    /// <summary>Why it cannot be rewound; null if it can, or needs not.</summary>
    public string? NotRewindableBecause { get; init; }
}

/// <summary>A write that a former primary has and the present one lacks.</summary>
/// <param name="Position">Where in the log.</param>
/// <param name="Transaction">The transaction's number.</param>
/// <param name="CommittedAt">When it was committed, where the log says so.</param>
/// <param name="What">What it did: the operation and the relation.</param>
public sealed record LostWrite(string Position, string Transaction, DateTimeOffset? CommittedAt, string What);

/// <summary>Makes replicas of what is there: brings a former primary back, rebuilds a broken one, makes a new one. A data folder is never deleted.</summary>
public interface IReplicaBuilder
{
    /// <summary>Compares a stopped instance with the present primary. It brings a crashed one to a clean end first only when <paramref name="mayRecover"/> (single-user recovery).</summary>
    /// <exception cref="DbRecoveryException">It runs, is another cluster's (system id), or its files cannot be read.</exception>
    Task<RejoinAssessment> AssessAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary, bool mayRecover, CancellationToken cancellationToken);

    /// <summary>Copies the diverged tail of the log to a folder and lists the writes that it holds (<c>lost-writes.jsonl</c> there). Outputs <c>path</c> (text), <c>bytes</c> (int), <c>writes</c> (int).</summary>
    NodeOperation SnapshotTail(ClusterDefinition cluster, NodeDefinition node, RejoinAssessment assessment, string folder);

    /// <summary>Rewinds a stopped instance to the present primary: dry run, run, configuration put back, standby.signal and primary_conninfo checked, started. One that fails is never started.</summary>
    NodeOperation Rewind(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary);

    /// <summary>Follows without a rewind: what is needed where nothing diverged.</summary>
    NodeOperation StartAsReplica(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary);

    /// <summary>
    /// Copies the primary (or another replica) into a new folder, moves the old folder aside under a name with the time, puts the new one in its
    /// place, keeps the node's own configuration and starts it. Output <c>keptPath</c> (text; empty where there was nothing).
    /// </summary>
    NodeOperation Rebuild(ClusterDefinition cluster, NodeDefinition node, NodeDefinition source, NodeDefinition primary);
}

/// <summary>What a cluster manager says of its cluster.</summary>
public sealed record ManagedCluster
{
    /// <summary>The manager's name for the leader; null where there is none now.</summary>
    public string? Leader { get; init; }
    /// <summary>Whether the manager is paused (Patroni: maintenance mode): it would not fail over by itself.</summary>
    public bool Paused { get; init; }
    /// <summary>Its members.</summary>
    public required IReadOnlyList<ManagedMember> Members { get; init; }
}

/// <summary>A member of a managed cluster.</summary>
/// <param name="Name">The manager's name for it.</param>
/// <param name="Node">The node of the inventory that it is, by address; null where the inventory has none.</param>
/// <param name="Role">The manager's word for its role: <c>leader</c>, <c>sync_standby</c>, <c>replica</c>.</param>
/// <param name="State">The manager's word for its state.</param>
/// <param name="Timeline">Its timeline.</param>
/// <param name="LagBytes">How far it is behind.</param>
public sealed record ManagedMember(string Name, string? Node, string Role, string State, long? Timeline, long? LagBytes);

/// <summary>Asks the manager that owns a cluster (<c>managedBy</c>).</summary>
public interface IClusterManagerClient
{
    /// <summary>What the manager says of its cluster.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>: none of its addresses answers.</exception>
    Task<ManagedCluster> LookAsync(ClusterDefinition cluster, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Asks for a planned change of the primary. Output <c>newPrimary</c> (text): the node's name.</summary>
    NodeOperation Switchover(ClusterDefinition cluster, ManagedCluster state, string? candidate);

    /// <summary>Asks for a takeover where there is no leader. Output <c>newPrimary</c> (text).</summary>
    NodeOperation Failover(ClusterDefinition cluster, ManagedCluster state, string candidate);
}

using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>The acts of physical streaming replication, by SQL; where a stopped server ended, by its control data.</summary>
internal sealed class ReplicationControl(PostgreSqlConnections connections, ISecretResolver secrets, INodeCommands commands) : IReplicationControl
{
    // the time of a look, which no caller gives
    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(5);

    private readonly ReplicationSessions _sessions = new(connections);

    private Following Following => new(_sessions, secrets, commands);

    /// <inheritdoc/>
    public NodeOperation Promote(ClusterDefinition cluster, NodeDefinition node) => new Promotion(_sessions).Promote(cluster, node);

    /// <inheritdoc/>
    public NodeOperation AfterPromotion(ClusterDefinition cluster, NodeDefinition node) => new Promotion(_sessions).AfterPromotion(cluster, node);

    /// <inheritdoc/>
    public Task<PromotionFindings> LookAfterPromotionAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        new Promotion(_sessions).LookAfterAsync(cluster, node, timeout, cancellationToken);

    /// <inheritdoc/>
    public NodeOperation Follow(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream) => Following.Follow(cluster, node, upstream);

    /// <inheritdoc/>
    public Task<NodeOperation> ResumeReplicationAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, CancellationToken cancellationToken) =>
        Following.ResumeAsync(cluster, node, upstream, LookTime, cancellationToken);

    /// <inheritdoc/>
    public NodeOperation EnsureSlots(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas) => Following.EnsureSlots(cluster, primary, replicas);

    /// <inheritdoc/>
    public NodeOperation DropSlot(ClusterDefinition cluster, NodeDefinition node, string slot) => Following.DropSlot(cluster, node, slot);

    /// <inheritdoc/>
    public NodeOperation SetSynchronous(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas, int required) =>
        new PrimarySettings(_sessions).SetSynchronous(cluster, primary, replicas, required);

    /// <inheritdoc/>
    public NodeOperation SetReadOnly(ClusterDefinition cluster, NodeDefinition node, bool readOnly) => new PrimarySettings(_sessions).SetReadOnly(cluster, node, readOnly);

    /// <inheritdoc/>
    public Task<NodeOperation> EndSessionsAsync(ClusterDefinition cluster, NodeDefinition node, SessionSelection selection, TimeSpan olderThan, CancellationToken cancellationToken) =>
        new SessionEnding(_sessions).EndAsync(cluster, node, selection, olderThan, LookTime, cancellationToken);

    /// <inheritdoc/>
    public Task<LogPosition> ReceivedAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        new LogEnd(_sessions, commands).ReceivedAsync(cluster, node, LookTime, cancellationToken);

    /// <inheritdoc/>
    public Task<LogPosition?> ShutdownPositionAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        new LogEnd(_sessions, commands).ShutdownPositionAsync(cluster, node, cancellationToken);

    /// <inheritdoc/>
    public Task<string> CanaryWriteAsync(ClusterDefinition cluster, string host, int port, bool synchronous, TimeSpan timeout, CancellationToken cancellationToken) =>
        // without settings of its own, which a pooler on the way would refuse
        new WriteProof(_sessions).CanaryAsync(ServerLogin.Of(cluster, host, port > 0 ? port : ServerLogin.DefaultPort) with { Plain = true }, synchronous, timeout, cancellationToken);

    /// <inheritdoc/>
    public Task<FencingEpoch?> ReadEpochAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        new WriteProof(_sessions).ReadEpochAsync(cluster, node, LookTime, cancellationToken);

    /// <inheritdoc/>
    public NodeOperation WriteEpoch(ClusterDefinition cluster, NodeDefinition primary, FencingEpoch epoch) => new WriteProof(_sessions).WriteEpoch(cluster, primary, epoch);
}

using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Incidents;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    /// <summary>Works out what an operation would do: every statement and command, and what would be lost. Changes nothing.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.CapabilityMissing"/>: the engine has no replication; <see cref="ErrorIds.NodeNotFound"/>; <see cref="ErrorIds.WrongNode"/>: the node is not what the operation needs.</exception>
    public async Task<RecoveryPlan> PlanReplicationAsync(ReplicationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        await Incidents(readOnly: true).PlanAsync(await AskAsync(request, readOnly: true, progress, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    /// <summary>Carries an operation out: an incident with journal, lease, verification and report, like a recovery.</summary>
    /// <inheritdoc cref="PlanReplicationAsync" path="/exception"/>
    public async Task<IncidentReport> ReplicateAsync(ReplicationRequest request, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        await Incidents().RecoverAsync(await AskAsync(request, readOnly: false, progress, cancellationToken).ConfigureAwait(false), timeline, progress, cancellationToken).ConfigureAwait(false);

    private async Task<RecoverRequest> AskAsync(ReplicationRequest request, bool readOnly, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var cluster = request.Cluster;
        Provider(cluster.Engine).Require<IReplicationControl>(Words(request.Operation));
        if (request.Node is { } name)
            _ = cluster.Node(name);
        var seen = await (readOnly ? _health.Value.AsReadOnly() : _health.Value).WithBackups(needed: false).ExamineAsync(cluster, ObservationLevel.Quick, progress, cancellationToken).ConfigureAwait(false);
        string[] primaries = [.. seen.Primaries().Select(o => o.Node)];
        Check(request, primaries);
        var takesOver = request.Operation is ReplicationOperation.Failover or ReplicationOperation.Switchover;
        // where nobody remembers one, the replicas are still set to follow it
        var primary = primaries.Length == 1 ? primaries[0]
            : seen.LastPrimary?.Node ?? seen.Faults.FirstOrDefault(f => f.Details.TryGetValue("primary", out var was) && was.AsBool())?.Node;
        var parameters = new Dictionary<string, string>(request.Parameters, StringComparer.Ordinal);
        if (takesOver && request.Node is not null)
            parameters["to"] = request.Node;
        return new RecoverRequest
        {
            Cluster = cluster,
            Fault = PlannedOperations.Request(IdOf(request.Operation), cluster, takesOver ? primary : request.Node, Environment.UserName, _options.Clock.GetUtcNow()) with
            {
                Summary = Summarize(request, primaries, primary),
            },
            Level = ObservationLevel.Quick,
            Seen = seen,
            Parameters = parameters,
            AllowDataLossBytes = request.AllowDataLossBytes,
        };
    }

    private static void Check(ReplicationRequest request, string[] primaries)
    {
        var cluster = request.Cluster.Name;
        if (request.Operation is ReplicationOperation.Rejoin or ReplicationOperation.NewReplica && request.Node is null)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "no node was named", "Name the node of the cluster that is meant.", cluster);
        if (request.Operation == ReplicationOperation.Switchover && primaries.Length != 1)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                primaries.Length == 0 ? $"no primary of '{cluster}' answers, so none can hand over" : $"'{cluster}' has more than one primary: {string.Join(", ", primaries)}",
                primaries.Length == 0 ? "Look at its health; a failover does not need the primary." : "Look at its health: this is a split brain.", cluster);
        if (request.Node is { } node && primaries is [var only] && only == node)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node}' is the primary of '{cluster}' already", "Name a replica.", node);
    }

    private static string Summarize(ReplicationRequest request, string[] primaries, string? primary)
    {
        var (cluster, node) = (request.Cluster.Name, request.Node);
        var old = primary is null ? "unknown" : primaries.Contains(primary) ? primary : $"{primary}, which does not answer";
        return request.Operation switch
        {
            ReplicationOperation.Failover => $"Take over as primary of '{cluster}' (now: {old}) by {node ?? "the fittest replica"}",
            ReplicationOperation.Switchover => $"Hand over the primary of '{cluster}' from {old} to {node ?? "the fittest replica"}",
            ReplicationOperation.Rejoin => $"Bring '{node}' back into '{cluster}' as a replica (primary: {old})",
            _ => $"Make '{node}' a new replica of '{cluster}' (primary: {old})",
        };
    }

    private static string IdOf(ReplicationOperation operation) => operation switch
    {
        ReplicationOperation.Failover => PlannedOperations.Failover,
        ReplicationOperation.Switchover => PlannedOperations.Switchover,
        ReplicationOperation.Rejoin => PlannedOperations.Rejoin,
        _ => PlannedOperations.NewReplica,
    };

    private static string Words(ReplicationOperation operation) => IdOf(operation)["planned.".Length..];
}

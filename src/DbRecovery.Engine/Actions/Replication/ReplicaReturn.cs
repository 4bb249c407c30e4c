using DbRecovery.Engine.Health;
using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>When a node's data are copied anew.</summary>
internal enum RebuildChoice
{
    /// <summary>Never.</summary>
    Never,
    /// <summary>Where a rewind is not possible or does not succeed.</summary>
    WhenNeeded,
    /// <summary>In any case.</summary>
    Always,
}

/// <summary>How a node becomes a replica of the present primary.</summary>
/// <param name="Node">The node.</param>
/// <param name="Primary">The primary; empty while a plan is shown before there is one.</param>
/// <param name="Source">Where its data are copied from, if they are.</param>
/// <param name="Rebuild">When they are.</param>
/// <param name="TailFolder">Where its diverged log is kept, on its own machine; null: nowhere.</param>
/// <param name="StartedAt">When the server that runs now was started, as the server says; null where none runs.</param>
internal sealed record ReplicaReturnState(string Node, string Primary, string Source, RebuildChoice Rebuild, string? TailFolder, string? StartedAt);

/// <summary>
/// Brings a node back as a replica: it is stopped, compared, its own writes are kept and listed, and it follows as it is, rewound or copied anew.
/// Every part may be done again after any interruption.
/// </summary>
internal sealed class ReplicaReturn(ActionContext context, string action)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(10);

    private readonly IReplicaBuilder _builder = context.Provider.Require<IReplicaBuilder>(action);
    private readonly IInstanceControl _instances = context.Provider.Require<IInstanceControl>(action);
    private readonly IReplicationControl _replication = context.Provider.Require<IReplicationControl>(action);
    private readonly ClusterDefinition _cluster = context.Cluster;

    /// <summary>What is known while a plan is made.</summary>
    /// <param name="Primary">The primary; null where there is none yet.</param>
    /// <param name="Seen">The last round.</param>
    /// <param name="Status">Whether the node's instance runs.</param>
    internal sealed record Scene(NodeDefinition? Primary, HealthReport Seen, InstanceStatus Status);

    /// <summary>Looks who is primary, whether the node runs, and refuses what must not be.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.WrongNode"/>, <see cref="ErrorIds.ManagedCluster"/>, <see cref="ErrorIds.CapabilityMissing"/>.</exception>
    internal async Task<Scene> LookAsync(NodeDefinition node, CancellationToken cancellationToken)
    {
        if (_cluster.ManagedBy is { } manager)
        {
            throw new DbRecoveryException(ErrorIds.ManagedCluster, ErrorKind.Refused, $"'{action}' is not done behind the back of {manager.Kind}, which owns the cluster '{_cluster.Name}' and rebuilds its members itself",
                $"Let {manager.Kind} do it (patronictl reinit), or take 'managedBy' out of the inventory once it is gone.", _cluster.Name);
        }
        if (_instances.UnavailableBecause(_cluster, node) is { } because)
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, $"'{node.Name}' cannot be stopped and started: {because}", "Give the cluster 'control' in the inventory.", node.Name);
        var seen = await context.SeenNowAsync(cancellationToken).ConfigureAwait(false);
        var primaries = seen.Primaries().Select(o => o.Node).ToList();
        var others = primaries.Where(p => p != node.Name).ToList();
        if (others.Count > 1)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"{string.Join(" and ", others.Select(o => $"'{o}'"))} both take writes: nobody can tell whom '{node.Name}' should follow", "Settle the split brain first.", _cluster.Name);
        if (others.Count == 0 && primaries.Count == 1 && context.Acting)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' is the primary of '{_cluster.Name}'", "Name a replica, or a former primary.", node.Name);
        if (others.Count == 0 && context.Acting)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"no node of '{_cluster.Name}' takes writes, so there is nobody whom '{node.Name}' could follow", "Fail over first.", _cluster.Name);
        var primary = others.Count == 1 ? _cluster.Node(others[0]) : null;
        if (primary is not null)
            seen.RefuseStalePrimary(primary.Name);
        if (primary is not null && primaries.Contains(node.Name))
            await RequireLaterEpochAsync(node, primary, cancellationToken).ConfigureAwait(false);
        // while there is no primary yet nothing can be compared, and an outage does not wait for a look that nobody needs
        var status = primary is null ? new InstanceStatus(InstanceState.Unknown, "not asked yet") : await _instances.StatusAsync(_cluster, node, Look, cancellationToken).ConfigureAwait(false);
        return new Scene(primary, seen, status);
    }

    /// <summary>What was found out of a stopped node while a plan is made.</summary>
    /// <param name="Assessment">The comparison; null where there is nothing to compare.</param>
    /// <param name="UnreadableBecause">Why its data cannot be compared; null where they can, or where there are none.</param>
    internal sealed record Found(RejoinAssessment? Assessment, string? UnreadableBecause);

    /// <summary>Compares a stopped node with the primary, where that can be done.</summary>
    internal async Task<Found> CompareAsync(NodeDefinition node, NodeDefinition primary, bool mayRecover, CancellationToken cancellationToken)
    {
        try
        {
            return new Found(await _builder.AssessAsync(_cluster, node, primary, mayRecover, cancellationToken).ConfigureAwait(false), null);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.DatabaseNotFound)
        {
            return new Found(null, null);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.DatabaseCorrupt)
        {
            return new Found(null, e.Message);
        }
    }

    /// <summary>The acts that follow from what is known; what is not known yet is shown as it may come.</summary>
    internal List<PlannedAct> Acts(ReplicaReturnState state, Scene scene, Found? found)
    {
        var node = _cluster.Node(state.Node);
        var acts = new List<PlannedAct>();
        if (scene.Primary is not { } primary)
            return [new PlannedAct(ActKind.Read, node.Name, "compared with the new primary, once there is one; its own writes are kept and listed, and it is rewound or copied anew", Destructive: true)];
        if (scene.Status.State == InstanceState.Running)
            acts.AddRange(_instances.Stop(_cluster, node).Acts);
        if (found is null)
            acts.Add(new PlannedAct(ActKind.Read, node.Name, $"stopped, it is compared with '{primary.Name}'; what follows depends on that", Destructive: true));
        if (state.TailFolder is { } folder && found is null or { Assessment.Diverged: true })
            acts.AddRange(_builder.SnapshotTail(_cluster, node, found?.Assessment ?? new RejoinAssessment { Diverged = true }, folder!).Acts);
        if (state.Rebuild != RebuildChoice.Always && found is null or { Assessment.Diverged: false })
            acts.AddRange(Told(_builder.StartAsReplica(_cluster, node, primary), found is null ? "if nothing diverged" : null));
        if (state.Rebuild != RebuildChoice.Always && found is null or { Assessment: { Diverged: true, NotRewindableBecause: null } })
            acts.AddRange(Told(_builder.Rewind(_cluster, node, primary), found is null ? "if it diverged" : null));
        var rebuilds = state.Rebuild == RebuildChoice.Always || found is { Assessment: null } or { Assessment.NotRewindableBecause: not null };
        if (rebuilds || state.Rebuild == RebuildChoice.WhenNeeded)
            acts.AddRange(Told(_builder.Rebuild(_cluster, node, _cluster.Node(state.Source), primary), rebuilds ? null : "only if that fails"));
        if (new SynchronousReturn(context, primary, node).Planned(scene.Seen.Observations.FirstOrDefault(o => o.Node == primary.Name)) is { } synchronous)
            acts.AddRange(Told(synchronous, "once it streams"));
        return acts;
    }

    /// <summary>Does it.</summary>
    internal async Task<ActionResult> RunAsync(ReplicaReturnState state, CancellationToken cancellationToken)
    {
        var node = _cluster.Node(state.Node);
        var scene = await LookAsync(node, cancellationToken).ConfigureAwait(false);
        if (scene.Primary is not { } primary || primary.Name != state.Primary)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{scene.Primary?.Name}' is primary now, not '{state.Primary}': the plan no longer holds", "Plan anew.", state.Primary);
        var synchronous = new SynchronousReturn(context, primary, node);
        // an attempt before this one got it back, and only what follows is left
        if (state.Rebuild != RebuildChoice.Always && CameBack(state, scene.Seen.Observations))
            return Returned(state, await synchronous.IncludeAsync(cancellationToken).ConfigureAwait(false));
        await StopAsync(node, scene.Status, cancellationToken).ConfigureAwait(false);
        var found = await CompareAsync(node, primary, mayRecover: true, cancellationToken).ConfigureAwait(false);
        var outputs = new Dictionary<string, FactValue> { ["lostBytes"] = found.Assessment?.LostBytes ?? 0L };
        var told = "";
        if (found.Assessment is { Diverged: true } diverged && state.TailFolder is { } folder)
        {
            var kept = await RunAsync(_builder.SnapshotTail(_cluster, node, diverged, folder), cancellationToken).ConfigureAwait(false);
            (outputs["tailPath"], outputs["lostWrites"], told) = (kept.Outputs["path"], kept.Outputs["writes"], $" {kept.Summary}");
        }
        var (method, outcome) = await FollowAsync(state, node, primary, found, cancellationToken).ConfigureAwait(false);
        foreach (var (name, value) in outcome.Outputs)
            outputs[name] = value;
        outputs["method"] = method;
        told += await synchronous.IncludeAsync(cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = outcome.Summary + told, Outputs = outputs, Loss = Loss(found) };
    }

    /// <summary>Whether the node follows the primary, by a server that was started after the plan was made.</summary>
    internal async Task<Reconciliation> ReconcileAsync(ReplicaReturnState state, CancellationToken cancellationToken)
    {
        var seen = await context.Health.ExamineAsync(_cluster, ObservationLevel.Quick, context.Progress, cancellationToken).ConfigureAwait(false);
        if (!CameBack(state, seen.Observations))
            return new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Node}' does not stream yet, or is the server that ran before; every part can be done again");
        // of a node that is back, nothing but this can be left
        return new SynchronousReturn(context, _cluster.Node(state.Primary), _cluster.Node(state.Node)).Planned(seen.Observations.FirstOrDefault(o => o.Node == state.Primary)) is not null && state.Rebuild != RebuildChoice.Always
            ? new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Node}' streams, and is to be a synchronous replica again")
            : new Reconciliation(ReconcileOutcome.Done, $"'{state.Node}' was started since and streams", Returned(state, ""));
    }

    /// <summary>Whether the node follows the primary, by a server that was started after the plan was made.</summary>
    private static bool CameBack(ReplicaReturnState state, IReadOnlyList<NodeObservation> seen) =>
        seen.FirstOrDefault(o => o.Node == state.Node) is { Reachability: Reachability.Reachable, Role: NodeRole.Replica, Upstream.Streaming: true } now
        && seen.FirstOrDefault(o => o.Node == state.Primary) is { Role: NodeRole.Primary } primary && now.SystemId == primary.SystemId
        && StartOf(now) is { } started && started != state.StartedAt;

    private static ActionResult Returned(ReplicaReturnState state, string told) => new()
    {
        Summary = $"'{state.Node}' follows '{state.Primary}'.{told}", Outputs = new Dictionary<string, FactValue> { ["method"] = "unknown" },
    };

    /// <summary>What is lost: the log after the fork. Where the failover of the same incident has said so, it is not said twice.</summary>
    internal DataLoss? Loss(Found? found) => found switch
    {
        _ when context.Done.ContainsKey("failover") => null,
        { Assessment: { LostBytes: > 0 } assessment } => new DataLoss
        {
            Bytes = assessment.LostBytes,
            Statement = $"{assessment.LostBytes} bytes of log with committed writes, from {assessment.ForkedAt?.Value ?? "an unknown place"} on, that the primary lacks.",
        },
        { Assessment: null, UnreadableBecause: { } because } => new DataLoss { Bytes = null, Statement = $"What it has that the primary lacks cannot be known ({because}); its data folder is kept." },
        _ => null,
    };

    /// <summary>What may be lost by stopping and changing a node that runs.</summary>
    internal DataLoss? LossOfRunning(Scene scene, NodeDefinition node)
    {
        var (own, primary) = (scene.Seen.Observations.FirstOrDefault(o => o.Node == node.Name), scene.Seen.Observations.FirstOrDefault(o => o.Node == scene.Primary?.Name));
        // what it receives from the primary now it has from nowhere else, though the two were not looked at in the same moment
        var follows = own is { Role: NodeRole.Replica, Position: { History: { } history, Ordinal: { } end } } && primary?.Position is { } there && history == there.History
            && (end <= there.Ordinal || own.StreamsFrom(_cluster, primary.Node));
        return follows || context.Done.ContainsKey("failover") ? null
            : new DataLoss { Bytes = null, Statement = $"Whether '{node.Name}' has writes that the primary lacks is known when it is stopped; they are kept and listed." };
    }

    internal static string? StartOf(NodeObservation? node) => node?.Facts.Value(PostgreSqlFacts.StartedAt)?.ToString();

    private async Task<(string Method, OperationOutcome Outcome)> FollowAsync(ReplicaReturnState state, NodeDefinition node, NodeDefinition primary, Found found, CancellationToken cancellationToken)
    {
        if (state.Rebuild != RebuildChoice.Always && found.Assessment is { NotRewindableBecause: null } assessment)
        {
            try
            {
                return assessment.Diverged
                    ? ("rewound", await RunAsync(_builder.Rewind(_cluster, node, primary), cancellationToken).ConfigureAwait(false))
                    : ("started", await RunAsync(_builder.StartAsReplica(_cluster, node, primary), cancellationToken).ConfigureAwait(false));
            }
            catch (DbRecoveryException e) when (state.Rebuild == RebuildChoice.WhenNeeded && e.Id is ErrorIds.StepFailed)
            {
                context.Progress?.Report(new OperationProgress($"Rebuilding {node.Name}", e.Message, 0, null));
            }
        }
        else if (state.Rebuild == RebuildChoice.Never)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Refused,
                $"'{node.Name}' cannot follow without a new copy: {found.Assessment?.NotRewindableBecause ?? found.UnreadableBecause ?? "there are no data"}", "Allow it: 'rebuild: when-needed'.", node.Name);
        }
        // what was started and does not stream
        await StopAsync(node, await _instances.StatusAsync(_cluster, node, Look, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return ("rebuilt", await RunAsync(_builder.Rebuild(_cluster, node, _cluster.Node(state.Source), primary), cancellationToken).ConfigureAwait(false));
    }

    private async Task StopAsync(NodeDefinition node, InstanceStatus status, CancellationToken cancellationToken)
    {
        if (status.State == InstanceState.Running)
            await RunAsync(_instances.Stop(_cluster, node), cancellationToken).ConfigureAwait(false);
    }

    // the epoch is the mark of who was made primary last: who has a lower one comes back, never the other way round
    private async Task RequireLaterEpochAsync(NodeDefinition node, NodeDefinition primary, CancellationToken cancellationToken)
    {
        var own = (await _replication.ReadEpochAsync(_cluster, node, cancellationToken).ConfigureAwait(false))?.Epoch ?? 0;
        var there = (await _replication.ReadEpochAsync(_cluster, primary, cancellationToken).ConfigureAwait(false))?.Epoch ?? 0;
        if (own >= there)
        {
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                $"'{node.Name}' (epoch {own}) and '{primary.Name}' (epoch {there}) both take writes, and the epochs do not say that '{primary.Name}' was made primary later", "A person must say which of them stays: stop the other by hand, then rejoin it.", node.Name);
        }
    }

    private Task<OperationOutcome> RunAsync(NodeOperation operation, CancellationToken cancellationToken) => operation.RunAsync(context.Timeout, context.Progress, cancellationToken);

    private static IEnumerable<PlannedAct> Told(NodeOperation operation, string? when) =>
        when is null ? operation.Acts : operation.Acts.Select(a => a with { Detail = $"{when}: {a.Detail}" });
}

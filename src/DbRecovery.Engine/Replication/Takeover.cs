using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Replication;

/// <summary>
/// What follows a promotion, each part at most once needed and harmless when done again: the epoch in the new primary's own data, a write that
/// proves that it takes some, the replicas led to it, and the synchronous standbys that the policy asks for.
/// </summary>
internal sealed class Takeover(ActionContext context, NodeDefinition primary)
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Brief = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Coming = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(20);
    private readonly IReplicationControl _replication = context.Provider.Require<IReplicationControl>("failover");
    private bool _waitsAsAsked;

    /// <summary>What will be done before the promotion.</summary>
    public IReadOnlyList<PlannedAct> Preparation(IReadOnlyList<NodeDefinition> siblings, bool synchronousNow) => Synchronous(siblings, synchronousNow)?.Acts ?? [];

    /// <summary>What will be done after it, in order.</summary>
    public IReadOnlyList<PlannedAct> Acts(IReadOnlyList<NodeDefinition> siblings, bool liftReadOnly) =>
    [
        .. liftReadOnly ? _replication.SetReadOnly(context.Cluster, primary, readOnly: false).Acts : [],
        .. siblings.SelectMany(s => _replication.Follow(context.Cluster, s, primary).Acts),
        .. Absent(siblings) is { Count: > 0 } absent ? _replication.EnsureSlots(context.Cluster, primary, absent).Acts : [],
        // the number is that of the lease, which a plan does not have yet
        new PlannedAct(ActKind.Sql, primary.Name, "INSERT INTO dbrecovery.epoch (epoch, primary_node, at, incident) VALUES (the lease's number, this node, now, this incident); "
            + "INSERT INTO dbrecovery.canary DEFAULT VALUES (schema and tables are made where they are missing)"),
    ];

    /// <summary>
    /// Before the promotion: whom its commits will wait for, so that not even the first one is acknowledged without them. A replica takes the setting, and
    /// nothing of it shows until then. What does not go well is tried again, and told, after it.
    /// </summary>
    public async Task PrepareAsync(IReadOnlyList<NodeDefinition> siblings, bool synchronousNow, CancellationToken cancellationToken)
    {
        if (Synchronous(siblings, synchronousNow) is { } set)
            _waitsAsAsked = await context.TryAsync([], "synchronous standbys", set, Brief, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Does what follows the promotion. Siblings that cannot be led are told, not an error: each has a fault and a runbook of its own.</summary>
    /// <param name="siblings">The replicas that are led to it.</param>
    /// <param name="liftReadOnly">Whether its read-only default is taken away.</param>
    /// <param name="synchronousNow">Whether it asks for synchronous standbys now.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="open">Lets clients in, as soon as what they write is kept as the policy asks for.</param>
    /// <returns>What did not go well or is left to do, in one sentence each, and the facts of <see cref="Aftercare"/>.</returns>
    public async Task<(IReadOnlyList<string> Remarks, IReadOnlyDictionary<string, FactValue> Facts)> FollowUpAsync(
        IReadOnlyList<NodeDefinition> siblings, bool liftReadOnly, bool synchronousNow, CancellationToken cancellationToken, Func<Task>? open = null)
    {
        var remarks = new List<string>();
        if (HandSet > siblings.Count)
            remarks.Add(Lowered());
        if (liftReadOnly)
            await _replication.SetReadOnly(context.Cluster, primary, readOnly: false).RunAsync(Short, context.Progress, cancellationToken).ConfigureAwait(false);
        // nothing here waits for a synchronous standby, so that all of it may go side by side
        var proof = ProveAsync(cancellationToken);
        var opened = OpenAsync();
        var following = siblings.Select(s => context.TryAsync(remarks, $"'{s.Name}' does not follow yet", _replication.Follow(context.Cluster, s, primary), Short, cancellationToken)).ToArray();
        var absent = Absent(siblings);
        var slots = absent.Count == 0 ? Task.CompletedTask
            : context.TryAsync(remarks, "slots of the nodes that are away", _replication.EnsureSlots(context.Cluster, primary, absent), Short, cancellationToken);
        var left = new Aftercare(context, primary).LookAsync(remarks, cancellationToken);
        await Task.WhenAll([proof, opened, slots, left, .. following]).ConfigureAwait(false);
        if (HandSet > 0 && HandSet <= siblings.Count)
            await LetGoAsync(remarks, cancellationToken).ConfigureAwait(false);
        return (remarks, await left.ConfigureAwait(false));

        async Task OpenAsync()
        {
            if (!_waitsAsAsked && Synchronous(siblings, synchronousNow) is { } set)
                await context.TryAsync(remarks, "synchronous standbys", set, Short, cancellationToken).ConfigureAwait(false);
            if (open is not null)
                await open().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Those that are away and will follow: their slots keep the log that they will need. Only where the server bounds what a slot may keep, for one
    /// of them may never come back. Those that follow now have theirs made as they are led.
    /// </summary>
    private IReadOnlyList<NodeDefinition> Absent(IReadOnlyList<NodeDefinition> siblings) =>
        context.Seen?.Observations.FirstOrDefault(o => o.Node == primary.Name) is { } seen && ReplicationView.Setting(seen, "max_slot_wal_keep_size") is { } bound && bound != "-1"
            ? [.. context.Cluster.Nodes.Where(n => n.Name != primary.Name && !siblings.Contains(n) && IsDirect(n))]
            : [];

    // a cascading replica has its slot where it follows
    private bool IsDirect(NodeDefinition node) => node.Upstream is not { } upstream || upstream == primary.Name || context.Seen!.LastPrimaryNode() == upstream || !context.Cluster.Nodes.Any(n => n.Name == upstream);

    private async Task ProveAsync(CancellationToken cancellationToken)
    {
        var epoch = new FencingEpoch(await NextEpochAsync(cancellationToken).ConfigureAwait(false), primary.Name, context.Clock.GetUtcNow(), context.IncidentId);
        await _replication.WriteEpoch(context.Cluster, primary, epoch).RunAsync(Short, context.Progress, cancellationToken).ConfigureAwait(false);
        var since = context.Clock.GetTimestamp();
        while (true)
        {
            try
            {
                await _replication.CanaryWriteAsync(context.Cluster, primary.Host!, primary.Port ?? 0, synchronous: false, TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (DbRecoveryException e)
            {
                if (context.Clock.GetElapsedTime(since) > Short)
                    throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"'{primary.Name}' was promoted and does not take a write: {e.Message}", target: primary.Name, inner: e);
            }
            await Task.Delay(BetweenTries, context.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The lease's number, or one more than the data hold: the takeover before may have been made from another machine, or the state folder be a new one.</summary>
    private async Task<long> NextEpochAsync(CancellationToken cancellationToken)
    {
        var there = await _replication.ReadEpochAsync(context.Cluster, primary, cancellationToken).ConfigureAwait(false);
        return there is null || there.Epoch < context.Epoch ? context.Epoch
            : there.Incident == context.IncidentId && there.Primary == primary.Name ? there.Epoch : there.Epoch + 1;
    }

    /// <summary>
    /// The synchronous standbys that the policy asks for; null where nothing is to be set. Fewer survivors than the policy asks for do not lower it:
    /// then commits wait until one is back, for an acknowledged transaction that is only here would be lost with the next failure. Where no policy
    /// speaks of it, what somebody had set on the primary goes on as far as those who are left can give it, and its end is told.
    /// </summary>
    private NodeOperation? Synchronous(IReadOnlyList<NodeDefinition> siblings, bool synchronousNow)
    {
        var policy = context.Cluster.Policy.Synchronous;
        var required = policy > 0 ? policy : siblings.Count >= HandSet ? HandSet : 0;
        if (required == 0)
            return synchronousNow ? _replication.SetSynchronous(context.Cluster, primary, [], 0) : null;
        // only the policy takes those in who come back
        var named = policy > 0 && siblings.Count >= required ? siblings : [.. context.Cluster.Nodes.Where(n => n.Name != primary.Name)];
        return _replication.SetSynchronous(context.Cluster, primary, named, required);
    }

    /// <summary>How many replicas the last primary waited for though no policy asks for it.</summary>
    private int HandSet => context.Cluster.Policy.Synchronous == 0 && context.Seen?.LastPrimary is { SynchronousRequired: > 0 and var required } ? required : 0;

    /// <summary>Where those that it waits for do not come, and no policy says that it must, nobody is to wait for ever.</summary>
    private async Task LetGoAsync(List<string> remarks, CancellationToken cancellationToken)
    {
        for (var since = context.Clock.GetTimestamp(); ;)
        {
            // a role that may not see who streams cannot tell, and lets nothing go
            if ((await context.LookAsync([primary], Brief, cancellationToken).ConfigureAwait(false))[0].Facts.Int(PostgreSqlFacts.SyncPresent) is not { } present || present >= HandSet)
                return;
            if (context.Clock.GetElapsedTime(since) > Coming)
                break;
            await Task.Delay(BetweenTries, context.Clock, cancellationToken).ConfigureAwait(false);
        }
        if (await context.TryAsync(remarks, "synchronous standbys", _replication.SetSynchronous(context.Cluster, primary, [], 0), Short, cancellationToken).ConfigureAwait(false))
            remarks.Add(Lowered());
    }

    private string Lowered() =>
        $"'{primary.Name}' acknowledges without a replica, where '{context.Seen!.LastPrimary!.Node}' waited for {HandSet} of {string.Join(", ", context.Seen.LastPrimary.Synchronous)}: too few follow it, and the policy has no 'synchronous'";
}

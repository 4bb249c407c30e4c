namespace DbRecovery.Engine.Health;

/// <summary>The end of a primary's log at one moment.</summary>
/// <param name="At">When (UTC).</param>
/// <param name="Ordinal">The position as a number.</param>
internal sealed record LogSample(DateTimeOffset At, long Ordinal);

/// <summary>What earlier rounds knew of a cluster's primary.</summary>
internal sealed record ClusterMemory
{
    private const int MostSamples = 10;

    /// <summary>The primary and the end of its log; null where none was ever seen.</summary>
    public LastPrimary? Primary { get; init; }
    /// <summary>The takeover epoch of the primary; null where none was ever read.</summary>
    public long? Epoch { get; init; }
    /// <summary>The last ends of its log, oldest first.</summary>
    public IReadOnlyList<LogSample> Samples { get; init; } = [];

    /// <summary>
    /// What is known with one more round. Another primary is taken for the primary only where it is plain that the old one is none any more: a takeover of ours
    /// raised the epoch, a cluster manager decides, the old one follows or left the inventory. Until then the new one was promoted behind our back.
    /// </summary>
    public ClusterMemory With(ClusterView view)
    {
        var replication = view.Replication;
        if (replication.Leader is not { } leader)
            return Heard(view);
        if (Primary is null || Primary.Node == leader.Node)
            return Sampled(leader, this);
        return IsSuccessor(view, leader) ? Sampled(leader, new ClusterMemory()) : Heard(view);
    }

    private bool IsSuccessor(ClusterView view, NodeObservation leader) =>
        view.Cluster.ManagedBy is not null
        || (leader.Facts.Int(ReplicationFacts.Epoch) > (Epoch ?? 0) && leader.Facts.Text(ReplicationFacts.EpochPrimary) == leader.Node)
        || !view.Cluster.Nodes.Any(n => n.Name == Primary!.Node)
        || view.Replication.Find(Primary!.Node) is { Reachability: Reachability.Reachable, Role: NodeRole.Replica };

    private static ClusterMemory Sampled(NodeObservation leader, ClusterMemory memory)
    {
        var samples = memory.Samples;
        if (leader.Position is { Ordinal: { } ordinal } && samples.LastOrDefault()?.At != leader.ObservedAt)
        {
            // the log of another timeline, or of a restored server, is another log
            if (memory.Primary?.Position?.History != leader.Position.History || samples.LastOrDefault()?.Ordinal > ordinal)
                samples = [];
            samples = samples.Append(new LogSample(leader.ObservedAt, ordinal)).TakeLast(MostSamples).ToArray();
        }
        return memory with
        {
            Samples = samples,
            Epoch = leader.Facts.Int(ReplicationFacts.Epoch) ?? memory.Epoch,
            Primary = new LastPrimary
            {
                Node = leader.Node, SystemId = leader.SystemId ?? memory.Primary?.SystemId, Position = leader.Position ?? memory.Primary?.Position, At = leader.ObservedAt,
                SeenAt = leader.ObservedAt,
                BytesPerSecond = Fastest(samples),
                StandsSince = samples is [.., var one, var other] && one.Ordinal == other.Ordinal ? memory.Primary?.StandsSince ?? one.At : null,
                LogicalSlots = [.. leader.Slots.Where(s => s.Type == "logical").Select(s => s.Name)],
                // as they are listed: who happens to be connected is not all that '*' allows
                Synchronous = SynchronousNames.Parse(leader.Facts.Text(PostgreSqlFacts.SyncNames) ?? ""),
                SynchronousRequired = (int)(leader.Facts.Int(PostgreSqlFacts.SyncRequired) ?? 0),
            },
        };
    }

    // what the primary told its replicas since its last sample, and whether it is gone
    private ClusterMemory Heard(ClusterView view)
    {
        if (Primary is null)
            return this;
        var heard = Further(view);
        // one whose log went on was not gone before
        var gone = GoneAt(view, Primary.Node, ReferenceEquals(heard, this) ? Primary.GoneAt : null);
        return heard.Primary!.GoneAt == gone ? heard : heard with { Primary = heard.Primary with { GoneAt = gone } };
    }

    /// <summary>
    /// Since when the primary writes nothing. A refusal may be made on the way to it: whoever receives from it, or does not know better, says that it may live.
    /// One that replays its log after a crash takes no writes yet; what gives no answer may have come up again meanwhile.
    /// </summary>
    private static DateTimeOffset? GoneAt(ClusterView view, string primary, DateTimeOffset? before)
    {
        var cluster = view.Replication;
        if (cluster.Find(primary) is not { } node)
            return before;
        if (cluster.Others(node).Any(n => cluster.Word(n, node) is StreamWord.Streams or StreamWord.Silent))
            return null;
        return node.Reachability switch
        {
            // a connection that merely broke is no refusal
            Reachability.Absent => node.Facts.Text(PostgreSqlFacts.ConnectError) is null or "refused" ? before ?? node.ObservedAt : before,
            Reachability.Refusing when PostgreSqlRefusal.Of(node) == PostgreSqlRefusal.Starting => before,
            _ => null,
        };
    }

    private ClusterMemory Further(ClusterView view)
    {
        if (Primary is not { Position: { Ordinal: { } known } position } primary)
            return this;
        var further = view.Replication.Members.Where(n => n.Role == NodeRole.Replica && n.Reachability == Reachability.Reachable)
            .SelectMany(n => new[] { (n.ObservedAt, Position: n.Upstream?.UpstreamEnd), (n.ObservedAt, Position: n.Upstream?.Received) })
            .Where(n => n.Position is { Ordinal: not null } p && p.Kind == position.Kind && p.History == position.History && p.Ordinal > known)
            .OrderBy(n => n.Position!.Ordinal).LastOrDefault();
        return further.Position is null ? this : this with { Primary = primary with { Position = further.Position, At = further.ObservedAt } };
    }

    private static double? Fastest(IReadOnlyList<LogSample> samples)
    {
        double? fastest = null;
        for (var i = 1; i < samples.Count; i++)
        {
            var seconds = (samples[i].At - samples[i - 1].At).TotalSeconds;
            if (seconds > 0)
                fastest = Math.Max(fastest ?? 0, (samples[i].Ordinal - samples[i - 1].Ordinal) / seconds);
        }
        return fastest;
    }
}

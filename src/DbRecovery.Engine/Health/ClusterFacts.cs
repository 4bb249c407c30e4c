namespace DbRecovery.Engine.Health;

/// <summary>Adds to each observation what the other nodes say of it and of the primary.</summary>
internal static class ClusterFacts
{
    /// <summary>Sets the <see cref="ReplicationFacts"/> of every node, and what the memory of its server's starts gives.</summary>
    public static void Add(ClusterView view)
    {
        var replication = view.Replication;
        foreach (var node in view.Nodes)
        {
            var facts = node.Facts;
            var memory = view.Memory.GetValueOrDefault(node.Node);
            facts.Set(ReplicationFacts.Failures, (long)(memory?.Failures ?? 0));
            facts.Set(PostgreSqlFacts.Restarts, (long)(memory?.Starts.Count(s => node.ObservedAt - s <= NodeMemory.StartsFor) ?? 0));
            AddPeers(replication, node);
            if (replication.Primary is { } primary)
                facts.Set(ReplicationFacts.Primary, primary);
            else
                facts.SetUnknown(ReplicationFacts.Primary, "no node is primary, and none is remembered or followed");
            facts.Set(ReplicationFacts.PrimaryAlive, replication.Writable.Count > 0);
            if (replication.Leader is { } leader && PageDamage.IsKnown(leader) is { } damaged)
                facts.Set(ReplicationFacts.PrimaryDamaged, damaged);
            else
                facts.SetUnknown(ReplicationFacts.PrimaryDamaged, replication.Leader is null ? "there is not one primary that answers" : "the primary has no data checksums, and its data were not checked");
            foreach (var fact in new[] { ReplicationFacts.Epoch, ReplicationFacts.EpochPrimary })
                if (facts.Find(fact.Name) is null)
                    facts.SetUnknown(fact, "it was not read in this round");
            if (node.Role == NodeRole.Replica)
                AddLag(replication, node);
        }
    }

    private static void AddPeers(ReplicationView replication, NodeObservation node)
    {
        var others = replication.Others(node).ToList();
        var words = others.Select(o => replication.Word(o, node)).ToList();
        node.Facts.Set(ReplicationFacts.PeersTotal, (long)others.Count);
        node.Facts.Set(ReplicationFacts.PeersFresh, (long)others.Count(replication.Fresh));
        node.Facts.Set(ReplicationFacts.PeersFreshMajority, replication.FreshMajority(node));
        node.Facts.Set(ReplicationFacts.PeersStreaming, (long)words.Count(w => w == StreamWord.Streams));
        node.Facts.Set(ReplicationFacts.PeersStale, (long)words.Count(w => w is StreamWord.Gone or StreamWord.Silent));
    }

    private static void AddLag(ReplicationView replication, NodeObservation node)
    {
        var facts = node.Facts;
        var end = End(replication, node);
        Set(ReplicationFacts.ReceiveLagBytes, Behind(end, node.Upstream?.Received ?? node.Position));
        var lag = Behind(end, node.Upstream?.Applied);
        Set(ReplicationFacts.LagBytes, lag);
        var told = replication.Leader?.Downstreams.FirstOrDefault(d => d.Name == node.Node)?.ReplayLag;
        if (lag == 0)
            facts.Set(ReplicationFacts.LagTime, 0.0);
        else if (told is { } time)
            facts.Set(ReplicationFacts.LagTime, time);
        else if (facts.Number(PostgreSqlFacts.ReplayAge) is { } age)
            facts.Set(ReplicationFacts.LagTime, age);
        else
            facts.SetUnknown(ReplicationFacts.LagTime, "neither the primary nor the replica tells");

        void Set(FactDefinition fact, long? value)
        {
            if (value is { } known)
                facts.Set(fact, known);
            else
                facts.SetUnknown(fact, "the positions are not known, or are of different timelines");
        }
    }

    // the primary and the replica are looked at one after the other: what the replica has beyond the primary's sample is no lag
    private static long? Behind(LogPosition? end, LogPosition? at) =>
        end is { Ordinal: { } last } && at is { Ordinal: { } reached } && end.Kind == at.Kind && (end.History is null || at.History is null || end.History == at.History)
            ? Math.Max(0, last - reached)
            : null;

    /// <summary>The furthest end of the primary's log that is known: what the primary says, what it told the replica, what is remembered of it.</summary>
    private static LogPosition? End(ReplicationView replication, NodeObservation node) =>
        replication.Leader is { Position: { } now }
            ? now
            : new[] { node.Upstream?.UpstreamEnd, replication.View.LastPrimary?.Position }.OfType<LogPosition>()
                .Where(p => p.Ordinal is not null).MaxBy(p => p.Ordinal);
}

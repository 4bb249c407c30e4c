using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>What a node's silence means.</summary>
internal enum OutageKind
{
    /// <summary>It is not silent.</summary>
    None,
    /// <summary>It cannot be told: too little answers us.</summary>
    WatcherIsolated,
    /// <summary>Others are in touch with it: it lives.</summary>
    Partition,
    /// <summary>Its machine answers, its server is gone.</summary>
    ProcessDown,
    /// <summary>Its server takes connections and does not speak.</summary>
    Hung,
    /// <summary>Nothing answers.</summary>
    HostUnreachable,
}

/// <summary>
/// Decides what it means that a node gives no answer, in one place, so that no two rules see it differently. What others are in touch with lives;
/// a primary is dead only where it gives us no answer, most of the others do, and those of them that followed it have lost it, too.
/// </summary>
internal sealed record NodeOutage
{
    public OutageKind Kind { get; private init; }
    /// <summary>Whether it is, or last was, the primary.</summary>
    public bool Primary { get; private init; }
    /// <summary>Whether the others confirm that a primary is gone, so that another one may take over.</summary>
    public bool Confirmed { get; private init; }
    /// <summary>Whether the witnesses are more than half of the nodes that may be in touch with it: those that follow it, and those that do not tell.</summary>
    public bool Majority { get; private init; }
    /// <summary>Whether every witness has lost its connection, rather than hear nothing on it.</summary>
    public bool AllGone { get; private init; }
    /// <summary>The replicas that followed it and say that they receive nothing.</summary>
    public IReadOnlyList<NodeObservation> Witnesses { get; private init; } = [];
    /// <summary>The nodes that are in touch with it.</summary>
    public IReadOnlyList<NodeObservation> InTouch { get; private init; } = [];

    public static NodeOutage Of(ReplicationView cluster, NodeObservation node)
    {
        if (node.Reachability is not (Reachability.TimedOut or Reachability.Absent))
            return new NodeOutage();
        var own = Look(node);
        var words = cluster.Others(node).Select(other => (Node: other, Word: cluster.Word(other, node))).ToList();
        var inTouch = words.Where(w => w.Word == StreamWord.Streams || (own == OutageKind.HostUnreachable && cluster.Fresh(w.Node) && ReplicationView.Serves(w.Node, node))).Select(w => w.Node).ToList();
        var primary = cluster.Primary == node.Node && cluster.Leader is null;
        if (inTouch.Count > 0)
            return new NodeOutage { Kind = OutageKind.Partition, Primary = primary, InTouch = inTouch };
        if (own == OutageKind.HostUnreachable && IsIsolated(cluster, node))
            return new NodeOutage { Kind = OutageKind.WatcherIsolated, Primary = primary };
        var witnesses = words.Where(w => w.Word is StreamWord.Gone or StreamWord.Silent && cluster.WasStreaming(w.Node, node) != false).ToList();
        return new NodeOutage
        {
            Kind = own, Primary = primary, Witnesses = [.. witnesses.Select(w => w.Node)],
            Majority = witnesses.Count * 2 > words.Count(w => w.Word != StreamWord.None || !cluster.Fresh(w.Node)),
            AllGone = witnesses.Count > 0 && witnesses.All(w => w.Word == StreamWord.Gone),
            Confirmed = primary && witnesses.Count > 0 && cluster.FreshMajority(node) && cluster.Writable.Count == 0,
        };
    }

    /// <summary>What our own look says, whatever others say.</summary>
    public static OutageKind Look(NodeObservation node) => node.Facts.Text(PostgreSqlFacts.ConnectError) switch
    {
        "hung" => OutageKind.Hung,
        // something that closes a connection at once is a machine that answers
        "refused" or "broken" => OutageKind.ProcessDown,
        null when node.Reachability == Reachability.Absent => OutageKind.ProcessDown,
        _ => OutageKind.HostUnreachable,
    };

    // one node that does not answer is that node; several, with nobody or too few who do, may as well be us
    private static bool IsIsolated(ReplicationView cluster, NodeObservation node)
    {
        var others = cluster.Others(node).ToList();
        var silent = others.Count(o => o.Reachability is Reachability.TimedOut or Reachability.Absent && Look(o) == OutageKind.HostUnreachable);
        return silent > 0 && (others.Count - silent) * 2 <= others.Count;
    }
}

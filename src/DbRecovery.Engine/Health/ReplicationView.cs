using System.Globalization;

namespace DbRecovery.Engine.Health;

/// <summary>What a replica's own look says of the stream from a node.</summary>
internal enum StreamWord
{
    /// <summary>Nothing: it was not seen now, or it follows another node.</summary>
    None,
    /// <summary>It receives from it, or cannot be said not to: a quiet stream is a stream.</summary>
    Streams,
    /// <summary>It is connected, and longer without a message than it ever is.</summary>
    Silent,
    /// <summary>It has no connection to it.</summary>
    Gone,
}

/// <summary>
/// What a cluster's observations say of each other: who is whose upstream, who is primary, what the peers know of a node that does not answer us.
/// Computed once a view; it looks at nothing itself.
/// </summary>
internal sealed class ReplicationView
{
    private readonly Dictionary<string, NodeObservation> _byName;

    public ReplicationView(ClusterView view)
    {
        View = view;
        _byName = view.Nodes.GroupBy(n => n.Node, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Last(), StringComparer.Ordinal);
        SystemId = OwnSystemId();
        Foreign = [.. view.Nodes.Where(n => n.SystemId is not null && n.SystemId != SystemId)];
        Twice = SameServers();
        var seconds = Twice.Select(t => t.Second).ToHashSet();
        Members = [.. view.Nodes.Where(n => !Foreign.Contains(n) && !seconds.Contains(n))];
        Writable = [.. Members.Where(n => n.IsPrimary())];
        (Primary, Inferred) = FindPrimary();
        Inferred &= Writable.Count == 0;
    }

    public ClusterView View { get; }
    /// <summary>The origin of the cluster's data; null where no node told one.</summary>
    public string? SystemId { get; }
    /// <summary>Nodes whose data has another origin: they are another cluster's and no evidence here.</summary>
    public IReadOnlyList<NodeObservation> Foreign { get; }
    /// <summary>Servers that the inventory names twice.</summary>
    public IReadOnlyList<(NodeObservation First, NodeObservation Second)> Twice { get; }
    /// <summary>The cluster's own nodes, each server once.</summary>
    public IReadOnlyList<NodeObservation> Members { get; }
    /// <summary>The members that answer and are no replica.</summary>
    public IReadOnlyList<NodeObservation> Writable { get; }
    /// <summary>The node that is primary, or last was; null where nothing tells.</summary>
    public string? Primary { get; }
    /// <summary>Whether <see cref="Primary"/> is known only because the replicas are set to follow it.</summary>
    public bool Inferred { get; }
    /// <summary>The observation of <see cref="Primary"/>.</summary>
    public NodeObservation? PrimaryNode => Primary is null ? null : Find(Primary);
    /// <summary>The one node that is primary and answers; null where there is none or more than one.</summary>
    public NodeObservation? Leader => Writable.Count == 1 ? Writable[0] : null;

    public NodeObservation? Find(string node) => _byName.GetValueOrDefault(node);

    public NodeMemory? Memory(NodeObservation node) => View.Memory.GetValueOrDefault(node.Node);

    /// <summary>Whether a node's answer is evidence of now: it answered, and not longer ago than two polls and a deadline.</summary>
    public bool Fresh(NodeObservation node) => node.Reachability == Reachability.Reachable
        && View.At - (node.ObservedAt + node.Duration) <= 2 * View.Cluster.Policy.Poll + View.Cluster.Policy.DetectWithin;

    /// <summary>The members other than a node.</summary>
    public IEnumerable<NodeObservation> Others(NodeObservation node) => Members.Where(n => n.Node != node.Node);

    /// <summary>Whether more than half of the other nodes answered now, and at least one.</summary>
    public bool FreshMajority(NodeObservation node)
    {
        var others = Others(node).ToList();
        var fresh = others.Count(Fresh);
        return fresh > 0 && fresh * 2 > others.Count;
    }

    /// <summary>The node that a replica receives from, or is set to receive from; null where its address is none of the inventory's.</summary>
    public string? UpstreamOf(NodeObservation replica)
    {
        if (replica.Role != NodeRole.Replica)
            return null;
        var facts = replica.Facts;
        var (host, port) = facts.Text(PostgreSqlFacts.SenderHost) is { Length: > 0 } sender && replica.Upstream is { Streaming: true }
            ? (sender, facts.Int(PostgreSqlFacts.SenderPort))
            : (facts.Text(PostgreSqlFacts.ConfiguredHost), facts.Int(PostgreSqlFacts.ConfiguredPort));
        if (NodeAddress.Find(View.Cluster, host, port) is { } known)
            return known.Name;
        // the address may be one that only the nodes use among themselves: then the upstream names the replica
        if (replica.Upstream is { Streaming: true } && View.Nodes.FirstOrDefault(n => n.Node != replica.Node && Serves(n, replica)) is { } serving)
            return serving.Node;
        return Memory(replica) is { Upstream: { } learnt, Sender: { } address } && address == Sender(replica) ? learnt : null;
    }

    /// <summary>The address that a replica receives from, as text to remember.</summary>
    public static string? Sender(NodeObservation replica) =>
        replica.Facts.Text(PostgreSqlFacts.SenderHost) is { Length: > 0 } host ? $"{host}:{replica.Facts.Int(PostgreSqlFacts.SenderPort)}" : null;

    /// <summary>Whether an upstream says that this replica is connected to it now.</summary>
    public static bool Serves(NodeObservation upstream, NodeObservation replica) => upstream.Reachability == Reachability.Reachable
        && upstream.Downstreams.Any(d => d.Name == replica.Node && d.State is "streaming" or "catchup");

    /// <summary>
    /// What a replica says of the stream from a node that does not answer us. Whoever streams from an address that nobody knows may be streaming
    /// from it: that is held against its death.
    /// </summary>
    public StreamWord Word(NodeObservation replica, NodeObservation upstream)
    {
        if (replica.Role != NodeRole.Replica || !Fresh(replica))
            return StreamWord.None;
        var follows = UpstreamOf(replica) ?? View.Cluster.Nodes.FirstOrDefault(n => n.Name == replica.Node)?.Upstream ?? Primary;
        if (follows is null ? upstream.Role == NodeRole.Replica : follows != upstream.Node)
            return StreamWord.None;
        if (replica.Upstream is not { Streaming: true })
            return StreamWord.Gone;
        return IsSilent(replica) ? StreamWord.Silent : StreamWord.Streams;
    }

    /// <summary>Whether a replica that says now that it receives nothing did receive when its upstream was last seen: one that was broken before is no witness. Null where that is not known.</summary>
    public bool? WasStreaming(NodeObservation replica, NodeObservation upstream)
    {
        if (Memory(replica) is not { AnsweredAt: not null } own || Memory(upstream) is not { AnsweredAt: { } last })
            return null;
        return own.StreamedAt is { } streamed && streamed >= last - (2 * View.Cluster.Policy.Poll + View.Cluster.Policy.DetectWithin);
    }

    /// <summary>
    /// A quiet primary sends nothing for many seconds, so silence alone says little, and neither does a connection of ours that is taken and not served:
    /// something in between may do that. Silence says enough where it is longer than the replica's silences ever are, and where the receiver
    /// must have asked for a sign of life and got none: after half of wal_receiver_timeout.
    /// </summary>
    private bool IsSilent(NodeObservation replica)
    {
        if (replica.Facts.Number(PostgreSqlFacts.ReceiptAge) is not { } age)
            return false;
        if (ReceiverTimeout(replica) is { } timeout && age >= timeout / 2 + 1)
            return true;
        return age >= View.Cluster.Policy.DetectWithin.TotalSeconds / 2 && Memory(replica)?.LongestSilence is { } usual && age >= 2 * usual;
    }

    // as the server writes durations; 0 turns the timeout off, and with it the question
    private static double? ReceiverTimeout(NodeObservation replica)
    {
        if (Setting(replica, "wal_receiver_timeout") is not { } text)
            return 60;
        var digits = text.TakeWhile(char.IsAsciiDigit).Count();
        if (!long.TryParse(text.AsSpan(0, digits), CultureInfo.InvariantCulture, out var number) || number == 0)
            return null;
        return number * text[digits..] switch { "" or "ms" => 0.001, "s" => 1, "min" => 60, "h" => 3600, "d" => 86400, _ => double.PositiveInfinity };
    }

    private string? OwnSystemId()
    {
        var known = View.Nodes.Where(n => n.SystemId is not null).ToList();
        var groups = known.GroupBy(n => n.SystemId!, StringComparer.Ordinal).OrderByDescending(g => g.Count()).ToList();
        if (groups.Count <= 1)
            return groups.FirstOrDefault()?.Key ?? View.LastPrimary?.SystemId;
        if (View.LastPrimary?.SystemId is { } before && groups.Any(g => g.Key == before))
            return before;
        if (groups[0].Count() > groups[1].Count())
            return groups[0].Key;
        var primaries = known.Where(n => n.Role == NodeRole.Primary).Select(n => n.SystemId).Distinct().ToList();
        return primaries.Count == 1 ? primaries[0] : known[0].SystemId;
    }

    private List<(NodeObservation, NodeObservation)> SameServers()
    {
        var same = new List<(NodeObservation, NodeObservation)>();
        // the moment at which a server started is told to the microsecond: with one origin that is one server
        foreach (var group in View.Nodes.Where(n => n.SystemId is not null && n.Facts.Number(PostgreSqlFacts.StartedAt) is not null)
            .GroupBy(n => (n.SystemId, n.Facts.Number(PostgreSqlFacts.StartedAt), Setting(n, "port"), Setting(n, "data_directory"))))
        {
            var first = group.First();
            same.AddRange(group.Skip(1).Select(second => (first, second)));
        }
        return same;
    }

    /// <summary>A setting that the node told; null where it did not.</summary>
    public static string? Setting(NodeObservation node, string name) => node.Facts.List(PostgreSqlFacts.Settings)?
        .FirstOrDefault(s => s.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

    private (string? Node, bool Inferred) FindPrimary()
    {
        if (Writable.Count == 1 && (View.LastPrimary is null || View.LastPrimary.Node == Writable[0].Node))
            return (Writable[0].Node, false);
        if (View.LastPrimary is { } last && Members.Any(n => n.Node == last.Node))
            return (last.Node, false);
        if (Writable.Count > 0)
            return (Writable.MaxBy(n => (n.Facts.Int(ReplicationFacts.Epoch) ?? 0, n.Facts.Int(PostgreSqlFacts.Timeline) ?? 0))!.Node, false);
        // nobody remembers one: it is the node that the replicas are set to follow and that is not a replica itself
        var followed = Members.Where(n => n.Reachability == Reachability.Reachable).Select(UpstreamOf).OfType<string>().Distinct(StringComparer.Ordinal)
            .Where(n => Find(n) is { } node && node.Role != NodeRole.Replica && Members.Contains(node)).ToList();
        return followed.Count == 1 ? (followed[0], true) : (null, true);
    }
}

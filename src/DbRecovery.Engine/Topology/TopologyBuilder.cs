namespace DbRecovery.Engine.Topology;

/// <summary>Works out who replicates from whom, from what the nodes say of each other.</summary>
public static class TopologyBuilder
{
    /// <summary>The topology that a health report shows; hosts that nodes name are resolved.</summary>
    public static async Task<ClusterTopology> BuildAsync(HealthReport report, CancellationToken cancellationToken)
    {
        var named = report.Observations.SelectMany(o => new[] { o.Facts.Text(PostgreSqlFacts.SenderHost), o.Facts.Text(PostgreSqlFacts.ConfiguredHost), o.Upstream is { } up ? NodeAddresses.Split(up.Address).Host : null }).OfType<string>();
        return Build(report, await NodeAddresses.ResolveAsync(report.Definition, named, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The topology that a health report shows.</summary>
    public static ClusterTopology Build(HealthReport report, NodeAddresses addresses)
    {
        var seen = report.Observations.ToDictionary(o => o.Node, StringComparer.Ordinal);
        var upstreams = report.Observations.Where(o => o.Role == NodeRole.Replica).Select(o => (o.Node, Upstream: UpstreamOf(o, report, addresses)))
            .Where(u => u.Upstream is not null && u.Upstream != u.Node).ToDictionary(u => u.Node, u => u.Upstream!, StringComparer.Ordinal);
        var primaries = report.Primaries().Select(o => o.Node).ToList();
        var end = primaries.Count == 1 ? seen[primaries[0]].Position?.Ordinal : report.LastPrimary?.Position?.Ordinal;
        var nodes = InOrder(report, upstreams).Select(name => Describe(report.Definition, seen[name], upstreams.GetValueOrDefault(name) is { } up ? seen[up] : null, Depth(name, upstreams, primaries), end)).ToList();
        return new ClusterTopology
        {
            Cluster = report.Cluster, Engine = report.Engine, ObservedAt = report.ObservedAt, Primary = primaries.Count == 1 ? primaries[0] : null,
            ManagedBy = report.Definition.ManagedBy?.Kind, Nodes = nodes,
        };
    }

    /// <summary>
    /// The node that a replica follows. Where it says that it streams from counts first, then what it is set to follow, then who says that a
    /// replica of its name is connected: an address may be that of a relay or of another network.
    /// </summary>
    private static string? UpstreamOf(NodeObservation replica, HealthReport report, NodeAddresses addresses)
    {
        if (replica.Facts.Text(PostgreSqlFacts.SenderHost) is { Length: > 0 } sender && addresses.Find(sender, (int?)replica.Facts.Int(PostgreSqlFacts.SenderPort)) is { } streaming)
            return streaming;
        if (replica.Upstream is { Address.Length: > 0, Streaming: true } upstream && addresses.Find(upstream.Address) is { } told)
            return told;
        if (replica.Upstream is not { Streaming: false } && Announced(replica, report) is { } announced)
            return announced;
        if (replica.Facts.Text(PostgreSqlFacts.ConfiguredHost) is { Length: > 0 } configured && addresses.Find(configured, (int?)replica.Facts.Int(PostgreSqlFacts.ConfiguredPort) ?? 5432) is { } set)
            return set;
        return replica.Upstream is { Address.Length: > 0 } last && addresses.Find(last.Address) is { } known ? known : Announced(replica, report);
    }

    private static string? Announced(NodeObservation replica, HealthReport report)
    {
        var slot = replica.Facts.Text(PostgreSqlFacts.ConfiguredSlot);
        bool Has(NodeObservation o, Func<NodeObservation, bool> how) => o.Node != replica.Node && how(o);
        var byName = report.Observations.Where(o => Has(o, n => n.Downstreams.Any(d => d.Name == replica.Node))).ToList();
        if (byName.Count != 1 && slot is { Length: > 0 })
            byName = report.Observations.Where(o => Has(o, n => n.Slots.Any(s => s.Name == slot && s.Active))).ToList();
        return byName.Count == 1 ? byName[0].Node : null;
    }

    /// <summary>Each node before those that follow it; what hangs on no primary comes after, and a ring is cut where it begins.</summary>
    private static List<string> InOrder(HealthReport report, Dictionary<string, string> upstreams)
    {
        var order = new List<string>();
        var done = new HashSet<string>(StringComparer.Ordinal);
        var roots = report.Observations.Where(o => !upstreams.ContainsKey(o.Node)).OrderBy(o => o.Role == NodeRole.Primary ? 0 : 1).Select(o => o.Node);
        foreach (var root in roots.Concat(report.Observations.Select(o => o.Node)).ToList())
            Add(root);
        return order;

        void Add(string node)
        {
            if (!done.Add(node))
                return;
            order.Add(node);
            foreach (var follower in report.Observations.Where(o => upstreams.GetValueOrDefault(o.Node) == node))
                Add(follower.Node);
        }
    }

    private static int? Depth(string node, Dictionary<string, string> upstreams, List<string> primaries)
    {
        var depth = 0;
        for (var at = node; depth <= upstreams.Count; depth++)
        {
            if (primaries.Contains(at))
                return depth;
            if (!upstreams.TryGetValue(at, out var up))
                return null;
            at = up;
        }
        return null;
    }

    private static TopologyNode Describe(ClusterDefinition cluster, NodeObservation node, NodeObservation? upstream, int? depth, long? end)
    {
        // a primary keeps the name from its time as a replica, and follows nobody by it
        var slotName = node.Role == NodeRole.Primary ? null : node.Facts.Text(PostgreSqlFacts.ConfiguredSlot);
        var line = upstream is null ? null : LineOf(node, upstream, slotName);
        var slot = slotName is { Length: > 0 } ? upstream?.Slots.FirstOrDefault(s => s.Name == slotName) : null;
        var replica = node.Role == NodeRole.Replica;
        return new TopologyNode
        {
            Cluster = cluster.Name, Node = node.Node, Address = cluster.Node(node.Node).Address, Role = node.Role, Reachability = node.Reachability, Upstream = upstream?.Node, Depth = depth,
            Problem = node.Reachability == Reachability.Reachable ? null : node.Errors is [var error, ..] ? error.Told : null,
            State = !replica ? null : line?.State ?? (node.Upstream is { Streaming: true } ? "streaming" : node.Facts.Text(PostgreSqlFacts.ReceiverStatus) is { Length: > 0 } status ? status : "not streaming"),
            SyncState = line?.SyncState, Position = replica ? node.Upstream?.Received?.Value ?? node.Position?.Value : node.Position?.Value, Applied = replica ? node.Upstream?.Applied?.Value : null,
            Timeline = node.Position?.History ?? node.Facts.Value(PostgreSqlFacts.Timeline)?.ToString(),
            LagBytes = !replica ? null : node.Facts.Int(ReplicationFacts.LagBytes) ?? (node.Upstream?.Applied?.Ordinal is { } applied && end is { } e ? Math.Max(0, e - applied) : null),
            LagTime = !replica ? null : node.Facts.Number(ReplicationFacts.LagTime) is { } seconds && double.IsFinite(seconds) ? TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Quantities.LongestSeconds)) : line?.ReplayLag,
            Slot = slotName is { Length: > 0 } ? slotName : null, SlotStatus = slot is null ? null : slot.Active ? slot.WalStatus ?? "active" : slot.WalStatus is null or "reserved" ? "inactive" : $"inactive, {slot.WalStatus}",
            Paused = node.Facts.Bool(PostgreSqlFacts.ReplayPaused) == true,
        };
    }

    private static DownstreamObservation? LineOf(NodeObservation replica, NodeObservation upstream, string? slot)
    {
        var named = upstream.Downstreams.Where(d => d.Name == replica.Node).ToList();
        if (named.Count == 0 && slot is { Length: > 0 })
            named = upstream.Downstreams.Where(d => d.Name == slot).ToList();
        // a base backup for the replica bears the same name
        return named.FirstOrDefault(d => d.State is not "backup") ?? (named.Count == 0 && upstream.Downstreams.Count == 1 ? upstream.Downstreams[0] : null);
    }
}

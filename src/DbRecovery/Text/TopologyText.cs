namespace DbRecovery.Shells;

/// <summary>Who replicates from whom, as a tree.</summary>
internal static class TopologyText
{
    private const int DeepestIndent = 24;

    /// <summary>The trees of several clusters.</summary>
    public static string Of(IEnumerable<ClusterTopology> topologies, int width = TextLayout.DefaultWidth) => string.Join("\n\n", topologies.Select(t => Of(t, width)));

    /// <summary>
    /// The tree of a cluster: each node under the one that it follows, with its stream, its part in synchronous replication, how far it is
    /// behind, its position and slot.
    /// </summary>
    public static string Of(ClusterTopology topology, int width = TextLayout.DefaultWidth)
    {
        var lines = new List<string> { $"{topology.Cluster} ({topology.Engine}{(topology.ManagedBy is { } manager ? $", managed by {manager}" : "")})" };
        var shown = new HashSet<string>(StringComparer.Ordinal);
        var roots = topology.Nodes.Where(n => n.Upstream is null || topology.Nodes.All(u => u.Node != n.Upstream));
        // a ring has no root: its nodes are shown all the same
        foreach (var node in roots.Concat(topology.Nodes).ToList())
            Add(lines, shown, topology, node, "", null, width);
        return string.Join('\n', lines);
    }

    private static void Add(List<string> lines, HashSet<string> shown, ClusterTopology topology, TopologyNode node, string indent, bool? last, int width)
    {
        if (!shown.Add(node.Node))
            return;
        var further = last is null ? "" : last.Value ? "   " : "│  ";
        lines.AddRange(Describe(node, indent + (last is null ? "" : last.Value ? "└─ " : "├─ "), indent + further, width));
        var followers = topology.Nodes.Where(n => n.Upstream == node.Node && !shown.Contains(n.Node)).ToList();
        for (var i = 0; i < followers.Count; i++)
            Add(lines, shown, topology, followers[i], indent.Length >= DeepestIndent ? indent : indent + further, i == followers.Count - 1, width);
    }

    private static IEnumerable<string> Describe(TopologyNode node, string first, string further, int width)
    {
        var heading = first + node.Node + "  ";
        var text = TextLayout.Hang(heading, string.Join(", ", Parts(node)), width).Split('\n');
        yield return text[0];
        foreach (var line in text.Skip(1))
            yield return further + line[further.Length..];
    }

    private static IEnumerable<string> Parts(TopologyNode node)
    {
        yield return node.Address;
        yield return node.Reachability == Reachability.Reachable ? node.Role.ToString().ToLowerInvariant() : node.Reachability.ToString().ToUpperInvariant();
        if (node.Problem is { } problem)
            yield return problem;
        if (node.State is { } state)
            yield return node.SyncState is { } sync ? $"{state} ({sync})" : state;
        if (node.Paused)
            yield return "replay PAUSED";
        if (node.LagBytes is { } bytes)
            yield return bytes == 0 && node.LagTime is null or { Ticks: 0 } ? "no lag" : $"lag {SizeText.Size(bytes)}{(node.LagTime is { } time ? $" / {SizeText.Duration(time)}" : "")}";
        else if (node.LagTime is { } time)
            yield return $"lag {SizeText.Duration(time)}";
        if (node.Position is { } position)
            yield return node.Timeline is { } timeline ? $"at {position} on timeline {timeline}" : $"at {position}";
        if (node.Slot is { } slot)
            yield return node.SlotStatus is { } status and not "reserved" ? $"slot {slot} ({status})" : $"slot {slot}";
    }
}

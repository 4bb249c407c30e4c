using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>Who replicates from whom: a box a node, each under the one that it follows, with an arrow along which the log flows; and the same as a table.</summary>
internal static class TopologyPicture
{
    private const int BoxHeight = 66;
    private const int Row = BoxHeight + 16;
    /// <summary>How far a follower stands in, in percent of the width: a page of any width shows all of it.</summary>
    private const double Indent = 7;
    private const double Margin = 0.25;
    private const int Deepest = 8;
    private const int LongestName = 28;

    public static void Write(HtmlWriter to, ClusterTopology topology)
    {
        var nodes = topology.Nodes.Take(ReportLimits.Values * 2).ToList();
        to.Open("figure", ("class", "topology")).Leaf("figcaption", $"Who replicates from whom: the log flows along the arrows{(topology.ManagedBy is { } manager ? $"; managed by {HtmlText.Bounded(manager)}" : "")}");
        Draw(to, topology, nodes);
        to.Close().Line();
        to.Fold("The topology as a table", open: false);
        to.Table("Nodes", topology.Nodes.Take(ReportLimits.Lines), new Column<TopologyNode>("Node", (w, n) => w.Foreign(n.Node)), new("Address", (w, n) => w.Foreign(n.Address)), new("Role", (w, n) => w.Text(RoleOf(n))),
            new("Follows", (w, n) => w.Foreign(n.Upstream ?? "-")), new("Stream", (w, n) => w.Foreign(n.State ?? "-")), new("Acknowledges", (w, n) => w.Foreign(n.SyncState ?? "-")),
            new("Lag", (w, n) => w.Text(Lag(n) ?? "-"), true), new("Position", (w, n) => w.Foreign(n.Position ?? "-")), new("Timeline", (w, n) => w.Foreign(n.Timeline ?? "-"), true),
            new("Slot", (w, n) => w.Foreign(n.Slot is { } slot ? n.SlotStatus is { } status ? $"{slot} ({status})" : slot : "-")));
        to.Close().Line();
    }

    private static void Draw(HtmlWriter to, ClusterTopology topology, List<TopologyNode> nodes)
    {
        var depths = nodes.ToDictionary(n => n.Node, n => DepthOf(n, nodes), StringComparer.Ordinal);
        var (title, description) = (to.NextId(), to.NextId());
        to.Open("svg", ("role", "img"), ("aria-labelledby", title), ("aria-describedby", description), ("width", "100%"), ("height", Text(nodes.Count * Row)));
        to.Leaf("title", $"Topology of {HtmlText.Bounded(topology.Cluster)}: {(topology.Primary is { } primary ? $"{HtmlText.Bounded(primary)} is primary" : "no node is known to be the one primary")}", ("id", title));
        to.Leaf("desc", string.Join("; ", nodes.Select(n => $"{Short(n.Node)}: {RoleOf(n)}{(n.Upstream is { } up ? $", follows {Short(up)}" : "")}{(Stream(n) is { Length: > 0 } stream ? $", {stream}" : "")}")) + ".", ("id", description));
        // a stream that flows is drawn over the part that it shares with one that does not
        foreach (var i in Enumerable.Range(0, nodes.Count).OrderBy(i => nodes[i].State is "streaming" ? nodes[i].SyncState is "sync" or "quorum" ? 1 : 2 : 0))
            if (nodes[i].Upstream is { } up && nodes.FindIndex(n => n.Node == up) is >= 0 and var from && from != i)
                DrawArrow(to, nodes[i], depths[up], from, depths[nodes[i].Node], i);
        for (var i = 0; i < nodes.Count; i++)
            DrawBox(to, nodes[i], depths[nodes[i].Node], i * Row + 2);
        to.Close();
    }

    private static void DrawArrow(HtmlWriter to, TopologyNode follower, int fromDepth, int from, int depth, int at)
    {
        var name = $"flow {(follower.State is "streaming" ? follower.SyncState is "sync" or "quorum" ? "sync" : "async" : "broken")}";
        var x = Percent(fromDepth * Indent + Indent / 2);
        var end = Percent(depth > fromDepth ? depth * Indent : fromDepth * Indent + Indent);
        var middle = at * Row + BoxHeight / 2;
        // a ring's last arrow leads up again
        var top = from < at ? from * Row + BoxHeight : from * Row + 2;
        to.Leaf("line", null, ("class", name), ("x1", x), ("x2", x), ("y1", Text(top)), ("y2", Text(middle)));
        to.Leaf("line", null, ("class", name), ("x1", x), ("x2", end), ("y1", Text(middle)), ("y2", Text(middle)));
        to.Open("svg", ("x", end), ("y", Text(middle - 5)), ("width", "1"), ("height", "10"), ("overflow", "visible")).Open("path", ("class", name), ("d", "M-10 0 0 5-10 10z")).Close().Close();
    }

    private static void DrawBox(HtmlWriter to, TopologyNode node, int depth, int top)
    {
        var x = depth * Indent + Margin;
        to.Leaf("rect", null, ("class", $"node {Markup.Name(ToneOf(node))}"), ("x", Percent(x)), ("width", Percent(100 - Margin - x)), ("y", Text(top)), ("height", Text(BoxHeight - 4)), ("rx", "6"));
        to.Open("svg", ("x", Percent(x)), ("y", Text(top)), ("width", Percent(100 - Margin - x)), ("height", Text(BoxHeight - 4)));
        to.Leaf("text", Short(node.Node), ("class", "name"), ("x", "12"), ("y", "20"));
        to.Leaf("text", RoleOf(node), ("class", "role"), ("x", "100%"), ("dx", "-12"), ("y", "20"), ("text-anchor", "end"));
        to.Leaf("text", node.Position is { } position ? $"{Short(node.Address)} at {position}{(node.Timeline is { } timeline ? $", timeline {timeline}" : "")}" : Short(node.Address), ("class", "axis"), ("x", "12"), ("y", "37"));
        to.Leaf("text", Stream(node), ("class", "axis"), ("x", "12"), ("y", "53"));
        to.Close();
    }

    private static string RoleOf(TopologyNode node) => node.Reachability == Reachability.Reachable ? Markup.Words(node.Role) : Markup.Words(node.Reachability);

    private static string Stream(TopologyNode node) => string.Join(", ", new[]
    {
        node.State is { } state ? node.SyncState is { } sync ? $"{state} ({sync})" : state : null, node.Paused ? "replay paused" : null, Lag(node) is { } lag ? $"lag {lag}" : null,
    }.OfType<string>());

    private static string? Lag(TopologyNode node) => node.LagBytes is { } bytes ? node.LagTime is { } both ? $"{SizeText.Size(bytes)} / {SizeText.Duration(both)}" : SizeText.Size(bytes) : node.LagTime is { } time ? SizeText.Duration(time) : null;

    private static Tone ToneOf(TopologyNode node) => node.Reachability switch
    {
        Reachability.Reachable when node.Role == NodeRole.Replica && (node.State is not "streaming" || node.Paused) => Tone.Warn,
        Reachability.Reachable when node.Role == NodeRole.Unknown => Tone.None,
        Reachability.Reachable => node.Role == NodeRole.Primary ? Tone.Good : Tone.Info,
        Reachability.Refusing => Tone.Warn,
        _ => Tone.Bad,
    };

    private static int DepthOf(TopologyNode node, List<TopologyNode> nodes)
    {
        var depth = 0;
        for (var at = node; at.Upstream is { } up && nodes.Find(n => n.Node == up) is { } next && depth < nodes.Count; at = next)
            depth++;
        // a ring has no top
        return depth >= nodes.Count ? 0 : Math.Min(depth, Deepest);
    }

    private static string Short(string name) => name.EnumerateRunes().Count() <= LongestName ? name : string.Concat(name.EnumerateRunes().Take(LongestName - 1)) + "…";

    private static string Percent(double value) => value.ToString("0.##", CultureInfo.InvariantCulture) + "%";

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}

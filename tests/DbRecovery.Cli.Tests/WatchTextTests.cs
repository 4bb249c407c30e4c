using DbRecovery.Shells;

namespace DbRecovery.Cli.Tests;

/// <summary>What a watch and a topology look like on a terminal.</summary>
public sealed class WatchTextTests
{
    private static TopologyNode Node(string name, string? upstream = null, string? state = null) => new()
    {
        Cluster = "orders", Node = name, Address = "db-server-with-a-long-name.example.org:5432", Role = upstream is null ? NodeRole.Primary : NodeRole.Replica, Reachability = Reachability.Reachable, Upstream = upstream, State = state,
        SyncState = state is null ? null : "async", LagBytes = state is null ? null : 123_456, LagTime = state is null ? null : TimeSpan.FromMilliseconds(12), Position = "0/5000148", Timeline = "3", Slot = state is null ? null : name, SlotStatus = "reserved",
    };

    private static ClusterTopology Topology(params TopologyNode[] nodes) => new() { Cluster = "orders", Engine = "postgresql", ObservedAt = DateTimeOffset.UnixEpoch, Nodes = nodes };

    [Fact]
    public void Every_follower_stands_under_its_upstream_within_a_hundred_columns()
    {
        var text = TopologyText.Of(Topology(Node("p"), Node("a", "p", "streaming"), Node("b", "a", "streaming"), Node("c", "p", "catchup")));
        var lines = text.Split('\n');
        Assert.All(lines, l => Assert.True(l.Length <= 100, l));
        Assert.Equal(["p", "├─ a", "│  └─ b", "└─ c"], lines.Skip(1).Where(l => l.Contains("5432", StringComparison.Ordinal)).Select(l => l[..l.IndexOf("  db-", StringComparison.Ordinal)]));
    }

    [Fact]
    public void A_ring_and_a_node_that_nobody_leads_to_are_shown_once_each()
    {
        var text = TopologyText.Of(Topology(Node("x", "y", "streaming"), Node("y", "x", "streaming"), Node("lost", "elsewhere", "streaming")));
        foreach (var name in new[] { "x", "y", "lost" })
            Assert.Single(text.Split('\n'), l => l.TrimStart('│', '├', '└', '─', ' ').StartsWith(name + "  ", StringComparison.Ordinal));
    }

    [Fact]
    public void An_event_is_a_short_line_with_its_place_and_kind()
    {
        var told = new WatchEvent { At = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), Kind = WatchEventKind.StateChanged, Cluster = "orders", Node = "o1", Summary = string.Join(' ', Enumerable.Repeat("words", 40)) };
        var lines = WatchText.Line(told, 100).Split('\n');
        Assert.All(lines, l => Assert.True(l.Length <= 100, l));
        Assert.StartsWith("03:04:05.678  state     orders/o1  words", lines[0], StringComparison.Ordinal);
    }
}

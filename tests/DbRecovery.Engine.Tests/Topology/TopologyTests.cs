using System.Net;
using DbRecovery.Engine.Topology;

namespace DbRecovery.Engine.Tests.Topology;

public sealed class TopologyTests
{
    private static readonly Dictionary<string, IReadOnlyList<IPAddress>> s_resolved = new(StringComparer.OrdinalIgnoreCase)
    {
        ["db1.example"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("fd00::1")],
        ["db2.example"] = [IPAddress.Parse("10.0.0.2")],
        ["alias.example"] = [IPAddress.Parse("10.0.0.2")],
    };

    private static ClusterDefinition Cluster(params (string Name, string Host, int Port)[] nodes) => new()
    {
        Name = "c", Engine = "postgresql", Nodes = [.. nodes.Select(n => new NodeDefinition { Name = n.Name, Host = n.Host, Port = n.Port })],
    };

    private static LogPosition Lsn(long at) => new("lsn", $"0/{at:X}", "3", at);

    private static NodeObservation Primary(string name, long end = 1000, params DownstreamObservation[] lines) => new()
    {
        Node = name, ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = Reachability.Reachable, Role = NodeRole.Primary, Position = Lsn(end), Downstreams = lines,
    };

    private static NodeObservation Replica(string name, string upstream, bool streaming = true, long applied = 900, string? slot = null, Action<FactSet>? facts = null, params DownstreamObservation[] lines)
    {
        var set = new FactSet();
        if (slot is not null)
            set.Set(PostgreSqlFacts.ConfiguredSlot, slot);
        facts?.Invoke(set);
        return new NodeObservation
        {
            Node = name, ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = Reachability.Reachable, Role = NodeRole.Replica, Position = Lsn(applied + 50),
            Upstream = new UpstreamObservation { Address = upstream, Streaming = streaming, Received = Lsn(applied + 50), Applied = Lsn(applied) }, Facts = set, Downstreams = lines,
        };
    }

    private static NodeObservation Silent(string name) => new()
    {
        Node = name, ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = Reachability.TimedOut,
    };

    private static DownstreamObservation Line(string name, string sync = "async", string state = "streaming") => new() { Name = name, State = state, SyncState = sync };

    private static ClusterTopology Build(ClusterDefinition cluster, params NodeObservation[] seen) => TopologyBuilder.Build(new HealthReport
    {
        Cluster = "c", Engine = "postgresql", ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Status = HealthStatus.Healthy, Nodes = [], Checks = [], Faults = [],
        Observations = seen, Definition = cluster,
    }, new NodeAddresses(cluster, s_resolved));

    [Theory]
    [InlineData("10.0.0.1:5432", "a")]
    [InlineData("db1.example:5432", "a")]
    [InlineData("DB1.EXAMPLE:5432", "a")]
    [InlineData("[fd00::1]:5432", "a")]
    [InlineData("::ffff:10.0.0.1", "a")]
    [InlineData("alias.example:5432", "b")]
    [InlineData("localhost:5501", "l")]
    [InlineData("[::1]:5501", "l")]
    [InlineData("/var/run/postgresql:5501", "l")]
    // the port is another, nobody has the address, or two could be meant
    [InlineData("10.0.0.1:5433", null)]
    [InlineData("10.0.0.9:5432", null)]
    [InlineData("/var/run/postgresql:5432", null)]
    [InlineData("unknown.example:5432", null)]
    public void An_address_is_that_of_one_node_or_of_none(string address, string? node) =>
        Assert.Equal(node, new NodeAddresses(Cluster(("a", "db1.example", 5432), ("b", "db2.example", 5432), ("l", "127.0.0.1", 5501)), s_resolved).Find(address));

    [Fact]
    public async Task A_name_that_cannot_be_resolved_is_compared_as_it_is_written()
    {
        var cluster = Cluster(("a", "no-such-host.invalid", 5432));
        var addresses = await NodeAddresses.ResolveAsync(cluster, ["no-such-other.invalid"], CancellationToken.None);
        Assert.Equal("a", addresses.Find("no-such-host.invalid", 5432));
        Assert.Null(addresses.Find("no-such-other.invalid", 5432));
    }

    [Fact]
    public void Each_node_stands_after_the_one_that_it_follows()
    {
        var cluster = Cluster(("leaf", "h1", 1), ("middle", "h2", 2), ("p", "h3", 3), ("other", "h4", 4), ("gone", "h5", 5));
        var topology = Build(cluster, Replica("leaf", "h2:2", applied: 700), Replica("middle", "h3:3", lines: Line("leaf")), Primary("p", 1000, Line("middle", "sync"), Line("other", "potential", "catchup")), Replica("other", "h3:3", streaming: false), Silent("gone") with { Errors = [new ObservedError("28P01", "refused", "connecting") { Advice = "Do this." }] });
        Assert.Equal([null, null, null, null, "refused. Do this."], topology.Nodes.Select(n => n.Problem));
        Assert.Equal("p", topology.Primary);
        Assert.Equal(["p", "middle", "leaf", "other", "gone"], topology.Nodes.Select(n => n.Node));
        Assert.Equal([0, 1, 2, 1, null], topology.Nodes.Select(n => n.Depth));
        Assert.Equal([null, "p", "middle", "p", null], topology.Nodes.Select(n => n.Upstream));
        Assert.Equal([null, "sync", "async", "potential", null], topology.Nodes.Select(n => n.SyncState));
        Assert.Equal([null, 100L, 300L, 100L, null], topology.Nodes.Select(n => n.LagBytes));
        Assert.Equal("catchup", topology.Nodes[3].State);
        Assert.Equal("3", topology.Nodes[1].Timeline);
    }

    [Fact]
    public void A_relay_in_between_is_seen_through_by_the_replicas_name_or_slot()
    {
        var cluster = Cluster(("p", "h1", 1), ("a", "h2", 2), ("b", "h3", 3));
        var primary = Primary("p", 1000, Line("a")) with { Slots = [new SlotObservation { Name = "slot_b", Type = "physical", Active = true, WalStatus = "reserved" }] };
        var topology = Build(cluster, primary, Replica("a", "127.0.0.1:9999"), Replica("b", "127.0.0.1:9998", slot: "slot_b"));
        Assert.Equal([null, "p", "p"], topology.Nodes.Select(n => n.Upstream));
        Assert.Equal(("slot_b", "reserved"), (topology.Nodes[2].Slot, topology.Nodes[2].SlotStatus));
    }

    [Fact]
    public void A_slot_is_that_of_a_replica_and_one_that_nobody_uses_says_so()
    {
        var cluster = Cluster(("p", "h1", 1), ("a", "h2", 2), ("b", "h3", 3));
        var primary = Primary("p", 1000, Line("a")) with { Slots = [new SlotObservation { Name = "a", Type = "physical", Active = false, WalStatus = "reserved" }, new SlotObservation { Name = "b", Type = "physical", Active = false, WalStatus = "lost" }] };
        // what it was set to use when it was a replica
        primary.Facts.Set(PostgreSqlFacts.ConfiguredSlot, "p");
        var topology = Build(cluster, primary, Replica("a", "h1:1", slot: "a"), Replica("b", "h1:1", streaming: false, slot: "b"));
        Assert.Equal([null, "a", "b"], topology.Nodes.Select(n => n.Slot));
        Assert.Equal([null, "inactive", "inactive, lost"], topology.Nodes.Select(n => n.SlotStatus));
    }

    [Fact]
    public void A_replica_that_does_not_stream_stands_under_what_it_is_set_to_follow()
    {
        var cluster = Cluster(("p", "h1", 1), ("a", "h2", 2));
        var topology = Build(cluster, Primary("p"), Replica("a", "", streaming: false, facts: f =>
        {
            f.Set(PostgreSqlFacts.ConfiguredHost, "h1");
            f.Set(PostgreSqlFacts.ConfiguredPort, 1L);
            f.Set(PostgreSqlFacts.ReplayPaused, true);
        }));
        Assert.Equal(("p", "not streaming", true), (topology.Nodes[1].Upstream, topology.Nodes[1].State, topology.Nodes[1].Paused));
    }

    [Fact]
    public void A_ring_ends_and_two_primaries_are_none()
    {
        var cluster = Cluster(("a", "h1", 1), ("b", "h2", 2), ("x", "h3", 3), ("y", "h4", 4));
        var topology = Build(cluster, Replica("a", "h2:2"), Replica("b", "h1:1"), Primary("x"), Primary("y"));
        Assert.Null(topology.Primary);
        Assert.Equal(4, topology.Nodes.Count);
        Assert.Equal(["x", "y", "a", "b"], topology.Nodes.Select(n => n.Node));
        Assert.Equal([0, 0, null, null], topology.Nodes.Select(n => n.Depth));
    }
}

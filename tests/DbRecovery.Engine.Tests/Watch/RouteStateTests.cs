using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

public sealed class RouteStateTests
{
    private static readonly TimeSpan MostAge = TimeSpan.FromSeconds(3);
    private readonly SetTime _time = new();

    private static RouteNode Node(string name, NodeRole role, bool answers = true, bool readOnly = false, long? lag = 0, double? seconds = 0) => new(name, answers, role, readOnly, lag, seconds, 0);

    private static RouteState State(params RouteNode[] nodes) => new("c", nodes, null);

    [Fact]
    public void The_primary_is_claimed_only_where_it_is_beyond_doubt()
    {
        var good = State(Node("a", NodeRole.Primary), Node("b", NodeRole.Replica));
        Assert.Equal(["a"], good.Primary(null, MostAge, _time).Nodes);
        Assert.True(good.Primary("a", MostAge, _time).Ok);
        Assert.False(good.Primary("b", MostAge, _time).Ok);
        // two that take writes, one that refuses them, one that is gone, a doubt of the rules
        Assert.False(State(Node("a", NodeRole.Primary), Node("b", NodeRole.Primary)).Primary("a", MostAge, _time).Ok);
        Assert.False(State(Node("a", NodeRole.Primary, readOnly: true)).Primary("a", MostAge, _time).Ok);
        Assert.False(State(Node("a", NodeRole.Primary, answers: false), Node("b", NodeRole.Replica)).Primary(null, MostAge, _time).Ok);
        Assert.False(new RouteState("c", [Node("a", NodeRole.Primary)], "two histories").Primary("a", MostAge, _time).Ok);
        // and none by a look that is too old, on the clock that cannot be set
        _time.Advance(MostAge + TimeSpan.FromMilliseconds(1));
        Assert.False(good.Primary("a", MostAge, _time).Ok);
        Assert.False(good.Replica("b", null, null, MostAge, _time).Ok);
    }

    [Theory]
    [InlineData(null, null, true)]
    [InlineData("topology.stale-primary", "a", false)] // a former primary that came back while the right one is away
    [InlineData("topology.split-brain", null, false)]
    [InlineData("pg.sysid-mismatch", "a", false)] // another cluster's
    [InlineData("pg.replica.lagging", "b", true)]
    public void A_primary_whose_right_is_in_doubt_is_none(string? fault, string? node, bool ok)
    {
        var cluster = WatchWorld.Cluster(nodes: ["a", "b"]);
        var servers = new FakeServers { Clock = _time };
        var report = new HealthReport
        {
            Cluster = "c", Engine = "fake", ObservedAt = _time.GetUtcNow(), Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Status = HealthStatus.Healthy, Nodes = [], Checks = [], Definition = cluster,
            Observations = [servers.Seen("a", NodeRole.Primary), servers.Seen("b", NodeRole.Replica)],
            Faults = fault is null ? [] : [new Fault { Id = fault, Severity = FaultSeverity.DataAtRisk, Confidence = FaultConfidence.Likely, Cluster = "c", Engine = "fake", Node = node, Summary = fault, DetectedAt = _time.GetUtcNow(), Evidence = [] }],
        };
        Assert.Equal(ok, RouteState.Of(report, [0, 0]).Primary(null, MostAge, _time).Ok);
    }

    [Fact]
    public void A_replica_keeps_the_bound_that_was_asked_for()
    {
        var state = State(Node("a", NodeRole.Primary), Node("b", NodeRole.Replica, lag: 2000, seconds: 4), Node("d", NodeRole.Replica, lag: null, seconds: null));
        Assert.Equal(["b", "d"], state.Replica(null, null, null, MostAge, _time).Nodes);
        Assert.Equal(["b"], state.Replica(null, 2000, null, MostAge, _time).Nodes);
        Assert.False(state.Replica("b", 1999, null, MostAge, _time).Ok);
        Assert.True(state.Replica("b", null, 4, MostAge, _time).Ok);
        Assert.False(state.Replica("b", null, 3.9, MostAge, _time).Ok);
        // an unknown lag keeps no bound
        Assert.False(state.Replica("d", long.MaxValue, null, MostAge, _time).Ok);
        Assert.False(state.Replica("a", null, null, MostAge, _time).Ok);
    }
}

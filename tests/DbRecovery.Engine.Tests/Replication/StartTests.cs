using DbRecovery.Engine.Actions;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Whether a node that may have been fenced is let go when it is started.</summary>
public sealed class StartTests
{
    private readonly IInstanceControl _control = Substitute.For<IInstanceControl>();
    private readonly INodeObserver _observer = Substitute.For<INodeObserver>();

    [Theory]
    [InlineData("replica replica", "n9", true, false)]
    [InlineData("primary replica", "n9", false, true)]
    [InlineData("primary replica", "n0", false, true)]
    [InlineData("replica silent", "n9", false, false)] // it may have taken the node's place
    [InlineData("replica silent", "n1", false, true)] // it did: a former primary would be a second one
    [InlineData("replica replica", null, false, true)] // nobody knows
    public Task A_node_is_let_go_only_where_every_other_one_is_seen_to_be_no_primary_and_only_the_primary_starts_as_one(string others, string? primary, bool letGo, bool asReplica) =>
        StartsAsync(others, primary, null, letGo, asReplica);

    [Theory]
    [InlineData("n0", false, true)] // it may become primary at any moment
    [InlineData("n9", true, false)]
    public Task Beside_one_that_was_asked_to_become_primary_and_may_still_none_starts_as_a_primary(string asked, bool letGo, bool asReplica) => StartsAsync("replica replica", "n9", asked, letGo, asReplica);

    private async Task StartsAsync(string others, string? primary, string? asked, bool letGo, bool asReplica)
    {
        var seen = others.Split(' ').Select((what, i) => new NodeObservation
        {
            Node = $"n{i}", ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick,
            Reachability = what == "silent" ? Reachability.TimedOut : Reachability.Reachable, Role = what == "primary" ? NodeRole.Primary : NodeRole.Replica,
        }).ToDictionary(o => o.Node);
        _observer.ObserveAsync(Arg.Any<ObservationRequest>(), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>()).Returns(call => seen[call.Arg<ObservationRequest>().Node.Name]);
        _control.UnavailableBecause(default!, default!).ReturnsForAnyArgs((string?)null);
        _control.Start(default!, default!).ReturnsForAnyArgs(new NodeOperation([], (_, _, _) => Task.FromResult(new OperationOutcome("it runs"))));
        var context = new GivenProvider(_control, _observer).Context("n0", "n1", "n9");
        context = context with
        {
            AskedPromotions = () => asked is null ? [] : [new AskedPromotion("i0", asked, 1)],
            Seen = new HealthReport
            {
                Cluster = "c", Engine = "fake", ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Status = HealthStatus.Failed,
                Nodes = [], Checks = [], Faults = [], Observations = [.. seen.Values], Definition = context.Cluster,
                LastPrimary = primary is null ? null : new LastPrimary { Node = primary, At = DateTimeOffset.UnixEpoch },
            },
        };
        var plan = await new StartAction().PlanAsync(context, new StartOptions { Node = "n9" }, default);
        await new StartAction().ExecuteAsync(context, plan, default);
        _control.Received(2).Start(Arg.Any<ClusterDefinition>(), Arg.Is<NodeDefinition>(n => n.Name == "n9"), letGo, asReplica);
        Assert.Equal(2, _control.ReceivedCalls().Count(c => c.GetMethodInfo().Name == nameof(IInstanceControl.Start)));
    }

    [Fact]
    public async Task A_start_of_which_nothing_is_heard_is_an_outcome_that_other_steps_can_follow_from()
    {
        var clock = new SetTime();
        using var cluster = new FakeCluster { Clock = clock };
        cluster.On["start a"] = token => Task.Delay(Timeout.Infinite, token);
        var context = cluster.Context();
        var plan = await new StartAction().PlanAsync(context, new StartOptions { Node = "a", Optional = true }, default);
        var starting = new StartAction().ExecuteAsync(context, plan, default);
        await Wait.UntilAsync(() => cluster.Did.Contains("start a"), "the start");
        clock.Advance(context.Timeout * 0.96);
        Assert.False((await starting.WaitAsync(Wait.Limit)).Outputs["started"].AsBool());
    }
}

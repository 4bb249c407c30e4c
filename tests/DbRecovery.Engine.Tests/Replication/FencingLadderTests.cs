using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Replication;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>How surely a former primary is fenced: a row a situation of its machine and of its cluster.</summary>
public sealed class FencingLadderTests
{
    // what a primary waits for is believed for a minute only
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    [Theory]
    // control: what its machine says before and after it was killed; power; whether the best effort gets through; synchronous standbys in our hands
    [InlineData(3, 3, "stopped stopped", "", false, false)]
    [InlineData(3, 3, "running stopped", "", false, false)]
    [InlineData(3, 3, "running stopped", "power", true, true)] // what is enough before what is more
    [InlineData(3, 4, "running running", "power", false, false)] // not even a kill helps
    [InlineData(4, 4, "unknown unknown", "power", false, false)]
    [InlineData(2, 2, "unknown unknown", "", false, true)]
    [InlineData(4, 2, "unknown unknown", "broken", false, true)]
    [InlineData(1, 1, "unknown unknown", "", true, false)]
    [InlineData(1, 0, "unknown unknown", "", false, false)]
    [InlineData(4, 0, "unknown unknown", "broken", false, false)] // power that cannot be taken is no fence
    [InlineData(2, 2, "", "", false, true)]
    [InlineData(1, 1, "", "", true, false)]
    [InlineData(1, 0, "", "", false, false)]
    public async Task The_level_is_what_is_proved(int foreseen, int reached, string machine, string power, bool bestEffort, bool quorum)
    {
        var (context, done) = Situation(machine, power, bestEffort, quorum);
        var ladder = new FencingLadder(context, context.Cluster.Nodes[0]);
        Assert.Equal(foreseen, (await ladder.ForecastAsync(default)).Level);
        Assert.Empty(done);
        Assert.Equal(reached, (await ladder.ClimbAsync(default)).Level);
        // sessions and reads are touched only where nothing better was had, and power only where nothing less was
        Assert.Equal(reached < FenceLevel.Stopped, done.Contains("read-only"));
        Assert.Equal(power.Length > 0 && reached != FenceLevel.Stopped, done.Contains("power"));
    }

    [Theory]
    [InlineData(true, "a b")]
    [InlineData(false, "a")] // the other one may give it the acknowledgement
    [InlineData(false, "")]
    public async Task A_quorum_denies_only_where_enough_of_its_standbys_are_in_our_hands(bool denies, string answering)
    {
        var (context, _) = Situation("", "", bestEffort: false, quorum: true, answering);
        Assert.Equal(denies, (await new FencingLadder(context, context.Cluster.Nodes[0]).ClimbAsync(default)).Level == FenceLevel.Denied);
    }

    [Fact]
    public async Task A_machine_that_cannot_be_asked_in_time_is_not_asked_again()
    {
        var (context, done) = Situation("unknown unknown", "", bestEffort: true, quorum: false, hold: "hangs");
        Assert.Equal(FenceLevel.BestEffort, (await new FencingLadder(context, context.Cluster.Nodes[0]).ClimbAsync(default)).Level);
        Assert.DoesNotContain("kill", done);
    }

    [Fact]
    public async Task One_that_is_down_and_may_start_again_is_told()
    {
        var (context, done) = Situation("running stopped", "", bestEffort: true, quorum: false, hold: "fails");
        var reached = await new FencingLadder(context, context.Cluster.Nodes[0]).ClimbAsync(default);
        Assert.Equal((FenceLevel.Stopped, "kill"), (reached.Level, Assert.Single(done)));
        Assert.Contains("could not be kept from starting (no space", reached.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_fails_at_the_same_moment_is_all_told()
    {
        var (context, _) = Situation("unknown unknown", "", bestEffort: false, quorum: true, hold: "hangs");
        var clock = new SetTime();
        // what the primary waited for is too old to be believed by the time that both have failed: they are what is told
        var (came, both) = (0, new TaskCompletionSource());
        NodeOperation Fails(string how) => new([], async (_, _, _) =>
        {
            var now = both;
            if (Interlocked.Increment(ref came) == 2)
            {
                clock.Advance(TimeSpan.FromHours(1));
                now.SetResult();
            }
            await now.Task.WaitAsync(Wait.Limit, CancellationToken.None);
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, how);
        });
        Assert.True(context.Provider.TryGet<IInstanceControl>(out var control));
        Assert.True(context.Provider.TryGet<IReplicationControl>(out var replication));
        control!.HoldDown(default!, default!).ReturnsForAnyArgs(Fails("no hold"));
        replication!.SetReadOnly(default!, default!, default).ReturnsForAnyArgs(Fails("no session"));
        for (var i = 0; i < 3000; i++)
        {
            // no thread waits: those of the pool may be few
            (came, both) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            var now = context with
            {
                Clock = clock, Seen = context.Seen! with { Observations = [.. context.Seen!.Observations, Silent("old")], LastPrimary = context.Seen.LastPrimary! with { SeenAt = clock.GetUtcNow() } },
            };
            var told = (await new FencingLadder(now, now.Cluster.Nodes[0]).ClimbAsync(default)).Summary;
            Assert.Contains("no hold", told, StringComparison.Ordinal);
            Assert.Contains("no session", told, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 2)] // where nothing else proves that it is harmless, what its machine says decides
    public async Task A_machine_that_said_nothing_is_asked_once_for_the_forecasts_of_a_moment(bool quorum, int asked)
    {
        var (context, _) = Situation("unknown unknown", "", bestEffort: true, quorum);
        var clock = new SetTime();
        context = context with
        {
            Clock = clock, Seen = context.Seen! with { Observations = [.. context.Seen!.Observations, Silent("old")], LastPrimary = context.Seen.LastPrimary! with { SeenAt = clock.GetUtcNow() } },
        };
        for (var i = 0; i < 2; i++)
            await new FencingLadder(context, context.Cluster.Nodes[0]).ForecastAsync(default);
        Assert.True(context.Provider.TryGet<IInstanceControl>(out var control));
        Assert.Equal(asked, control!.ReceivedCalls().Count(c => c.GetMethodInfo().Name == nameof(IInstanceControl.StatusAsync)));
    }

    private static NodeObservation Silent(string node) => new()
    {
        Node = node, ObservedAt = Now, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = Reachability.TimedOut, Role = NodeRole.Unknown,
    };

    private static (ActionContext Context, List<string> Done) Situation(string machine, string power, bool bestEffort, bool quorum, string answering = "a b", string hold = "")
    {
        var (done, states) = (new List<string>(), machine.Split(' '));
        NodeOperation Act(string name, bool works) => new([new PlannedAct(ActKind.Command, "old", name)], (_, _, _) =>
        {
            lock (done)
                done.Add(name);
            return works ? Task.FromResult(new OperationOutcome(name)) : throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"{name} fails");
        });
        var control = Substitute.For<IInstanceControl>();
        control.UnavailableBecause(default!, default!).ReturnsForAnyArgs(machine.Length > 0 ? null : "there is none");
        control.StatusAsync(default!, default!, default, default).ReturnsForAnyArgs(_ => new InstanceStatus(states[done.Contains("kill") ? 1 : 0] switch
        {
            "stopped" => InstanceState.Stopped, "running" => InstanceState.Running, _ => InstanceState.Unknown,
        }, "as it says"));
        control.HoldDown(default!, default!).ReturnsForAnyArgs(hold.Length == 0 ? null
            : new NodeOperation([], (_, _, _) => throw (hold == "hangs"
                ? new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, "no answer") : new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "no space is left"))));
        control.Kill(default!, default!).ReturnsForAnyArgs(Act("kill", works: true));
        control.PowerOff(default!, default!).ReturnsForAnyArgs(power.Length == 0 ? null : Act("power", power != "broken"));
        var replication = Substitute.For<IReplicationControl>();
        replication.SetReadOnly(default!, default!, default).ReturnsForAnyArgs(Act("read-only", bestEffort));
        var context = new GivenProvider(control, replication).Context("old", "a", "b");
        return (context with { Timeout = TimeSpan.FromSeconds(10), Acting = true, Seen = Seen(context.Cluster, quorum, answering) }, done);
    }

    private static HealthReport Seen(ClusterDefinition cluster, bool quorum, string answering) => new()
    {
        Cluster = cluster.Name, Engine = cluster.Engine, ObservedAt = Now, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Nodes = [], Checks = [], Faults = [], Routes = [],
        Status = HealthStatus.Failed, Definition = cluster,
        Observations = [.. answering.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => new NodeObservation
        {
            Node = n, ObservedAt = Now, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = Reachability.Reachable, Role = NodeRole.Replica, SystemId = "s",
            Upstream = new UpstreamObservation { Address = "old:1", Streaming = true, Received = new LogPosition("lsn", "0/1", "1", 1) },
        })],
        LastPrimary = new LastPrimary { Node = "old", SystemId = "s", At = Now, SeenAt = Now, Synchronous = quorum ? ["a", "b"] : [], SynchronousRequired = quorum ? 1 : 0 },
    };
}

using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Watch;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Watch;

public sealed class RecoveryDriverTests
{
    private const string Id = "node.process-down";
    private static readonly Runbook s_runbook = new() { Name = "r", Version = "1", Description = "", Path = "", ContentHash = "", Match = null!, Steps = [] };
    private readonly IIncidentService _incidents = Substitute.For<IIncidentService>();
    private readonly IRunbookLibrary _runbooks = Substitute.For<IRunbookLibrary>();

    private WatchWorld World(bool autoRecover = true, bool answered = true)
    {
        _runbooks.Match(Arg.Any<Fault>()).Returns(answered ? [s_runbook] : []);
        _incidents.List(Arg.Any<string?>()).Returns([]);
        var world = new WatchWorld
        {
            Incidents = _incidents, Runbooks = _runbooks,
            Rule = round => round.Nodes.Where(n => n.Reachability == Reachability.Absent).Select(n => WatchWorld.FaultOf(round, Id, n.Node)),
        };
        world.Clusters.Add(WatchWorld.Cluster(autoRecover: autoRecover));
        world.Servers.Set("n1", NodeRole.Primary);
        world.Servers.Set("n2", NodeRole.Replica);
        return world;
    }

    private static IncidentReport Report(IncidentState state, Fault? fault = null, int lines = 3, string id = "i1") => new()
    {
        Id = id, Cluster = "c", Engine = "fake", State = state, Runbook = "r", RunbookVersion = "1", Epoch = 1, StartedAt = DateTimeOffset.UnixEpoch, Steps = [], Summary = $"it is {state}", JournalPath = "",
        ApprovalReasons = ["data would be lost"], Timeline = [.. Enumerable.Range(0, lines).Select(i => new TimelineEntry(DateTimeOffset.UnixEpoch, state, null, $"{i}"))],
        Fault = fault ?? new Fault { Id = Id, Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Certain, Cluster = "c", Engine = "fake", Node = "n1", Summary = "", DetectedAt = DateTimeOffset.UnixEpoch, Evidence = [] },
    };

    private int Recoveries => _incidents.ReceivedCalls().Count(c => c.GetMethodInfo().Name == nameof(IIncidentService.RecoverAsync));

    private void Gives(Func<Task<IncidentReport>> report) =>
        _incidents.RecoverAsync(Arg.Any<RecoverRequest>(), Arg.Any<IProgress<TimelineEntry>?>(), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>()).Returns(_ => report());

    private static List<WatchEvent> NotActed(WatchWorld world) => [.. world.Events.Where(e => e.Kind == WatchEventKind.NotActed)];

    /// <summary>The one word of why nothing is done: a recovery under way tells it when it is there.</summary>
    private static async Task<WatchEvent> OneNotActedAsync(WatchWorld world)
    {
        await Wait.UntilAsync(() => NotActed(world).Count > 0, "the word of it");
        return Assert.Single(NotActed(world));
    }

    private static async Task BreakAsync(WatchWorld world)
    {
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        world.Servers.Set("n1", NodeRole.Primary, Reachability.Absent);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised), "the fault");
    }

    [Fact]
    public async Task One_incident_at_a_time_and_its_transitions_are_told()
    {
        await using var world = World();
        var running = new TaskCompletionSource<IncidentReport>();
        IProgress<TimelineEntry>? timeline = null;
        RecoverRequest? asked = null;
        _incidents.RecoverAsync(Arg.Do<RecoverRequest>(r => asked = r), Arg.Do<IProgress<TimelineEntry>?>(t => timeline = t), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>()).Returns(running.Task);
        await BreakAsync(world);
        await world.UntilAsync(() => timeline is not null, "the recovery");
        timeline!.Report(new TimelineEntry(DateTimeOffset.UnixEpoch, IncidentState.Suspected, null, "opened") { Incident = "i1" });
        timeline.Report(new TimelineEntry(DateTimeOffset.UnixEpoch, IncidentState.Executing, null, "begun") { Incident = "i1" });
        world.Servers.Set("n2", NodeRole.Replica, Reachability.Absent);
        await world.PassAsync(TimeSpan.FromSeconds(30), TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, Recoveries);
        Assert.Equal(ObservationLevel.Quick, asked!.Level);
        Assert.Equal(["Suspected", "Executing"], world.Events.Where(e => e.Kind == WatchEventKind.Incident).Select(e => e.To));
        Assert.All(world.Events.Where(e => e.Kind == WatchEventKind.Incident), e => Assert.Equal("i1", e.Incident));
        world.Servers.Set("n1", NodeRole.Primary);
        running.SetResult(Report(IncidentState.Probation));
        // the other node's fault has its turn then
        await world.UntilAsync(() => Volatile.Read(ref asked)!.Fault.Node == "n2", "the second recovery", TimeSpan.FromMilliseconds(100));
        Assert.Equal(2, Recoveries);
    }

    [Theory]
    [InlineData(FaultSeverity.Degraded, FaultSeverity.Outage, true)]
    [InlineData(FaultSeverity.Outage, FaultSeverity.Outage, false)]
    [InlineData(FaultSeverity.Outage, FaultSeverity.DataAtRisk, true)]
    public async Task A_graver_fault_does_not_wait_for_the_incident_of_a_lesser_one(FaultSeverity first, FaultSeverity second, bool waitsNot)
    {
        await using var world = World();
        world.Rule = round => round.Nodes.Where(n => n.Reachability == Reachability.Absent).Select(n => WatchWorld.FaultOf(round, Id, n.Node, n.Node == "n1" ? first : second));
        var running = new TaskCompletionSource<IncidentReport>();
        Gives(() => running.Task);
        await BreakAsync(world);
        await world.UntilAsync(() => Recoveries == 1, "the recovery");
        world.Servers.Set("n2", NodeRole.Replica, Reachability.Absent);
        await world.PassAsync(TimeSpan.FromSeconds(9), TimeSpan.FromMilliseconds(100));
        // what looks like two primaries while one takes over from another has to last
        await AreAsync(waitsNot && first > FaultSeverity.Outage ? 2 : 1);
        await world.PassAsync(TimeSpan.FromSeconds(60), TimeSpan.FromMilliseconds(100));
        await AreAsync(waitsNot ? 2 : 1);
        running.SetResult(Report(IncidentState.Probation));

        async Task AreAsync(int recoveries)
        {
            // a recovery that was decided on begins on a thread of its own: no time passes meanwhile
            await Wait.UntilAsync(() => Recoveries >= recoveries, "the recoveries");
            Assert.Equal(recoveries, Recoveries);
        }
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Why_nothing_is_done_is_told_once(bool autoRecover, bool answered)
    {
        await using var world = World(autoRecover, answered);
        await BreakAsync(world);
        await world.PassAsync(TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(500));
        Assert.Equal(0, Recoveries);
        await OneNotActedAsync(world);
    }

    [Fact]
    public async Task A_suppressed_recovery_is_told_once_and_tried_again_ever_more_seldom()
    {
        await using var world = World();
        Gives(() => Task.FromResult(Report(IncidentState.Suppressed)));
        await BreakAsync(world);
        await world.PassAsync(TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(500));
        Assert.InRange(Recoveries, 2, 30);
        await OneNotActedAsync(world);
    }

    [Fact]
    public async Task What_cannot_even_be_begun_is_told_and_does_not_end_the_watch()
    {
        await using var world = World();
        Gives(() => throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.Failed, "the disk of the state folder is full"));
        await BreakAsync(world);
        await world.UntilAsync(() => Recoveries > 2, "further attempts", TimeSpan.FromMilliseconds(100));
        Assert.Contains("full", (await OneNotActedAsync(world)).Summary, StringComparison.Ordinal);
        Gives(() => Task.FromResult(Report(IncidentState.Probation)));
        world.Servers.Set("n1", NodeRole.Primary);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultCleared), "the end");
    }

    [Fact]
    public async Task An_agreement_is_waited_for_without_taking_the_incident_and_then_it_goes_on()
    {
        await using var world = World();
        var waiting = Report(IncidentState.AwaitingApproval);
        Gives(() => Task.FromResult(waiting));
        _incidents.Get("i1", "c").Returns(_ => waiting);
        await BreakAsync(world);
        await world.PassAsync(TimeSpan.FromMinutes(5), TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, Recoveries);
        await OneNotActedAsync(world);
        // somebody agreed: the journal has a line more
        waiting = Report(IncidentState.AwaitingApproval, lines: 4);
        await world.UntilAsync(() => Recoveries == 2, "its going on", TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task What_nobody_agreed_to_and_what_failed_is_left_to_people_for_a_while()
    {
        await using var world = World();
        Gives(() => Task.FromResult(Report(IncidentState.Failed)));
        await BreakAsync(world);
        await world.PassAsync(TimeSpan.FromMinutes(55), TimeSpan.FromMilliseconds(500));
        Assert.Contains("person", (await OneNotActedAsync(world)).Summary, StringComparison.Ordinal);
        Assert.Equal(1, Recoveries);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_killed_process_left_is_gone_on_with_where_the_policy_allows(bool autoRecover)
    {
        await using var world = World(autoRecover);
        _incidents.List("c").Returns([Report(IncidentState.Resolved, id: "old"), Report(IncidentState.Executing, id: "left"), Report(IncidentState.AwaitingApproval, id: "waits")]);
        _incidents.ResumeAsync(Arg.Any<string>(), Arg.Any<ClusterDefinition>(), Arg.Any<IProgress<TimelineEntry>?>(), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>())
            .Returns(Task.FromResult(Report(IncidentState.Probation, id: "left")));
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        var resumed = () => _incidents.ReceivedCalls().Where(c => c.GetMethodInfo().Name == nameof(IIncidentService.ResumeAsync)).Select(c => c.GetArguments()[0]).ToList();
        if (autoRecover)
            await world.UntilAsync(() => resumed().Count == 1, "the resumption");
        else
            await world.UntilAsync(() => NotActed(world).Count == 1, "the word of it");
        Assert.Equal(autoRecover ? ["left"] : [], resumed());
    }

    [Fact]
    public async Task A_stop_waits_until_the_recovery_is_at_a_safe_point()
    {
        var world = World();
        var atSafePoint = new TaskCompletionSource<IncidentReport>();
        var cancelled = false;
        _incidents.RecoverAsync(Arg.Any<RecoverRequest>(), Arg.Any<IProgress<TimelineEntry>?>(), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>()).Returns(call =>
        {
            call.ArgAt<CancellationToken>(3).Register(() => cancelled = true);
            return atSafePoint.Task;
        });
        await BreakAsync(world);
        await world.UntilAsync(() => Recoveries == 1, "the recovery");
        var stopping = world.StopAsync();
        await Wait.UntilAsync(() => cancelled, "the cancellation");
        Assert.False(stopping.IsCompleted);
        atSafePoint.SetResult(Report(IncidentState.Executing));
        await stopping;
    }
}

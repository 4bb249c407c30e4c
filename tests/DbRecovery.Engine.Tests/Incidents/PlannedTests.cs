using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Replication;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Incidents;

/// <summary>Operations that people ask for: what is done is what was asked for last, and what was cancelled stays so.</summary>
public sealed class PlannedTests : IDisposable
{
    private readonly World _world = new();
    private readonly ScriptedAction _first = new("first"), _second = new("second");

    public PlannedTests()
    {
        _world.ExtraActions = [_first, _second];
        _world.Runbook = World.CorruptRunbook() with
        {
            Guards = [], Verify = [], Escalate = [], Steps = [World.Step("first", "first"), World.Step("second", "second")],
            Parameters = [new RunbookParameter(new(1, 1), "to", OptionType.String, "", [], null)],
        };
    }

    public void Dispose() => _world.Dispose();

    private Task<IncidentReport> AskAsync(string to, CancellationToken token = default) => _world.Service().RecoverAsync(_world.Request() with
    {
        Fault = PlannedOperations.Request(PlannedOperations.Switchover, _world.Cluster, "n1", "tester", _world.Clock.GetUtcNow()), Parameters = new Dictionary<string, string> { ["to"] = to },
    }, null, null, token);

    [Theory]
    [InlineData("b", true)]
    [InlineData("c", false)]
    public async Task What_was_asked_for_before_and_not_begun_gives_way_to_what_is_asked_for_now(string to, bool same)
    {
        _second.Because = () => "nobody knows";
        var waiting = await AskAsync("b");
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);
        var now = await AskAsync(to);
        Assert.Equal(IncidentState.AwaitingApproval, now.State);
        Assert.Equal(same, now.Id == waiting.Id);
        Assert.Equal(same ? IncidentState.AwaitingApproval : IncidentState.Superseded, _world.Service().Get(waiting.Id).State);
    }

    [Theory]
    [InlineData("b", IncidentState.Resolved)]
    [InlineData("c", IncidentState.Suppressed)] // it is half done, and comes to its end first
    public async Task Nothing_else_is_gone_on_with_than_what_is_asked_for(string to, IncidentState expected)
    {
        _second.Doing = _ => throw new Died();
        _world.Observer.OnWritten = kind => _ = kind == JournalKind.StepIntent && _first.Done.Count == 1 ? throw new Died() : 0;
        await Assert.ThrowsAsync<Died>(() => AskAsync("b"));
        (_world.Observer, _second.Doing) = (new Observer(), _ => Task.CompletedTask);
        Assert.Equal(expected, (await AskAsync(to)).State);
        Assert.Equal(expected == IncidentState.Resolved ? 1 : 0, _second.Done.Count);
    }

    [Theory]
    [InlineData(1, true, IncidentState.Cancelled)]
    [InlineData(1, false, IncidentState.Executing)] // what it left is there
    [InlineData(2, true, IncidentState.Executing)] // half of it is done: somebody goes on, or closes it
    public async Task What_is_cancelled_before_it_did_anything_is_over(int step, bool cleansUp, IncidentState expected)
    {
        using var cancel = new CancellationTokenSource();
        (_first.CleansUp, _second.CleansUp) = (cleansUp, cleansUp);
        (step == 1 ? _first : _second).Doing = async token =>
        {
            await cancel.CancelAsync();
            await Task.Delay(Timeout.Infinite, token);
        };
        Assert.Equal(expected, (await AskAsync("b", cancel.Token)).State);
    }

    [Fact]
    public async Task What_may_still_come_to_pass_is_not_over_because_somebody_cancelled_it()
    {
        using var cancel = new CancellationTokenSource();
        (_first.Marks, _first.CleansUp) = (true, true);
        _first.Doing = async token =>
        {
            await cancel.CancelAsync();
            await Task.Delay(Timeout.Infinite, token);
        };
        Assert.Equal(IncidentState.Executing, (await AskAsync("b", cancel.Token)).State);
    }

    [Fact]
    public async Task A_write_through_a_route_uses_the_name_that_the_database_has_there()
    {
        using var cluster = new FakeCluster();
        (cluster["b"].Role, cluster.Last) = (NodeRole.Primary, cluster.Last! with { Node = "b" });
        cluster.Cluster = cluster.Cluster with { Routes = [new RouteDefinition { Kind = RouteKind.PgBouncer, Database = "orders", Entry = "pooler:6432" }] };
        cluster.Writing = (through, host) => host == "b" || through.Auth?.Database == "orders" ? "b" : throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, "no such database");
        _world.Runbook = _world.Runbook with
        {
            Steps = [World.Step("first", "first")],
            Verify = [new RunbookCheck { At = new(1, 1), Check = VerifyChecks.Writable, With = new Dictionary<string, RunbookValue> { ["via"] = World.Text("route") }, Within = TimeSpan.FromMilliseconds(50) }],
        };
        var report = await AskAsync(cluster, _first, default);
        Assert.Equal((IncidentState.Resolved, true), (report.State, Assert.Single(report.Verification).Passed));
    }

    [Fact]
    public async Task A_switchover_that_is_cancelled_has_the_time_to_open_the_old_primary_again()
    {
        var clock = new SetTime();
        using var cluster = new FakeCluster { Clock = clock };
        using var cancel = new CancellationTokenSource();
        (cluster["a"].Reachability, cluster["a"].Instance, cluster["b"].Streams, cluster["c"].Streams) = (Reachability.Reachable, InstanceState.Running, "a", "a");
        // a server with much to write takes its time to stop, whoever waits for it
        cluster.On["stop a"] = async token =>
        {
            cluster["a"].Reachability = Reachability.Refusing;
            await cancel.CancelAsync();
            token.ThrowIfCancellationRequested();
            await Task.Delay(TimeSpan.FromSeconds(50), clock, CancellationToken.None);
        };
        _world.Runbook = _world.Runbook with { Parameters = [], Steps = [World.Step("change", "switchover") with { Timeout = World.Text("10m") }] };
        var asking = Task.Run(() => AskAsync(cluster, new SwitchoverAction(), cancel.Token));
        await Wait.UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            return asking.IsCompleted;
        }, "the end of the switchover");
        Assert.Equal(IncidentState.Failed, (await asking).State);
        Assert.Equal(["stop a", "stop a", "start a"], cluster.Did.Where(d => d is "stop a" or "start a"));
    }

    private Task<IncidentReport> AskAsync(FakeCluster cluster, RecoveryAction action, CancellationToken token)
    {
        var health = Substitute.For<IHealthService>();
        health.WithBackups(default).ReturnsForAnyArgs(health);
        health.ExamineAsync(default!, default, default, default).ReturnsForAnyArgs(_ => cluster.Report());
        return new IncidentService(new IncidentServices
        {
            StateFolder = _world.State, Provider = _ => cluster, Backups = Substitute.For<IBackupService>(), Repository = _ => null, Health = health, Runbooks = _world, Secrets = _world,
            Actions = new ActionCatalogue([action]), PollInterval = TimeSpan.FromMilliseconds(5), Clock = cluster.Clock,
        }).RecoverAsync(new RecoverRequest
        {
            Cluster = cluster.Cluster, Fault = PlannedOperations.Request(PlannedOperations.Switchover, cluster.Cluster, "a", "tester", cluster.Clock.GetUtcNow()), RequestedBy = "tester",
        }, null, null, token);
    }
}

using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Replication;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Incidents;

/// <summary>A repository that never answers, and the incidents of a cluster that backs up to it.</summary>
public sealed class HungRepositoryTests : IDisposable
{
    private readonly FakeCluster _servers = new();
    private readonly IBackupService _backups = Substitute.For<IBackupService>();
    private readonly TaskCompletionSource<IReadOnlyList<BackupInfo>> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ScriptedAction _mend = new("mend");
    private readonly SetTime _time = new();
    private readonly ClusterDefinition _cluster;
    private readonly HealthService _health;

    public HungRepositoryTests()
    {
        _backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(_ => _answer.Task);
        _cluster = _servers.Cluster = _servers.Cluster with { Engine = "postgresql", Backups = new BackupSettings { Repository = "main" } };
        _mend.Doing = _ =>
        {
            _servers["a"].Reachability = Reachability.Reachable;
            return Task.CompletedTask;
        };
        _health = new HealthService(new HealthServiceOptions
        {
            Providers = _ => _servers, Backups = _backups, RepositoryOf = Repository, Clock = _time, RepositoryTimeout = Wait.Limit, QuickRepositoryTimeout = Wait.Limit, NodeTimeout = Wait.Limit,
        });
    }

    public void Dispose() => _servers.Dispose();

    private static RepositoryDefinition Repository(ClusterDefinition cluster) => new() { Name = "main", Path = Path.GetTempPath() };

    private IncidentService Service() => new(new IncidentServices
    {
        StateFolder = Path.Combine(_servers.Folder, "state"), Provider = _ => _servers, Backups = _backups, Repository = Repository, Health = _health, Runbooks = Substitute.For<IRunbookLibrary>(),
        Actions = new ActionCatalogue([_mend]), Secrets = Substitute.For<ISecretResolver>(), Clock = _time,
    });

    private async Task<RecoverRequest> RequestAsync(params Condition[] guards)
    {
        var seen = await _health.WithBackups(needed: false).ExamineAsync(_cluster, ObservationLevel.Quick, null, default).WaitAsync(Wait.Limit);
        return new RecoverRequest
        {
            Cluster = _cluster, Fault = seen.Faults[0], Level = ObservationLevel.Quick, RequestedBy = "tester",
            Runbook = World.CorruptRunbook() with
            {
                Guards = guards, Steps = [World.Step("mend", "mend")], Escalate = [],
                Verify = [new RunbookCheck { At = new(1, 1), Check = VerifyChecks.FaultGone }, new RunbookCheck { At = new(1, 1), Check = VerifyChecks.Healthy }],
            },
        };
    }

    [Theory]
    [InlineData(ObservationLevel.Quick)]
    [InlineData(ObservationLevel.Standard)]
    public async Task What_decides_nothing_by_backups_is_planned_carried_out_and_verified_without_them(ObservationLevel level)
    {
        var request = await RequestAsync() with { Level = level };
        // no time passes: whatever waited for the repository would wait for ever
        Assert.Empty((await Service().PlanAsync(request, default).WaitAsync(Wait.Limit)).Blocked);
        var report = await Service().RecoverAsync(request, null, null, default).WaitAsync(Wait.Limit);
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Single(_mend.Done);
        Assert.Empty(_backups.ReceivedCalls());
    }

    [Fact]
    public async Task What_decides_by_backups_waits_until_the_repository_answers()
    {
        var request = await RequestAsync(new FactCondition(new(1, 1), CommonFacts.BackupCount.Name, Comparison.AtLeast, World.Text("0")));
        var planning = Service().PlanAsync(request, default);
        await Wait.UntilAsync(() => _backups.ReceivedCalls().Any(), "the look at the repository");
        _answer.SetResult([]);
        Assert.Empty((await planning.WaitAsync(Wait.Limit)).Blocked);
    }

    [Fact]
    public void What_is_wrong_with_a_file_is_told_by_its_backups_whatever_the_runbook_asks_for()
    {
        using var world = new World();
        var health = Substitute.For<IHealthService>();
        // the look after an approval must find the same fault with the same details
        var services = new IncidentServices
        {
            StateFolder = world.State, Provider = _ => world, Backups = _backups, Repository = Repository, Health = health, Runbooks = world, Actions = new ActionCatalogue([_mend]), Secrets = world,
        };
        services.For(world.Fault(), World.CorruptRunbook() with { Guards = [new FactCondition(new(1, 1), "fault.provedBackups", Comparison.Is, World.Text("0"))] });
        health.Received(1).WithBackups(true);
        health.DidNotReceive().WithBackups(false);
    }

    [Fact]
    public async Task What_the_nodes_say_is_not_old_because_the_repository_was_waited_for()
    {
        _servers["a"].Reachability = Reachability.Reachable;
        // the epoch is read once the nodes were looked at
        _servers.ReadingEpoch = () => _time.Advance(Wait.Limit);
        var examination = _health.ExamineAsync(_cluster, ObservationLevel.Quick, null, default);
        var report = await examination.WaitAsync(Wait.Limit);
        Assert.Equal(2, report.Observations.Single(o => o.Node == "a").Facts.Int(ReplicationFacts.PeersFresh));
    }

    [Fact]
    public async Task A_repository_that_does_not_answer_in_time_is_unknown_and_not_empty()
    {
        var request = await RequestAsync(new FactCondition(new(1, 1), CommonFacts.BackupCount.Name, Comparison.AtLeast, World.Text("0")));
        var planning = Service().PlanAsync(request, default);
        await Wait.UntilAsync(() => _backups.ReceivedCalls().Any() && _time.Waiting > 0, "the look at the repository");
        _time.Advance(Wait.Limit);
        Assert.NotEmpty((await planning.WaitAsync(Wait.Limit)).Blocked);
    }
}

using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Tests.Faults;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Health;

public sealed class HealthServiceTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), "dbr-health-" + Guid.NewGuid().ToString("N"));
    private readonly FakeProvider _provider = new();
    private string _repository = Path.GetTempPath();
    private int _waits;

    public void Dispose()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, true);
    }

    private HealthService Service(IBackupService? backups = null, bool readOnly = false, TimeProvider? time = null) => new(new HealthServiceOptions
    {
        Providers = _ => _provider, Backups = backups, StateFolder = Path.Combine(_folder, "state"), ReadOnly = readOnly,
        RepositoryOf = c =>
        {
            Interlocked.Increment(ref _waits);
            return c.Backups is null ? null : new RepositoryDefinition { Name = "main", Path = _repository };
        },
        NodeTimeout = Wait.Limit, RepositoryTimeout = Wait.Limit, Grace = TimeSpan.Zero, Clock = time ?? TimeProvider.System,
    });

    private static Task<HealthReport> Examine(HealthService service, ClusterDefinition? cluster = null) =>
        service.ExamineAsync(cluster ?? Situations.Cluster(), ObservationLevel.Standard, null, CancellationToken.None);

    [Fact]
    public async Task A_baseline_stands_after_ten_probes_and_survives_damage_to_its_file()
    {
        for (var i = 0; i < 10; i++)
            Assert.Null((await Examine(Service())).Observations[0].Facts.Number(CommonFacts.ProbeBaseline));
        Assert.Equal(0.001, (await Examine(Service())).Observations[0].Facts.Number(CommonFacts.ProbeBaseline));
        foreach (var file in Directory.GetFiles(_folder, "*", SearchOption.AllDirectories))
            File.WriteAllText(file, "{ broken");
        var report = await Examine(Service());
        Assert.Null(report.Observations[0].Facts.Number(CommonFacts.ProbeBaseline));
        Assert.Equal(HealthStatus.Healthy, report.Status);
    }

    [Fact]
    public async Task Read_only_writes_nothing()
    {
        await Examine(Service(readOnly: true));
        await Examine(Service().AsReadOnly());
        Assert.False(Directory.Exists(_folder));
    }

    [Fact]
    public async Task A_state_folder_that_cannot_be_written_is_no_fault()
    {
        Directory.CreateDirectory(_folder);
        File.WriteAllText(Path.Combine(_folder, "state"), "a file where the folder should be");
        Assert.Equal(HealthStatus.Healthy, (await Examine(Service())).Status);
    }

    [Fact]
    public async Task What_was_seen_once_is_remembered_when_it_is_gone()
    {
        await Examine(Service());
        _provider.Observe = _ => Task.FromResult(Situations.Healthy(f => f.Set(SqliteFacts.FileExists, false)));
        var fault = Assert.Single((await Examine(Service())).Faults);
        Assert.Equal(("sqlite.corrupt", "missing"), (fault.Id, fault.Details["damage"].AsText()));
    }

    [Fact]
    public async Task A_silent_node_is_unknown_and_its_neighbour_is_still_judged()
    {
        var cluster = Situations.Cluster() with { Nodes = [new NodeDefinition { Name = "n1", Path = "/a" }, new NodeDefinition { Name = "n2", Path = "/b" }] };
        var observed = false;
        _provider.Observe = request =>
        {
            if (request.Node.Name == "n2")
                Volatile.Write(ref observed, true);
            return request.Node.Name == "n1" ? new TaskCompletionSource<NodeObservation>().Task : Task.FromResult(Situations.Healthy() with { Node = "n2" });
        };
        var time = new SetTime();
        var examination = Examine(Service(time: time), cluster);
        await Wait.UntilAsync(() => Volatile.Read(ref observed) && time.Waiting == 1, "the neighbour");
        time.Advance(Wait.Limit);
        var report = await examination;
        Assert.Equal([HealthStatus.Unknown, HealthStatus.Healthy], report.Nodes.Select(n => n.Status));
        Assert.Equal(HealthStatus.Degraded, report.Status);
    }

    [Fact]
    public async Task A_broken_repository_is_a_check_and_not_a_crash()
    {
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs<Task<IReadOnlyList<BackupInfo>>>(_ => throw new DbRecoveryException(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, "x"));
        var report = await Examine(Service(backups), Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } });
        Assert.Equal(HealthStatus.Degraded, report.Status);
        Assert.Empty(report.Faults);
        Assert.Equal(CheckVerdict.Fail, Assert.Single(report.Checks, c => c.Name == "repository").Verdict);
    }

    [Fact]
    public async Task A_repository_that_hangs_is_unreadable_in_time()
    {
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(new TaskCompletionSource<IReadOnlyList<BackupInfo>>().Task);
        var time = new SetTime();
        var examination = Examine(Service(backups, time: time), Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } });
        await Wait.UntilAsync(() => time.Waiting == 2, "the repository");
        time.Advance(Wait.Limit);
        var report = await examination;
        Assert.Equal(HealthStatus.Degraded, report.Status);
        Assert.Equal(CheckVerdict.Fail, Assert.Single(report.Checks, c => c.Name == "repository").Verdict);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_quick_look_waits_for_a_repository_that_hangs_only_for_a_moment_and_not_again(bool embedded)
    {
        _provider.Embedded = embedded;
        var asked = 0;
        var answer = new TaskCompletionSource<IReadOnlyList<BackupInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(_ => Interlocked.Increment(ref asked) == 1 ? answer.Task : Task.FromResult<IReadOnlyList<BackupInfo>>([]));
        var time = new SetTime();
        var service = Service(backups, time: time);
        var cluster = Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } };
        var observed = false;
        _provider.Observe = _ => { Volatile.Write(ref observed, true); return Task.FromResult(Situations.Healthy()); };
        var first = Quick(service);
        // what is left is the time of the look at the repository, and of who waits for it: none for the node
        await Wait.UntilAsync(() => Volatile.Read(ref asked) == 1 && Volatile.Read(ref observed) && time.Waiting == 2, "the repository");
        time.Advance(new HealthServiceOptions { Providers = _ => _provider }.QuickRepositoryTimeout);
        // it may be slow and in order
        var told = await first.WaitAsync(Wait.Limit);
        Assert.Equal((CheckVerdict.Unknown, HealthStatus.Healthy), (RepositoryOf(told), told.Status));
        time.Advance(Wait.Limit);
        // no time passes any more: what hangs is known to hang, whoever asks, and nobody asks it anew
        foreach (var other in new[] { service, service.AsReadOnly(), service.InMemory().Sharing() })
            Assert.Equal(CheckVerdict.Fail, RepositoryOf(await Quick(other).WaitAsync(Wait.Limit)));
        Assert.Equal(1, asked);
        answer.SetResult([]);
        await Wait.UntilAsync(() => RepositoryOf(Quick(service).GetAwaiter().GetResult()) == CheckVerdict.Pass, "the repository that answers again");

        Task<HealthReport> Quick(HealthService of) => of.ExamineAsync(cluster, ObservationLevel.Quick, null, CancellationToken.None);
        static CheckVerdict RepositoryOf(HealthReport report) => Assert.Single(report.Checks, c => c.Name == "repository").Verdict;
    }

    [Theory]
    [InlineData(Reachability.Reachable)]
    [InlineData(Reachability.Absent)] // an outage is told without it
    public async Task A_server_is_looked_at_though_its_repository_hangs(Reachability reachability)
    {
        _provider.Embedded = false;
        var observed = false;
        _provider.Observe = _ => { Volatile.Write(ref observed, true); return Task.FromResult(Situations.Healthy() with { Reachability = reachability }); };
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(new TaskCompletionSource<IReadOnlyList<BackupInfo>>().Task);
        var time = new SetTime();
        var examination = Examine(Service(backups, time: time), Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } });
        // an outage is waited for anew, and not for as long: there are the two waits, and the look itself
        await Wait.UntilAsync(() => Volatile.Read(ref observed) && (reachability == Reachability.Reachable || (Volatile.Read(ref _waits) == 2 && time.Waiting == 3)), "the look at the server");
        Assert.False(examination.IsCompleted);
        time.Advance(reachability == Reachability.Reachable ? Wait.Limit : new HealthServiceOptions { Providers = _ => _provider }.QuickRepositoryTimeout);
        Assert.Equal(reachability == Reachability.Reachable ? CheckVerdict.Fail : CheckVerdict.Unknown, Assert.Single((await examination.WaitAsync(Wait.Limit)).Checks, c => c.Name == "repository").Verdict);
    }

    [Fact]
    public async Task A_replica_that_is_down_does_not_hide_what_is_wrong_with_the_backups()
    {
        _provider.Embedded = false;
        var observed = 0;
        _provider.Observe = request =>
        {
            Interlocked.Increment(ref observed);
            return Task.FromResult(request.Node.Name == "n1" ? Situations.Healthy() with { Node = "n1", Role = NodeRole.Primary } : Situations.Healthy() with { Node = "n2", Reachability = Reachability.Absent });
        };
        var answer = new TaskCompletionSource<IReadOnlyList<BackupInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(answer.Task);
        var time = new SetTime();
        var cluster = Situations.Cluster() with { Nodes = [new NodeDefinition { Name = "n1", Host = "a" }, new NodeDefinition { Name = "n2", Host = "b" }], Backups = new BackupSettings { Repository = "main" } };
        var examination = Examine(Service(backups, time: time), cluster);
        // the time of the look at the repository, and of who waits for it
        await Wait.UntilAsync(() => Volatile.Read(ref observed) == 2 && backups.ReceivedCalls().Any() && time.Waiting >= 2, "the looks");
        time.Advance(new HealthServiceOptions { Providers = _ => _provider }.QuickRepositoryTimeout);
        answer.SetResult([]);
        Assert.Contains((await examination.WaitAsync(Wait.Limit)).Faults, f => f.Id == "backup.stale");
    }

    [Fact]
    public async Task A_call_into_a_file_system_that_never_returns_blocks_one_thread_and_ends_no_look()
    {
        // a pipe that nobody writes to: to open it does not return, as on a network disk whose server is gone
        _repository = Directory.CreateDirectory(Path.Combine(_folder, "repository")).FullName;
        var pipe = Path.Combine(_repository, BackupRepository.HeaderKey);
        using (var make = System.Diagnostics.Process.Start("mkfifo", [pipe]))
            await make.WaitForExitAsync();
        var service = new HealthService(new HealthServiceOptions
        {
            Providers = _ => _provider, Backups = new BackupService(_ => _provider), RepositoryOf = _ => new RepositoryDefinition { Name = "main", Path = _repository },
            NodeTimeout = Wait.Limit, RepositoryTimeout = Wait.Limit, QuickRepositoryTimeout = TimeSpan.FromMilliseconds(100),
        });
        try
        {
            for (var i = 0; i < 5; i++)
            {
                var report = await service.ExamineAsync(Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } }, ObservationLevel.Quick, null, CancellationToken.None).WaitAsync(Wait.Limit);
                Assert.Equal(CheckVerdict.Unknown, Assert.Single(report.Checks, c => c.Name == "repository").Verdict);
                Assert.Equal(Reachability.Reachable, report.Observations[0].Reachability);
            }
        }
        finally
        {
            // who reads gets an end, and lets go; both are let in at once, and the one that wanted it alone (an flock of the runtime's) would sometimes fail
            using var end = await Task.Run(() => File.Open(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)).WaitAsync(Wait.Limit);
            File.Delete(pipe);
        }
    }

    [Fact]
    public async Task Clusters_that_share_a_repository_have_one_look_and_each_its_own_backups()
    {
        var answer = new TaskCompletionSource<IReadOnlyList<BackupInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(answer.Task);
        backups.OpenAsync(default!, default).ReturnsForAnyArgs(_ => Task.FromResult(Substitute.For<IBackupContent>()));
        var service = Service(backups);
        var own = Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } };
        var looks = new[] { own, own with { Name = "other" } }.Select(c => service.ExamineAsync(c, ObservationLevel.Quick, null, CancellationToken.None)).ToList();
        answer.SetResult([Situations.Backup(TimeSpan.Zero, true), Situations.Backup(TimeSpan.Zero, true) with { Cluster = "other" }, Situations.Backup(TimeSpan.FromHours(1), false)]);
        var reports = await Task.WhenAll(looks);
        await backups.ReceivedWithAnyArgs(1).ListAsync(default!, default!, default, default);
        Assert.Equal([2, 1], reports.Select(r => r.Observations[0].Facts.Int(CommonFacts.BackupCount)));
    }

    [Fact]
    public async Task A_repository_whose_folder_is_gone_is_not_an_empty_one()
    {
        _repository = Path.Combine(_folder, "not-mounted");
        var report = await Examine(Service(Substitute.For<IBackupService>()), Situations.Cluster() with { Backups = new BackupSettings { Repository = "main" } });
        var check = Assert.Single(report.Checks, c => c.Name == "repository");
        Assert.Equal(CheckVerdict.Fail, check.Verdict);
        Assert.Contains(_repository, check.Evidence, StringComparison.Ordinal);
        Assert.NotNull(report.Observations[0].Facts.Find(CommonFacts.BackupProvedCount.Name)!.UnknownBecause);
        Assert.Equal(("backup.stale", FaultConfidence.Possible), (Assert.Single(report.Faults).Id, report.Faults[0].Confidence));
    }

    [Fact]
    public async Task A_structure_check_that_could_not_be_made_is_not_a_passed_one()
    {
        _provider.Observe = _ => Task.FromResult(Situations.Healthy(f => f.SetUnknown(SqliteFacts.StructureErrorCount, "out of memory")));
        Assert.Equal(HealthStatus.Unknown, (await Examine(Service())).Status);
        Assert.Equal(HealthStatus.Healthy, (await Service().ExamineAsync(Situations.Cluster(), ObservationLevel.Quick, null, CancellationToken.None)).Status);
        _provider.Observe = _ => Task.FromResult(Situations.Healthy(f => f.SetUnknown(SqliteFacts.SilentDamage, "it was written since")));
        Assert.Equal(HealthStatus.Healthy, (await Examine(Service())).Status);
    }

    [Fact]
    public async Task Backups_become_facts_and_the_newest_is_given_to_the_observer()
    {
        var newest = Situations.Backup(TimeSpan.Zero, true) with { FinishedAt = DateTimeOffset.UtcNow };
        var content = Substitute.For<IBackupContent>();
        var backups = Substitute.For<IBackupService>();
        backups.ListAsync(default!, default!, default, default).ReturnsForAnyArgs(Task.FromResult<IReadOnlyList<BackupInfo>>([newest]));
        backups.OpenAsync(default!, default).ReturnsForAnyArgs(Task.FromResult(content));
        IBackupContent? given = null;
        _provider.Observe = request => { given = request.LastBackup; return Task.FromResult(Situations.Healthy()); };
        var report = await Examine(Service(backups), Situations.Cluster() with { Backups = new BackupSettings { Repository = "main", MaxProofAge = TimeSpan.FromDays(9999) } });
        Assert.Same(content, given);
        Assert.Equal(1, report.Observations[0].Facts.Int(CommonFacts.BackupProvedCount));
        Assert.Equal(newest.Id, report.Observations[0].Facts.Text(CommonFacts.BackupProvedId));
    }

    [Theory]
    [InlineData(3L, HealthStatus.Degraded, CheckVerdict.Fail)]
    [InlineData(30L, HealthStatus.Healthy, CheckVerdict.Pass)]
    public async Task The_users_own_check_is_asked_read_only(long value, HealthStatus status, CheckVerdict verdict)
    {
        _provider.Sql = (readOnly) => readOnly ? new SqlResult(value, 0) : throw new InvalidOperationException("not read-only");
        var report = await Examine(Service(), Situations.Cluster() with { Checks = [new CustomCheck { Name = "c", Query = "q", Fault = "custom.c", AtLeast = 10 }] });
        Assert.Equal(status, report.Status);
        Assert.Equal(verdict, Assert.Single(report.Checks, c => c.Category == CheckCategory.Custom).Verdict);
    }

    [Fact]
    public async Task A_notice_leaves_the_cluster_healthy()
    {
        _provider.Observe = _ => Task.FromResult(Situations.Healthy(f => f.Set(CommonFacts.ProbeLatency, 1.0)));
        var report = await Examine(Service(), Situations.Cluster() with { Expects = new ExpectationSettings { MaxLatency = TimeSpan.FromMilliseconds(50) } });
        Assert.Equal((HealthStatus.Healthy, "perf.latency"), (report.Status, Assert.Single(report.Faults).Id));
    }

    [Fact]
    public async Task A_node_that_a_watch_has_confirmed_to_be_silent_is_not_waited_for_as_long_again()
    {
        _provider.Embedded = false;
        var asked = new List<TimeSpan>();
        _provider.Observe = request =>
        {
            asked.Add(request.Timeout);
            return Task.FromResult(new NodeObservation { Node = request.Node.Name, ObservedAt = DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(asked.Count), Duration = TimeSpan.Zero, Level = request.Level, Reachability = Reachability.TimedOut });
        };
        var cluster = Situations.Cluster() with { Policy = new PolicySettings { DetectWithin = TimeSpan.FromSeconds(4), Confirmations = 2 } };
        var watch = Service().InMemory();
        var incidents = watch.Sharing();
        foreach (var service in new[] { watch, incidents, incidents, watch })
            await service.ExamineAsync(cluster, ObservationLevel.Quick, null, CancellationToken.None);
        Assert.Equal([TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(2)], asked);
    }

    private sealed class FakeProvider : IDatabaseProvider, INodeObserver, ISqlSession
    {
        public Func<ObservationRequest, Task<NodeObservation>> Observe { get; set; } = _ => Task.FromResult(Situations.Healthy());
        public Func<bool, SqlResult> Sql { get; set; } = _ => new SqlResult(null, 0);
        public string Engine => "sqlite";
        public string DisplayName => "SQLite";
        public bool Embedded { get; set; } = true;
        public IReadOnlyList<FactDefinition> Facts => [];

        public bool TryGet<T>([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? capability) where T : class => (capability = this as T) is not null;

        public Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => Observe(request);

        public Task<SqlResult> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult(Sql(readOnly));
    }
}

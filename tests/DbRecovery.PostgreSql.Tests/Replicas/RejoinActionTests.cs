using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;
using NSubstitute;

namespace DbRecovery.PostgreSql.Tests.Replicas;

/// <summary>The actions that bring replicas back: planned, done, looked at again.</summary>
public sealed class RejoinActionTests
{
    private static ActionContext Context(Bench bench) => new()
    {
        Cluster = bench.Cluster, Provider = bench.Provider, Backups = Substitute.For<IBackupService>(), Secrets = bench, Acting = true, Epoch = 7,
        Health = new HealthService(new HealthServiceOptions { Providers = _ => bench.Provider }), IncidentId = "test", IncidentFolder = bench.Lab.Folder, Timeout = Bench.Time,
    };

    [Theory]
    [InlineData(true, "rewound")]
    [InlineData(false, "rebuilt")]
    public async Task A_former_primary_comes_back_and_its_loss_was_planned(bool rewindable, string method)
    {
        await using var bench = await Scene.DivergedAsync(new PgClusterOptions { Checksums = rewindable });
        var (configuration, context, action) = (Scene.Configuration(bench), Context(bench), new RejoinAction());
        var plan = await action.PlanAsync(context, new RejoinOptions { Node = bench.Old().Name }, default);
        Assert.True(plan.Loss!.Bytes > 0);
        Assert.Contains(plan.Acts, a => a.Destructive);
        Assert.Equal(rewindable, plan.Acts.Any(a => a.Detail.Contains("pg_rewind")));
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(context, plan, default)).Outcome);
        // where the failover of the same incident has told of the loss, it is not told twice
        Assert.Null((await action.PlanAsync(context with { Done = new Dictionary<string, IReadOnlyDictionary<string, FactValue>> { ["failover"] = new Dictionary<string, FactValue>() } },
            new RejoinOptions { Node = bench.Old().Name }, default)).Loss);

        var result = await action.ExecuteAsync(context, plan, default);
        Assert.Equal(method, result.Outputs["method"].AsText());
        Assert.True(result.Outputs["lostWrites"].AsInt() >= 2);
        Assert.True(File.Exists(Path.Combine(result.Outputs["tailPath"].AsText(), "lost-writes.jsonl")));
        await Scene.FollowsAsync(bench, configuration);
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(context, plan, default)).Outcome);
        // done once more, it changes nothing that matters
        await action.ExecuteAsync(context, plan, default);
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task A_plan_to_copy_anew_is_the_same_whenever_it_is_made()
    {
        var clock = new SetTime();
        await using var provider = new PostgreSqlProvider(new PostgreSqlOptions { Secrets = Substitute.For<ISecretResolver>(), Commands = Substitute.For<INodeCommands>(), Clock = clock });
        NodeDefinition Node(string name) => new() { Name = name, Host = name, Port = 1, DataDir = $"/srv/{name}", BinDir = "/bin" };
        var cluster = new ClusterDefinition { Name = "c", Engine = "postgresql", Nodes = [Node("a"), Node("b")], Control = new ControlSettings { Kind = ControlKind.PgCtl } };
        var before = provider.Require<IReplicaBuilder>("a test").Rebuild(cluster, cluster.Nodes[0], cluster.Nodes[1], cluster.Nodes[1]).Acts;
        clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(before, provider.Require<IReplicaBuilder>("a test").Rebuild(cluster, cluster.Nodes[0], cluster.Nodes[1], cluster.Nodes[1]).Acts);
    }

    [Fact]
    public async Task Who_comes_back_is_synchronous_again_once_it_streams()
    {
        await using var bench = await Scene.DivergedAsync();
        var (old, now, action) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], new RejoinAction());
        bench.Cluster = bench.Cluster with { Policy = bench.Cluster.Policy with { Synchronous = 1 } };
        var context = Context(bench);
        var plan = await action.PlanAsync(context, new RejoinOptions { Node = old.Name }, default);
        Assert.Contains(plan.Acts, a => a.Target == now.Name && a.Detail.Contains("synchronous_standby_names", StringComparison.Ordinal));
        await action.ExecuteAsync(context, plan, default);
        const string show = "show synchronous_standby_names";
        Assert.Equal($"ANY 1 (\"{old.Name}\")", await bench.Lab.ScalarAsync<string>(now, show));
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(context, plan, default)).Outcome);

        // an attempt that was torn after the stream began: what is left is done, and the server is left alone. Somebody else's name stays
        var started = await bench.Lab.ScalarAsync<DateTime>(old, "select pg_postmaster_start_time()");
        await bench.Lab.ExecuteAsync(now, "alter system set synchronous_standby_names = 'ANY 1 (archive)'");
        await bench.Lab.ExecuteAsync(now, "select pg_reload_conf()");
        await bench.Lab.UntilAsync(now, show, "ANY 1 (archive)");
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(context, plan, default)).Outcome);
        await action.ExecuteAsync(context, plan, default);
        Assert.Equal($"ANY 1 (\"archive\", \"{old.Name}\")", await bench.Lab.ScalarAsync<string>(now, show));
        Assert.Equal(started, await bench.Lab.ScalarAsync<DateTime>(old, "select pg_postmaster_start_time()"));
        // a commit is acknowledged
        await bench.Lab.ExecuteAsync(now, "create table acknowledged (i int)");
    }

    [Fact]
    public async Task A_takeover_tells_what_it_leaves_and_keeps_the_log_of_those_that_are_away()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions
        {
            Settings = new Dictionary<string, string> { ["wal_level"] = "logical", ["max_prepared_transactions"] = "2", ["max_slot_wal_keep_size"] = "1GB" },
        });
        var (old, now, away) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        foreach (var statement in (string[])
            [
                "select pg_create_logical_replication_slot('reader', 'pgoutput')", "create table t (i int)",
                "create subscription news connection 'host=127.0.0.1 port=1 dbname=none' publication p with (connect = false)", "alter subscription news enable",
            ])
        {
            await bench.Lab.ExecuteAsync(old, statement);
        }
        await bench.Lab.ExecuteAsync(old, "begin; insert into t values (1); prepare transaction 'it''s'");
        await bench.Lab.UntilCaughtUpAsync(now, old);
        await away.StopAsync();
        var context = Context(bench);
        context = context with { Health = new HealthService(new HealthServiceOptions { Providers = _ => bench.Provider, StateFolder = Path.Combine(bench.Lab.Folder, "state") }) };
        await context.Health.ExamineAsync(bench.Cluster, ObservationLevel.Quick, null, default);
        await Scene.FallAsync(old, clean: false);
        context = context with { Seen = await context.Health.ExamineAsync(bench.Cluster, ObservationLevel.Quick, null, default) };

        var action = new FailoverAction();
        var plan = await action.PlanAsync(context, new FailoverOptions(), default);
        var result = await action.ExecuteAsync(context, plan, default);
        Assert.Equal(now.Name, result.Outputs["newPrimary"].AsText());
        Assert.Equal(["reader"], result.Outputs["lostSlots"].AsList());
        Assert.Equal(["'it''s' (postgres)"], result.Outputs["preparedTransactions"].AsList());
        Assert.Equal(["news"], result.Outputs["subscriptions"].AsList());
        Assert.Contains("reader", result.Summary, StringComparison.Ordinal);
        Assert.Equal(2L, await bench.Lab.ScalarAsync<long>(now, $"select count(*) from pg_replication_slots where restart_lsn is not null and slot_name in ('{old.Slot}', '{away.Slot}')"));
    }

    [Fact]
    public async Task Without_leave_to_copy_what_cannot_be_rewound_stays_stopped()
    {
        await using var bench = await Scene.DivergedAsync(new PgClusterOptions { Checksums = false });
        var (context, action) = (Context(bench), new RejoinAction());
        var plan = await action.PlanAsync(context, new RejoinOptions { Node = bench.Old().Name, Rebuild = RebuildChoice.Never }, default);
        Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(context, plan, default))).Id);
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(bench.Lab.Nodes[0])).State);
    }

    [Fact]
    public async Task Of_two_primaries_only_the_one_with_the_lower_epoch_comes_back()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (old, now, configuration) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], Scene.Configuration(bench));
        var (context, action) = (Context(bench), new RejoinAction());
        await Scene.PromoteAsync(bench);
        foreach (var node in bench.Cluster.Nodes)
            Assert.Equal(ErrorIds.WrongNode, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.PlanAsync(context, new RejoinOptions { Node = node.Name }, default))).Id);

        await bench.Provider.Require<IReplicationControl>("a test").WriteEpoch(bench.Cluster, bench.New(), new FencingEpoch(3, now.Name, DateTimeOffset.UnixEpoch, "i")).RunAsync();
        Assert.Equal(ErrorIds.WrongNode, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.PlanAsync(context, new RejoinOptions { Node = now.Name }, default))).Id);
        var plan = await action.PlanAsync(context, new RejoinOptions { Node = old.Name }, default);
        Assert.Null(plan.Loss!.Bytes);
        await action.ExecuteAsync(context, plan, default);
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task A_replica_is_rebuilt_and_one_that_is_there_is_not_new()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (standby, context) = (bench.Lab.Nodes[1], Context(bench));
        Assert.Equal(ErrorIds.TargetExists, (await Assert.ThrowsAsync<DbRecoveryException>(() => new NewReplicaAction().PlanAsync(context, new CopyReplicaOptions { Node = standby.Name }, default))).Id);
        var (action, options) = (new RebuildReplicaAction(), new CopyReplicaOptions { Node = standby.Name });
        var plan = await action.PlanAsync(context, options, default);
        Assert.Null(plan.Loss);
        // the server that runs is not the one that the plan will have made
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(context, plan, default)).Outcome);
        var result = await action.ExecuteAsync(context, plan, default);
        Assert.True(Directory.Exists(result.Outputs["keptPath"].AsText()));
        await bench.Lab.UntilStreamingAsync(standby, bench.Lab.Primary);
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(context, plan, default)).Outcome);
    }

    [Fact]
    public async Task A_stream_that_stands_still_goes_on()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (standby, context, action) = (bench.Lab.Nodes[1], Context(bench), new ResumeReplicationAction());
        await bench.Lab.ExecuteAsync(standby, "alter system set primary_conninfo = 'host=127.0.0.1 port=1'");
        await bench.Lab.ExecuteAsync(standby, "select pg_reload_conf()");
        await bench.Lab.UntilAsync(bench.Lab.Primary, "select count(*) from pg_stat_replication", 0L);
        // a paused replay does not look at changed settings, so the pause comes last
        await bench.Lab.ExecuteAsync(standby, "select pg_wal_replay_pause()");
        var plan = await action.PlanAsync(context, new ResumeReplicationOptions { Node = standby.Name }, default);
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(context, plan, default)).Outcome);
        await action.ExecuteAsync(context, plan, default);
        await bench.Lab.UntilStreamingAsync(standby, bench.Lab.Primary);
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(context, plan, default)).Outcome);
    }
}

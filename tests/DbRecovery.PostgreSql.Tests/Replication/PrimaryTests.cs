using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Replication;

/// <summary>What a real primary waits for, takes, and remembers.</summary>
public sealed class PrimaryTests
{
    [Fact]
    public async Task Synchronous_replicas_are_set_and_lifted_though_a_commit_waits()
    {
        await using var bench = await Bench.StartAsync();
        var (primary, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await bench.Lab.ExecuteAsync(primary, "create table t (id int)");
        await bench.Replication.SetSynchronous(bench.Cluster, here, [.. bench.Lab.Standbys.Select(s => bench[s])], 2).RunAsync();
        Assert.Equal("ANY 2 (\"lab-2\", \"lab-3\")", await bench.Lab.ScalarAsync<string>(primary, "show synchronous_standby_names"));
        await bench.Lab.UntilAsync(primary, "select count(*) from pg_stat_replication where sync_state = 'quorum'", 2L);

        await bench.Lab.Nodes[1].StopAsync();
        var waiting = bench.Lab.ExecuteAsync(primary, "insert into t values (1)");
        await bench.Lab.UntilAsync(primary, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'", 1L);
        // the epoch and a canary do not wait with it; one that shall wait says that it is not known what came of it
        await bench.Replication.WriteEpoch(bench.Cluster, here, new FencingEpoch(3, "lab-1", DateTimeOffset.UnixEpoch, "i'1")).RunAsync();
        await bench.Replication.CanaryWriteAsync(bench.Cluster, here.Host!, here.Port!.Value, synchronous: false, Bench.Time, default);
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replication.CanaryWriteAsync(bench.Cluster, here.Host!, here.Port!.Value, synchronous: true, TimeSpan.FromSeconds(1), default));
        Assert.Equal(ErrorIds.OutcomeUnknown, error.Id);

        await bench.Replication.SetSynchronous(bench.Cluster, here, [], 0).RunAsync();
        await waiting;
        await bench.Replication.CanaryWriteAsync(bench.Cluster, here.Host!, here.Port!.Value, synchronous: true, Bench.Time, default);
        Assert.Throws<DbRecoveryException>(() => bench.Replication.SetSynchronous(bench.Cluster, here, [here], 2));
    }

    [Fact]
    public async Task The_epoch_only_rises_and_is_on_every_node()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (primary, standby) = (bench[bench.Lab.Primary], bench[bench.Lab.Nodes[1]]);
        Assert.Null(await bench.Replication.ReadEpochAsync(bench.Cluster, primary, default));
        Assert.Null(await bench.Replication.ReadEpochAsync(bench.Cluster, standby, default));
        var epoch = new FencingEpoch(5, "lab-1", new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), "it's");
        for (var i = 0; i < 2; i++)
            await bench.Replication.WriteEpoch(bench.Cluster, primary, epoch).RunAsync();
        Assert.Equal(epoch, await bench.Replication.ReadEpochAsync(bench.Cluster, primary, default));
        await bench.Lab.UntilCaughtUpAsync(bench.Lab.Nodes[1], bench.Lab.Primary);
        Assert.Equal(epoch, await bench.Replication.ReadEpochAsync(bench.Cluster, standby, default));

        await bench.Replication.WriteEpoch(bench.Cluster, primary, epoch with { Epoch = 4 }).FailsAsync(ErrorIds.LeaseLost);
        await bench.Replication.WriteEpoch(bench.Cluster, primary, epoch with { Primary = "lab-2" }).FailsAsync(ErrorIds.LeaseLost);
        var raised = epoch with { Epoch = 6, Primary = "lab-2", Incident = null };
        await bench.Replication.WriteEpoch(bench.Cluster, primary, raised).RunAsync();
        Assert.Equal(raised, await bench.Replication.ReadEpochAsync(bench.Cluster, primary, default));
        await bench.Replication.WriteEpoch(bench.Cluster, standby, raised with { Epoch = 7 }).FailsAsync(ErrorIds.StepFailed);
    }

    [Fact]
    public async Task A_canary_says_who_took_it_and_a_standby_takes_none()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (primary, standby) = (bench[bench.Lab.Primary], bench[bench.Lab.Nodes[1]]);
        var system = await bench.Lab.ScalarAsync<string>(bench.Lab.Primary, "select system_identifier::text from pg_control_system()");
        var told = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => bench.Replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", primary.Port!.Value, false, Bench.Time, default)));
        Assert.All(told, t => Assert.Equal($"127.0.0.1:{primary.Port}, system {system}", t));
        Assert.Equal(5L, await bench.Lab.ScalarAsync<long>(bench.Lab.Primary, "select count(*) from dbrecovery.canary"));
        // rows of long ago go by themselves
        await bench.Lab.ExecuteAsync(bench.Lab.Primary, "update dbrecovery.canary set at = now() - interval '1 day'");
        await bench.Replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", primary.Port!.Value, false, Bench.Time, default);
        Assert.Equal(1L, await bench.Lab.ScalarAsync<long>(bench.Lab.Primary, "select count(*) from dbrecovery.canary"));
        await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", standby.Port!.Value, false, Bench.Time, default));

        await bench.Lab.Primary.FreezeAsync();
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", primary.Port!.Value, false, TimeSpan.FromSeconds(1), default));
        Assert.Contains(error.Id, (string[])[ErrorIds.ConnectionFailed, ErrorIds.OutcomeUnknown]);
    }

    [Fact]
    public async Task Refused_writes_end_sessions_that_could_write_and_are_allowed_again()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await bench.Lab.ExecuteAsync(node, "create table t (id int)");
        await using var session = await bench.Lab.OpenAsync(node);
        await using var write = new NpgsqlCommand("insert into t values (1)", session);
        await UntilSessionsAsync(session, 1);
        Assert.Equal(1, (await bench.Replication.SetReadOnly(bench.Cluster, here, readOnly: true).RunAsync()).Outputs["ended"].AsInt());
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => write.ExecuteNonQueryAsync());
        Assert.Equal("25006", (await Assert.ThrowsAsync<PostgresException>(() => bench.Lab.ExecuteAsync(node, "insert into t values (1)"))).SqlState);
        // replication goes on, and the epoch can be written
        await bench.Lab.UntilStreamingAsync(bench.Lab.Nodes[1], node);
        await bench.Replication.WriteEpoch(bench.Cluster, here, new FencingEpoch(1, "lab-1", DateTimeOffset.UnixEpoch, null)).RunAsync();
        await bench.Replication.SetReadOnly(bench.Cluster, here, readOnly: false).RunAsync();
        await bench.Lab.ExecuteAsync(node, "insert into t values (1)");
    }

    [Fact]
    public async Task Sessions_end_by_what_they_do_and_no_others()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await bench.Lab.ExecuteAsync(node, "create table t (id int primary key); insert into t values (1)");
        Task<NodeOperation> Find(SessionSelection which, TimeSpan? olderThan = null) => bench.Replication.EndSessionsAsync(bench.Cluster, here, which, olderThan ?? TimeSpan.Zero, default);
        await using var quiet = await bench.Lab.OpenAsync(node);
        await using var idle = await bench.Lab.OpenAsync(node);
        await new NpgsqlCommand("begin; select 1", idle).ExecuteNonQueryAsync();
        await using var root = await bench.Lab.OpenAsync(node);
        await new NpgsqlCommand("begin; update t set id = 1", root).ExecuteNonQueryAsync();
        await using var waiter = await bench.Lab.OpenAsync(node);
        var waiting = new NpgsqlCommand("update t set id = 1", waiter).ExecuteNonQueryAsync();
        await bench.Lab.UntilAsync(node, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'", 1L);

        Assert.Empty((await Find(SessionSelection.IdleInTransaction, TimeSpan.FromHours(1))).Acts);
        Assert.Equal(2, (await Find(SessionSelection.IdleInTransaction)).Acts.Count);
        var blockers = await Find(SessionSelection.RootBlockers);
        Assert.Contains($"pg_terminate_backend({root.ProcessID})", Assert.Single(blockers.Acts).Detail, StringComparison.Ordinal);
        Assert.Equal(1, (await blockers.RunAsync()).Outputs["ended"].AsInt());
        await waiting;
        Assert.Empty((await Find(SessionSelection.RootBlockers)).Acts);
        Assert.Equal(0, (await blockers.RunAsync()).Outputs["ended"].AsInt());

        Assert.Equal(1, (await (await Find(SessionSelection.IdleInTransaction)).RunAsync()).Outputs["ended"].AsInt());
        Assert.Equal(1, await new NpgsqlCommand("select 1", quiet).ExecuteScalarAsync());
        await UntilSessionsAsync(quiet, 2);
        Assert.Equal(2, (await (await Find(SessionSelection.All)).RunAsync()).Outputs["ended"].AsInt());
        await bench.Lab.UntilStreamingAsync(bench.Lab.Nodes[1], node);
    }

    /// <summary>A session that its client has closed is there for a moment more.</summary>
    private static Task UntilSessionsAsync(NpgsqlConnection session, long count) => Wait.UntilAsync(() =>
    {
        using var command = new NpgsqlCommand("select count(*) from pg_stat_activity where backend_type = 'client backend' and application_name = 'lab'", session);
        return (long)command.ExecuteScalar()! == count;
    }, $"{count} sessions");

    [Fact]
    public async Task A_role_with_the_least_rights_can_do_all_of_it()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1, Scram = true });
        var (primary, standby) = (bench.Lab.Primary, bench.Lab.Nodes[1]);
        await bench.Lab.ExecuteAsync(primary, $"""
            create role "Least" login replication password '{PgCluster.Password}' in role pg_monitor, pg_signal_backend, pg_checkpoint;
            create schema dbrecovery authorization "Least";
            grant alter system on parameter primary_conninfo, primary_slot_name, synchronous_standby_names, default_transaction_read_only to "Least";
            grant execute on function pg_reload_conf(), pg_promote(boolean, integer), pg_wal_replay_resume() to "Least"
            """);
        await bench.Lab.UntilCaughtUpAsync(standby, primary);
        bench.Cluster = bench.Cluster with { Auth = bench.Cluster.Auth! with { User = "Least" } };
        var here = bench[primary];
        await bench.Replication.SetSynchronous(bench.Cluster, here, [bench[standby]], 1).RunAsync();
        await bench.Replication.WriteEpoch(bench.Cluster, here, new FencingEpoch(1, "lab-1", DateTimeOffset.UnixEpoch, null)).RunAsync();
        await bench.Replication.CanaryWriteAsync(bench.Cluster, here.Host!, here.Port!.Value, true, Bench.Time, default);
        await bench.Replication.SetReadOnly(bench.Cluster, here, readOnly: true).RunAsync();
        // a superuser's session is not its to end, which keeps no other one open
        await using (await bench.Lab.OpenAsync(primary))
        await using (var application = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(bench.Lab.ConnectionString(primary)) { Username = "Least" }.ConnectionString))
        {
            await application.OpenAsync();
            await using var other = await bench.Lab.OpenAsync(primary);
            await bench.Replication.SetReadOnly(bench.Cluster, here, readOnly: true).FailsAsync(ErrorIds.PrivilegeMissing);
            await bench.Lab.UntilAsync(primary, $"select count(*) from pg_stat_activity where pid = {application.ProcessID}", 0L);
        }
        await bench.Replication.SetReadOnly(bench.Cluster, here, readOnly: false).RunAsync();
        await (await bench.Replication.ResumeReplicationAsync(bench.Cluster, bench[standby], here, default)).RunAsync();
        await bench.Replication.Follow(bench.Cluster, bench[standby], here).RunAsync();
        await bench.Replication.EnsureSlots(bench.Cluster, here, [bench[standby]]).RunAsync();
        await (await bench.Replication.EndSessionsAsync(bench.Cluster, here, SessionSelection.IdleInTransaction, TimeSpan.Zero, default)).RunAsync();
        Assert.Equal(1, (await bench.Replication.ReadEpochAsync(bench.Cluster, bench[standby], default))!.Epoch);
        await primary.KillAsync();
        await bench.Replication.Promote(bench.Cluster, bench[standby]).RunAsync();
        await bench.Replication.AfterPromotion(bench.Cluster, bench[standby]).RunAsync();

        // what a right is missing for, its error says
        bench.Cluster = bench.Cluster with { Auth = bench.Cluster.Auth! with { User = "plain" } };
        await bench.Lab.ExecuteAsync(standby, $"create role plain login password '{PgCluster.Password}'");
        Assert.Contains("pg_checkpoint", (await bench.Replication.AfterPromotion(bench.Cluster, bench[standby]).FailsAsync(ErrorIds.PrivilegeMissing)).RecommendedAction, StringComparison.Ordinal);
    }
}

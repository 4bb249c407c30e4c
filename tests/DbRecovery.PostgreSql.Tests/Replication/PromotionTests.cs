using System.Globalization;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Replication;

/// <summary>Promotions of real standbys, and where logs end.</summary>
public sealed class PromotionTests
{
    [Fact]
    public async Task A_promoted_standby_takes_writes_the_moment_that_it_is_said_to_be_the_primary()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var standby = bench.Lab.Nodes[1];
        await bench.Lab.Primary.KillAsync();
        var operation = bench.Replication.Promote(bench.Cluster, bench[standby]);
        Assert.Contains(operation.Acts, a => a.Detail.Contains("pg_promote", StringComparison.Ordinal));
        var outcome = await operation.RunAsync();
        await bench.Lab.ExecuteAsync(standby, "create table t (id int)");
        Assert.Equal(2, outcome.Outputs["timeline"].AsInt());
        Assert.Matches("^[0-9A-F]+/[0-9A-F]+$", outcome.Outputs["position"].AsText());

        // there is nothing to promote any more, and that is no success: who asked thought of another node
        Assert.Equal(ErrorKind.Refused, (await bench.Replication.Promote(bench.Cluster, bench[standby]).FailsAsync(ErrorIds.WrongNode)).Kind);
        // before 16 the control file has the old timeline until then
        await bench.Replication.AfterPromotion(bench.Cluster, bench[standby]).RunAsync();
        Assert.Equal(2, await bench.Lab.ScalarAsync<int>(standby, "select timeline_id from pg_control_checkpoint()"));
    }

    [Fact]
    public async Task A_paused_replay_is_no_obstacle_and_a_cancellation_tears_nothing()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var standby = bench.Lab.Nodes[1];
        await bench.Lab.ExecuteAsync(standby, "select pg_wal_replay_pause()");
        await bench.Lab.ExecuteAsync(bench.Lab.Primary, "create table t (id int)");
        await bench.Lab.UntilAsync(standby, $"select pg_last_wal_receive_lsn() >= '{await bench.Lab.ScalarAsync<string>(bench.Lab.Primary, "select pg_current_wal_lsn()::text")}'", true);
        await bench.Lab.Primary.KillAsync();
        using var cancel = new CancellationTokenSource();
        var promoting = bench.Replication.Promote(bench.Cluster, bench[standby]).RunAsync(Bench.Time, null, cancel.Token);
        await bench.Lab.UntilAsync(standby, "select count(*) from pg_stat_activity where application_name = 'dbrecovery' and query <> ''", 1L);
        await cancel.CancelAsync();
        await promoting;
        // all that was received is there
        Assert.Equal(0L, await bench.Lab.ScalarAsync<long>(standby, "select count(*) from t"));
    }

    [Theory]
    [InlineData("alter table t add column more int")] // the replay waits for a lock
    [InlineData("delete from t; vacuum t")] // the replay waits for a snapshot
    public async Task Queries_that_hold_back_the_replay_do_not_hold_back_the_promotion(string change)
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1, Settings = new Dictionary<string, string> { ["max_standby_streaming_delay"] = "-1", ["autovacuum"] = "off" } });
        var (primary, standby) = (bench.Lab.Primary, bench.Lab.Nodes[1]);
        await bench.Lab.ExecuteAsync(primary, "create table t as select generate_series(1, 1000) as id");
        await bench.Lab.UntilCaughtUpAsync(standby, primary);
        await using var reader = await bench.Lab.OpenAsync(standby);
        await using var reading = await reader.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await using (var command = new NpgsqlCommand("select count(*) from t", reader, reading))
            await command.ExecuteScalarAsync();
        await using var other = await bench.Lab.OpenAsync(standby);
        foreach (var statement in change.Split("; "))
            await bench.Lab.ExecuteAsync(primary, statement);
        await bench.Lab.UntilAsync(standby, "select count(*) from pg_stat_activity where backend_type = 'startup' and (wait_event_type = 'Lock' or wait_event like 'RecoveryConflict%')", 1L);
        await primary.KillAsync();
        var outcome = await bench.Replication.Promote(bench.Cluster, bench[standby]).RunAsync();
        Assert.Equal(1, outcome.Outputs["ended"].AsInt());
        // who is in nobody's way stays
        await using var still = new NpgsqlCommand("select pg_is_in_recovery()", other);
        Assert.Equal(false, await still.ExecuteScalarAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => reading.CommitAsync());
    }

    [Fact]
    public async Task A_standby_that_hangs_leaves_the_outcome_unknown()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var standby = bench.Lab.Nodes[1];
        // the kept session is open: what it is asked gets lost
        await bench.Replication.ReceivedAsync(bench.Cluster, bench[standby], default);
        await standby.FreezeAsync();
        await bench.Replication.Promote(bench.Cluster, bench[standby]).FailsAsync(ErrorIds.OutcomeUnknown, TimeSpan.FromSeconds(1));
        standby.Thaw();
        await bench.Replication.ReceivedAsync(bench.Cluster, bench[standby], default);
    }

    [Fact]
    public async Task A_clean_stop_ends_where_the_standby_has_received_to()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (primary, standby) = (bench.Lab.Primary, bench.Lab.Nodes[1]);
        Assert.Null(await bench.Replication.ShutdownPositionAsync(bench.Cluster, bench[primary], default));
        var before = await bench.Replication.ReceivedAsync(bench.Cluster, bench[standby], default);
        await bench.Control.Stop(bench.Cluster, bench[primary]).RunAsync();
        var end = await bench.Replication.ShutdownPositionAsync(bench.Cluster, bench[primary], default);
        var received = await bench.Replication.ReceivedAsync(bench.Cluster, bench[standby], default);
        Assert.True(received.Ordinal > end!.Ordinal, $"{received} is not beyond {end}");
        Assert.True(end.Ordinal >= before.Ordinal);
        Assert.Equal(("lsn", "1", "lsn", "1"), (end.Kind, end.History, received.Kind, received.History));

        // the timeline of a standby whose receiver is gone is known still, though its control file has the one before
        await bench.Replication.Promote(bench.Cluster, bench[standby]).RunAsync();
        Assert.Equal("2", (await bench.Replication.ReceivedAsync(bench.Cluster, bench[standby], default)).History);
        await bench.Control.Kill(bench.Cluster, bench[standby]).RunAsync();
        Assert.Null(await bench.Replication.ShutdownPositionAsync(bench.Cluster, bench[standby], default));
        var broken = bench[primary] with { BinDir = "/nonexistent" };
        Assert.Equal(ErrorIds.CapabilityMissing, (await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replication.ShutdownPositionAsync(bench.Cluster, broken, default))).Id);
    }

    [Fact]
    public async Task A_standby_on_a_new_timeline_says_it_when_its_upstream_is_gone()
    {
        await using var bench = await Bench.StartAsync();
        var (second, third) = (bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Lab.Primary.KillAsync();
        await bench.Replication.Promote(bench.Cluster, bench[second]).RunAsync();
        await bench.Replication.Follow(bench.Cluster, bench[third], bench[second]).RunAsync();
        await bench.Lab.UntilStreamingAsync(third, second);
        await bench.Lab.ExecuteAsync(second, "create table t (id int)");
        await bench.Lab.UntilCaughtUpAsync(third, second);
        await second.KillAsync();
        await bench.Lab.UntilAsync(third, "select count(*) from pg_stat_wal_receiver", 0L);
        var position = await bench.Replication.ReceivedAsync(bench.Cluster, bench[third], default);
        Assert.Equal("2", position.History);
        Assert.Equal(SqlText.Lsn(position.Ordinal!.Value), position.Value, ignoreCase: true);
        Assert.Equal(CultureInfo.InvariantCulture.TextInfo.ToUpper(position.Value), position.Value);
    }
}

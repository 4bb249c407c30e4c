using DbRecovery.Engine.Control;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>The session that looks find open: what it saves, what it must not hide, and when it ends.</summary>
public sealed class KeptSessionTests
{
    private const string Sessions = "select string_agg(datname || ' ' || pid, ',' order by pid) from pg_stat_activity where application_name = 'dbrecovery'";

    private static readonly PgClusterOptions One = new() { Standbys = 0, Settings = new Dictionary<string, string> { ["log_connections"] = "on" } };
    private static readonly TimeSpan AMinute = TimeSpan.FromMinutes(1) + TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_second_look_opens_nothing_at_home_and_keeps_nothing_elsewhere()
    {
        await using var lab = await PgCluster.StartAsync(One);
        foreach (var name in (string[])["a", "b", "c", "d"])
            await lab.ExecuteAsync(lab.Primary, $"create database {name}");
        await lab.ExecuteAsync(lab.Primary, "create table t (id serial primary key); insert into t (id) values (7)");
        await using var watched = new Watched(lab.Cluster(), new NodeCommands(TimeProvider.System));
        var first = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        // one that was closed is there for a moment more
        await lab.UntilAsync(lab.Primary, "select count(*) from pg_stat_activity where application_name = 'dbrecovery'", 1L);
        var kept = await lab.ScalarAsync<string>(lab.Primary, Sessions);
        Assert.StartsWith("postgres ", kept, StringComparison.Ordinal);
        // the third look is the first over statements that are prepared
        for (var i = 0; i < 3; i++)
        {
            var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
            Assert.Empty(seen.Errors);
            Assert.Equal(first.Facts.Select(f => (f.Name, f.Value is null)), seen.Facts.Select(f => (f.Name, f.Value is null)));
            Assert.Equal(["postgres: public.t_id_seq 0 < 7"], seen.Facts.List(PostgreSqlFacts.SequencesBehind)!);
            Assert.True(seen.Facts.Int(CommonFacts.DiskFree) > 0 && seen.Facts.Int(CommonFacts.DiskFree) < seen.Facts.Int(CommonFacts.DiskSize));
        }
        await lab.UntilAsync(lab.Primary, Sessions, kept);
        Assert.Equal(1, File.ReadLines(lab.Primary.LogFile).Count(l => l.Contains("authorized", StringComparison.Ordinal) && l.Contains("database=postgres application_name=dbrecovery", StringComparison.Ordinal)));
        // a look must not be what keeps a database from being dropped
        await lab.ExecuteAsync(lab.Primary, "drop database a");
    }

    [Fact]
    public async Task A_server_that_was_restarted_in_between_is_seen_as_it_is_now()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        var first = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        await lab.Primary.StopAsync();
        Assert.Equal((Reachability.Absent, "refused"), Reach(await watched.LookAsync(lab.Primary, ObservationLevel.Standard)));
        await lab.Primary.StartAsync();
        await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        await lab.Primary.KillAsync();
        await lab.Primary.StartAsync();
        var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        Assert.Equal(Reachability.Reachable, seen.Reachability);
        Assert.Equal(first.Facts.Where(f => f.Value is not null).Select(f => f.Name), seen.Facts.Where(f => f.Value is not null).Select(f => f.Name));
    }

    [Fact]
    public async Task A_session_that_a_long_look_renewed_may_break_like_any_other()
    {
        await using var lab = await PgCluster.StartAsync(One);
        var clock = new SetTime();
        await using var watched = new Watched(lab.Cluster(), clock: clock);
        await watched.LookAsync(lab.Primary);
        var old = await lab.ScalarAsync<string>(lab.Primary, Sessions);
        clock.Advance(AMinute * 0.7);
        await watched.LookAsync(lab.Primary);
        clock.Advance(AMinute * 0.7);
        await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        await lab.UntilAsync(lab.Primary, "select count(*) from pg_stat_activity where application_name = 'dbrecovery'", 1L);
        Assert.NotEqual(old, await lab.ScalarAsync<string>(lab.Primary, Sessions));
        await lab.Primary.StopAsync();
        await lab.Primary.StartAsync();
        Assert.Equal(Reachability.Reachable, (await watched.LookAsync(lab.Primary)).Reachability);
    }

    [Fact]
    public async Task Another_system_on_the_same_port_is_not_taken_for_the_one_before()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var other = await PgCluster.StartAsync(One with { FreshSystemId = true });
        await using var watched = new Watched(lab.Cluster());
        var first = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        await lab.Primary.StopAsync();
        await other.Primary.StopAsync();
        Directory.Delete(lab.Primary.DataDir, recursive: true);
        Directory.Move(other.Primary.DataDir, lab.Primary.DataDir);
        lab.Primary.Configure([new("port", $"{lab.Primary.Port}"), new("unix_socket_directories", lab.Primary.Folder)]);
        await lab.Primary.StartAsync();
        var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        Assert.Equal(Reachability.Reachable, seen.Reachability);
        Assert.NotEqual(first.SystemId, seen.SystemId);
        Assert.Equal(await lab.ScalarAsync<string>(lab.Primary, "select system_identifier::text from pg_control_system()"), seen.SystemId);
    }

    [Fact]
    public async Task A_password_or_a_right_that_changed_shows_within_a_minute_and_its_mending_at_once()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, Scram = true });
        await lab.ExecuteAsync(lab.Primary, $"create role looker login password '{PgCluster.Password}'; grant pg_monitor to looker");
        var clock = new SetTime();
        await using var watched = new Watched(lab.Cluster() with { Auth = lab.Cluster().Auth! with { User = "looker" } }, clock: clock);
        Assert.Empty((await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Errors);
        foreach (var (change, code, mend) in ((string, string, string)[])[("password 'another'", "28P01", $"password '{PgCluster.Password}'"), ("nologin", "28000", "login")])
        {
            await lab.ExecuteAsync(lab.Primary, $"alter role looker {change}");
            clock.Advance(AMinute * 0.7);
            Assert.Empty((await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Errors);
            clock.Advance(AMinute * 0.7);
            // whoever is logged in still sees; that nobody could log in now is told all the same
            var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
            Assert.Equal(Reachability.Reachable, seen.Reachability);
            Assert.Contains(seen.Errors, e => e.Code == code);
            Assert.Null(seen.Facts.Find(CommonFacts.DataSize.Name)!.Value);
            await lab.ExecuteAsync(lab.Primary, $"alter role looker {mend}");
            Assert.Empty((await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Errors);
        }
    }

    [Fact]
    public async Task A_session_that_nobody_uses_is_closed_after_a_minute_and_one_that_is_listened_to_is_not()
    {
        await using var lab = await PgCluster.StartAsync(One);
        var clock = new SetTime();
        await using var watched = new Watched(lab.Cluster(), clock: clock);
        await watched.LookAsync(lab.Primary);
        clock.Advance(AMinute);
        await lab.UntilAsync(lab.Primary, "select count(*) from pg_stat_activity where application_name = 'dbrecovery'", 0L);
        Assert.Equal("closed", (await watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], default).WaitAsync(Wait.Limit)).Code);

        var seen = await watched.LookAsync(lab.Primary);
        Assert.Empty(seen.Errors);
        using var stop = new CancellationTokenSource();
        var broken = watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], stop.Token);
        var kept = await lab.ScalarAsync<string>(lab.Primary, Sessions);
        clock.Advance(AMinute);
        // a long look has a session of its own then, and the one that listens stays
        Assert.Empty((await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Errors);
        await lab.UntilAsync(lab.Primary, Sessions, kept);
        Assert.False(broken.IsCompleted);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => broken);
        clock.Advance(AMinute);
        await lab.UntilAsync(lab.Primary, "select count(*) from pg_stat_activity where application_name = 'dbrecovery'", 0L);
    }

    [Fact]
    public async Task A_long_look_does_not_take_the_place_of_what_is_listened_to_again_in_a_moment()
    {
        await using var lab = await PgCluster.StartAsync(One);
        var clock = new SetTime();
        await using var watched = new Watched(lab.Cluster(), clock: clock);
        await watched.LookAsync(lab.Primary);
        using var stop = new CancellationTokenSource();
        var broken = watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => broken);
        var kept = await lab.ScalarAsync<string>(lab.Primary, Sessions);
        // its login is too old for a long look, which would put another in its place
        clock.Advance(AMinute * 0.7);
        await watched.LookAsync(lab.Primary);
        clock.Advance(AMinute * 0.7);
        Assert.Empty((await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Errors);
        await lab.UntilAsync(lab.Primary, Sessions, kept);
    }

    private static (Reachability, string?) Reach(NodeObservation seen) => (seen.Reachability, seen.Facts.Text(PostgreSqlFacts.ConnectError));
}

using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>What the kept session tells when its server goes away, and what looks find then.</summary>
public sealed class BrokenConnectionTests
{
    private static readonly PgClusterOptions One = new() { Standbys = 0 };

    [Fact]
    public async Task The_death_of_the_postmaster_ends_the_wait_and_the_next_look_is_refused()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        await watched.LookAsync(lab.Primary);
        var broken = watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], default);
        // looks in between leave the wait alone
        for (var i = 0; i < 20; i++)
            Assert.Equal(Reachability.Reachable, (await watched.LookAsync(lab.Primary)).Reachability);
        Assert.False(broken.IsCompleted);
        await lab.Primary.KillAsync();
        var error = await broken.WaitAsync(Wait.Limit);
        Assert.Contains(error.Code, (string[])["57P01", "broken"]);
        var seen = await watched.UntilAsync(lab.Primary, o => o.Reachability != Reachability.Refusing);
        Assert.Equal((Reachability.Absent, "refused"), (seen.Reachability, seen.Facts.Text(PostgreSqlFacts.ConnectError)));
        // without a session there is nothing to wait for
        await watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], default).WaitAsync(Wait.Limit);
    }

    [Fact]
    public async Task A_session_that_was_ended_is_replaced_within_the_look()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        await watched.LookAsync(lab.Primary);
        var broken = watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], default);
        await lab.ExecuteAsync(lab.Primary, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dbrecovery'");
        Assert.Equal("57P01", (await broken.WaitAsync(Wait.Limit)).Code);
        Assert.Equal(Reachability.Reachable, (await watched.LookAsync(lab.Primary)).Reachability);
        await lab.UntilAsync(lab.Primary, "select count(*) from pg_stat_activity where application_name = 'dbrecovery'", 1L);
    }

    [Fact]
    public async Task A_stopped_server_is_hung_and_costs_no_more_than_the_deadline()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        await watched.LookAsync(lab.Primary);
        await lab.Primary.FreezeAsync();
        // over the open session first, then over new ones
        for (var i = 0; i < 3; i++)
        {
            var seen = await watched.LookAsync(lab.Primary, timeout: TimeSpan.FromSeconds(1)).WaitAsync(Wait.Limit);
            Assert.Equal((Reachability.TimedOut, "hung"), (seen.Reachability, seen.Facts.Text(PostgreSqlFacts.ConnectError)));
        }
        lab.Primary.Thaw();
        await watched.UntilAsync(lab.Primary, o => o.Reachability == Reachability.Reachable);
    }
}

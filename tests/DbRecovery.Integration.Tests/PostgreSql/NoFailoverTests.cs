using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Situations that look like the death of a primary and are none: nothing is promoted, and it is said why.</summary>
public sealed class NoFailoverTests
{
    [Fact]
    [Trait("Kind", "critical")]
    public async Task The_watch_that_lost_its_own_way_to_every_node_does_nothing_and_says_why()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Relays = true });
        var watch = await lab.WatchAsync("--recover");
        await Task.WhenAll(lab.Cluster.Nodes.Select(n => n.Relay!.VanishAsync()));
        await watch.UntilAsync(e => e.Fault == "net.watcher-isolated", "the isolation of the watch");
        await watch.UntilAsync(e => e.Kind == "NotActed", "why nothing was done");
        await NothingHappenedAsync(lab, watch);
    }

    [Fact]
    [Trait("Kind", "critical")]
    public async Task A_primary_that_only_the_watch_cannot_reach_stays_primary()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Relays = true });
        var watch = await lab.WatchAsync("--recover");
        lab.Cluster.Primary.Relay!.Set(Flow.Drop, Flow.Drop);
        await watch.UntilAsync(e => e.Fault == "net.partial-partition", "the partition");
        await NothingHappenedAsync(lab, watch);
    }

    [Fact]
    public async Task A_primary_without_a_free_connection_is_alive()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["superuser_reserved_connections"] = "0", ["max_connections"] = "12" } }, $"autoRecover: true, {PgSituation.Patient}");
        var held = new List<NpgsqlConnection>();
        try
        {
            // a session that its client has closed holds its place for a moment more
            var clock = System.Diagnostics.Stopwatch.StartNew();
            while (held.Count < 12)
            {
                try
                {
                    held.Add(await lab.Cluster.OpenAsync(lab.Cluster.Primary));
                }
                catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections && clock.Elapsed < Wait.Limit)
                {
                    await Task.Delay(10);
                }
            }
            Assert.Contains("node.conn-exhausted", await lab.FaultsAsync());
            var watch = await lab.WatchAsync("--recover");
            await watch.UntilAsync(e => e.Fault == "node.conn-exhausted", "the exhaustion");
            await NothingHappenedAsync(lab, watch, ask: false);
        }
        finally
        {
            foreach (var connection in held)
                await connection.DisposeAsync();
        }
        Assert.Equal([lab.Cluster.Primary.Name], await lab.PrimariesAsync());
    }

    [Fact]
    public async Task A_wrong_password_is_no_death()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Scram = true }, $"autoRecover: true, {PgSituation.Patient}");
        var watch = await lab.WatchAsync("--recover");
        // two transactions of one session: in one, the watch is back with the old password before the new one is committed; another session would need the new one
        await using (var session = await lab.Cluster.OpenAsync(lab.Cluster.Primary))
        {
            foreach (var statement in (string[])["alter role postgres password 'another'", "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'dbrecovery%'"])
            {
                await using var command = new NpgsqlCommand(statement, session);
                await command.ExecuteNonQueryAsync();
            }
        }
        await watch.UntilAsync(e => e.Fault == "node.auth-rejected", "the refusal");
        await NothingHappenedAsync(lab, watch, ask: false);
    }

    [Fact]
    public async Task A_commit_that_waits_for_a_dead_standby_is_no_dead_primary()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Standbys = 2, Synchronous = 2 }, $"autoRecover: true, synchronous: 2, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync();
        lab.Cluster.Nodes[2].BreakBinary();
        var watch = await lab.WatchAsync("--recover");
        await lab.Cluster.Nodes[2].KillAsync();
        await watch.UntilAsync(e => e.Fault == "pg.sync-blocked", "the blocked commits");
        Assert.Equal([lab.Cluster.Primary.Name], await lab.PrimariesAsync());
        await watch.StopAsync();
    }

    private static async Task NothingHappenedAsync(PgSituation lab, WatchProcess watch, bool ask = true)
    {
        // that nothing is done can only be waited for: several times as long as a failover takes
        await Task.Delay(TimeSpan.FromSeconds(5));
        if (ask)
            Assert.Equal([lab.Cluster.Primary.Name], await lab.PrimariesAsync());
        Assert.DoesNotContain(watch.Events, e => e.Kind == "Incident" && e.To == "Executing" && e.Summary.Contains("promot", StringComparison.OrdinalIgnoreCase));
        await watch.StopAsync();
        // what was begun and what was not is in the record
        var takeovers = (await lab.IncidentsAsync()).SelectMany(i => i.GetProperty("steps").EnumerateArray()).Where(s => s.GetProperty("action").GetString() is "failover" or "promote");
        Assert.DoesNotContain(takeovers, s => s.GetProperty("state").GetString() is "Intent" or "Applied" or "Unknown" or "Confirmed");
    }
}

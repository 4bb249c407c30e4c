using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Lab;

/// <summary>The lab itself: what other tests conclude from it holds only if these do.</summary>
public sealed class LabTests
{
    [Fact]
    public async Task A_cluster_streams_with_passwords_slots_quorum_and_a_cascade()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 3, Scram = true, Synchronous = 1, Cascading = true });
        // a standby counts once it has said how far it has written
        await cluster.UntilAsync(cluster.Primary, "select count(*) from pg_stat_replication where sync_state = 'quorum'", 2L);
        Assert.Equal(2L, await cluster.ScalarAsync<long>(cluster.Primary, "select count(*) from pg_replication_slots where active"));
        Assert.Equal("lab-4", await cluster.ScalarAsync<string>(cluster.Nodes[1], "select application_name from pg_stat_replication"));
        await Assert.ThrowsAsync<PostgresException>(async () =>
        {
            await using var connection = new NpgsqlConnection(cluster.ConnectionString(cluster.Primary) + ";Password=wrong");
            await connection.OpenAsync();
        });
    }

    [Fact]
    public async Task A_writer_survives_a_takeover_and_the_sampler_sees_one_primary_at_a_time()
    {
        await using var cluster = await PgCluster.StartAsync();
        await using var sampler = await WritableSampler.StartAsync(cluster);
        await using var writer = await Writer.StartAsync(cluster);
        await writer.UntilAsync(20);

        await Machine.UntilAsync(() => sampler.Spans.Any(s => s.Writes > 2), () => "no span of the primary");
        await cluster.Primary.KillAsync();
        // a session that is never idle writes on for a while without its postmaster
        await Machine.UntilAsync(() => !cluster.Primary.Runs, () => "the old primary still runs");
        await cluster.ExecuteAsync(cluster.Nodes[1], "select pg_promote(true)");
        await Machine.UntilAsync(() => sampler.Spans.Any(s => s.Node == "lab-2" && s.Writes > 2), () => "no span of the new primary");
        await writer.UntilAsync(20);

        await writer.StopAsync();
        await sampler.StopAsync();
        Assert.Equal(1, sampler.Most);
        Assert.Equal(2, sampler.Spans.Where(s => s.Writes > 1).Select(s => s.Node).Distinct().Count());
        Assert.True(writer.LongestGap > TimeSpan.Zero);
        // nothing of what the new primary acknowledged is missing there
        Assert.DoesNotContain(writer.Acknowledgements[^1].Id, await writer.MissingAsync(cluster, cluster.Nodes[1]));
    }

    [Fact]
    public async Task The_sampler_sees_a_split_brain()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var sampler = await WritableSampler.StartAsync(cluster);
        await Machine.UntilAsync(() => sampler.Spans.Any(s => s.Writes > 2), () => "no span of the primary");
        Assert.Equal(1, sampler.Most);
        await cluster.ExecuteAsync(cluster.Nodes[1], "select pg_promote(true)");
        await Machine.UntilAsync(() => sampler.Most == 2, () => "the second primary was not seen");
    }

    [Fact]
    public async Task A_frozen_server_answers_nothing_until_it_is_thawed()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0 });
        await cluster.Primary.FreezeAsync();
        await Assert.ThrowsAnyAsync<NpgsqlException>(async () =>
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(cluster.ConnectionString(cluster.Primary)) { Timeout = 1 }.ConnectionString);
            await connection.OpenAsync();
        });
        cluster.Primary.Thaw();
        Assert.Equal(1, await cluster.ScalarAsync<int>(cluster.Primary, "select 1"));
    }

    [Fact]
    public async Task A_broken_binary_cannot_be_started_until_it_is_mended()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0 });
        await cluster.Primary.KillAsync();
        cluster.Primary.BreakBinary();
        await Assert.ThrowsAsync<InvalidOperationException>(() => cluster.Primary.StartAsync());
        cluster.Primary.MendBinary();
        await cluster.Primary.StartAsync();
        Assert.Equal(1, await cluster.ScalarAsync<int>(cluster.Primary, "select 1"));
    }

    [Fact]
    public async Task A_relay_drops_cuts_vanishes_and_comes_back()
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, Relays = true });
        var relay = cluster.Primary.Relay!;
        await using var connection = new NpgsqlConnection(cluster.ConnectionString(relay.Port));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select 1", connection);

        relay.Set(Flow.Pass, Flow.Drop);
        var answer = command.ExecuteScalarAsync();
        // it reached the server, and the answer is kept back
        await cluster.UntilAsync(cluster.Primary, "select count(*) from pg_stat_activity where query = 'select 1' and state = 'idle'", 1L);
        Assert.False(answer.IsCompleted);
        relay.Restore();
        Assert.Equal(1, await answer);

        await relay.VanishAsync();
        using (var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            var connecting = socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, relay.Port));
            Assert.NotSame(connecting, await Task.WhenAny(connecting, Task.Delay(300)));
        }
        relay.Restore();
        Assert.Equal(1, await command.ExecuteScalarAsync());

        relay.Cut();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => command.ExecuteScalarAsync());
        relay.Restore();
        await cluster.UntilAsync(cluster.Primary, "select 1", 1);
        await using var again = new NpgsqlConnection(cluster.ConnectionString(relay.Port));
        await again.OpenAsync();
    }
}

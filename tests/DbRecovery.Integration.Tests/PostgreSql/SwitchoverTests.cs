using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Another primary by plan: nothing is lost, at most one takes writes, and the old one follows.</summary>
public sealed class SwitchoverTests
{
    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(0, true)]
    [Trait("Kind", "critical")]
    public async Task The_named_replica_takes_over_and_the_others_follow_it(int synchronous, bool cascading)
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Synchronous = synchronous, Cascading = cascading }, $"synchronous: {synchronous}, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync();
        await using var sampler = await lab.SamplerAsync();
        await writer.UntilAsync(100);
        var (old, next) = (lab.Cluster.Primary, lab.Cluster.Nodes[1]);
        var incident = (await lab.DbRecoveryAsync(0, "switchover", lab.Name, "--to", next.Name, "--window", "2m", "--yes", "--output", "json")).Object;
        Assert.Equal("planned.switchover", incident.GetProperty("fault").GetProperty("id").GetString());
        Assert.Equal("Resolved", incident.GetProperty("state").GetString());
        Assert.Contains(next.Name, incident.GetProperty("summary").GetString(), StringComparison.Ordinal);
        await writer.UntilAsync(50);
        await lab.Cluster.UntilStreamingAsync(old, next);
        await lab.Cluster.UntilStreamingAsync(lab.Cluster.Nodes[2], next);
        await writer.StopAsync();
        await sampler.StopAsync();
        Assert.Equal([next.Name], await lab.PrimariesAsync());
        Assert.True(sampler.Most <= 1, string.Join('\n', sampler.Spans));
        Assert.Empty(await writer.MissingAsync(lab.Cluster, next));
    }

    [Fact]
    public async Task Clients_of_a_pooler_only_wait()
    {
        await using var lab = await PgSituation.StartAsync();
        var old = lab.Cluster.Primary;
        await using var pooler = await PgBouncerLab.StartAsync($"[databases]\nlab = host=127.0.0.1 port={old.Port} dbname=postgres user=postgres\n", "trust", "pool_mode = transaction");
        lab.Write(PgSituation.Patient, $"    routes: [ {{ pgbouncer: \"127.0.0.1:{pooler.Port}\", database: lab, file: {pooler.DatabasesFile}, user: {PgBouncerLab.Admin}, password: {{ file: {pooler.PasswordFile} }} }} ]\n");
        // together some 200 writes a second, where the machine has the time
        var through = lab.Cluster.ConnectionString(pooler.Port, "lab");
        var writers = new List<Writer>();
        try
        {
            for (var i = 0; i < 8; i++)
                writers.Add(await Writer.StartAsync(lab.Cluster, [through], timeout: TimeSpan.FromMinutes(2), pause: TimeSpan.FromMilliseconds(40), first: 1 + i * 1_000_000_000L));
            foreach (var next in new[] { lab.Cluster.Nodes[1], old })
            {
                await lab.DbRecoveryAsync(0, "switchover", lab.Name, "--to", next.Name, "--window", "2m", "--yes", "--output", "json");
                await Task.WhenAll(writers.Select(w => w.UntilAsync(5)));
                Assert.Equal([next.Name], await lab.PrimariesAsync());
            }
            await Task.WhenAll(writers.Select(w => w.StopAsync()));
            Assert.All(writers, w => Assert.Equal(0, w.Errors));
            foreach (var writer in writers)
                Assert.Empty(await writer.MissingAsync(lab.Cluster, old));
        }
        finally
        {
            foreach (var writer in writers)
                await writer.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_replica_whose_replay_a_query_holds_back_is_not_asked_and_the_old_primary_goes_on()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_standby_streaming_delay"] = "-1" } }, PgSituation.Patient);
        var (old, next) = (lab.Cluster.Primary, lab.Cluster.Nodes[1]);
        await lab.Cluster.ExecuteAsync(old, "create table held (id int)");
        await lab.Cluster.UntilCaughtUpAsync(next, old);
        await using (var reader = await lab.Cluster.OpenAsync(next))
        {
            await using var reading = await reader.BeginTransactionAsync();
            await using (var command = new NpgsqlCommand("select count(*) from held", reader, reading))
                await command.ExecuteScalarAsync();
            await lab.Cluster.ExecuteAsync(old, "alter table held add column more int");
            await lab.DbRecoveryAsync(3, "switchover", lab.Name, "--to", next.Name, "--window", "3s", "--yes", "--output", "json");
            Assert.Equal([old.Name], await lab.PrimariesAsync());
        }
        // what was never asked for does not come to pass once the query is over
        await lab.Cluster.UntilCaughtUpAsync(next, old);
        Assert.Equal([old.Name], await lab.PrimariesAsync());
    }

    [Fact]
    public async Task A_plan_shows_every_statement_and_changes_nothing()
    {
        await using var lab = await PgSituation.StartAsync(policy: PgSituation.Patient);
        var plan = (await lab.DbRecoveryAsync(0, "switchover", lab.Name, "--to", lab.Cluster.Nodes[1].Name, "--plan", "--output", "json")).Object.ToString();
        Assert.Contains("pg_promote", plan, StringComparison.Ordinal);
        Assert.Contains("CHECKPOINT", plan, StringComparison.OrdinalIgnoreCase);
        Assert.Equal([lab.Cluster.Primary.Name], await lab.PrimariesAsync());
        Assert.Equal(1, await lab.Cluster.ScalarAsync<int>(lab.Cluster.Primary, "select timeline_id from pg_control_checkpoint()"));
    }
}

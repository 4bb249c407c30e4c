using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A primary goes, in every way that it can, under a writer that keeps its own book and a sampler of primaries.</summary>
public sealed class LostPrimaryTests
{
    [Fact]
    public async Task A_killed_server_whose_data_is_whole_is_started_again_and_nothing_is_lost()
    {
        await using var lab = await PgSituation.StartAsync(policy: $"autoRecover: true, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync();
        var watch = await lab.WatchAsync("--recover");
        await lab.Cluster.Primary.KillAsync();
        Assert.Equal("Probation", (await watch.UntilRecoveredAsync()).To);
        await writer.UntilAsync(50);
        await writer.StopAsync();
        Assert.Equal([lab.Cluster.Primary.Name], await lab.PrimariesAsync());
        Assert.Empty(await writer.MissingAsync(lab.Cluster, lab.Cluster.Primary));
        await watch.StopAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [Trait("Kind", "critical")]
    public async Task A_primary_that_cannot_be_started_again_is_replaced(int synchronous)
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Synchronous = synchronous }, $"autoRecover: true, maxDataLoss: 16MB, synchronous: {synchronous}, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync();
        await using var sampler = await lab.SamplerAsync();
        var watch = await lab.WatchAsync("--recover");
        await writer.UntilAsync(100);
        lab.Cluster.Primary.BreakBinary();
        await lab.Cluster.Primary.KillAsync();
        Assert.Equal("Probation", (await watch.UntilRecoveredAsync()).To);
        await writer.UntilAsync(50);
        await writer.StopAsync();
        await sampler.StopAsync();
        var now = Assert.Single(await lab.PrimariesAsync());
        Assert.NotEqual(lab.Cluster.Primary.Name, now);
        Assert.True(sampler.Most <= 1, string.Join('\n', sampler.Spans));
        var missing = await writer.MissingAsync(lab.Cluster, lab.Cluster[now]);
        if (synchronous > 0)
            Assert.Empty(missing);
        else
            await lab.AtMostThePreviewAsync(missing);
        // the sibling follows the new primary
        var sibling = lab.Cluster.Standbys.Single(s => s.Name != now);
        await lab.Cluster.UntilStreamingAsync(sibling, lab.Cluster[now]);
        await watch.StopAsync();
    }

    [Fact]
    [Trait("Kind", "critical")]
    public async Task A_frozen_primary_is_fenced_before_another_is_made_and_stays_fenced_when_it_thaws()
    {
        await using var lab = await PgSituation.StartAsync();
        await using var writer = await lab.WriterAsync();
        await using var sampler = await lab.SamplerAsync();
        var watch = await lab.WatchAsync("--recover");
        await writer.UntilAsync(100);
        await lab.Cluster.Primary.FreezeAsync();
        await watch.UntilAsync(e => e is { Kind: "StateChanged", To: "Primary" } && e.Node != lab.Cluster.Primary.Name, "another primary");
        await writer.UntilAsync(20);
        lab.Cluster.Primary.Thaw();
        await writer.UntilAsync(100);
        await writer.StopAsync();
        await sampler.StopAsync();
        var now = Assert.Single(await lab.PrimariesAsync());
        Assert.NotEqual(lab.Cluster.Primary.Name, now);
        Assert.True(sampler.Most <= 1, string.Join('\n', sampler.Spans));
        await lab.AtMostThePreviewAsync(await writer.MissingAsync(lab.Cluster, lab.Cluster[now]));
        await watch.StopAsync();
    }

    [Fact]
    public async Task The_old_primary_comes_back_as_a_standby_by_itself_and_its_lost_writes_are_listed()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { UpstreamRelays = true });
        await using var writer = await lab.WriterAsync();
        var watch = await lab.WatchAsync("--recover");
        // what is written now reaches no standby: it will be lost, and known
        foreach (var standby in lab.Cluster.Standbys)
            standby.UpstreamRelay!.Set(Flow.Pass, Flow.Drop);
        await writer.UntilAsync(50);
        // its program is broken for as long as it takes to fail over
        lab.Cluster.Primary.BreakBinary();
        await lab.Cluster.Primary.KillAsync();
        await watch.UntilAsync(e => e is { Kind: "StateChanged", To: "Primary" } && e.Node != lab.Cluster.Primary.Name, "another primary");
        lab.Cluster.Primary.MendBinary();
        var now = Assert.Single(await lab.PrimariesAsync());
        await lab.Cluster.UntilStreamingAsync(lab.Cluster.Primary, lab.Cluster[now]);
        var lost = Directory.GetFiles(lab.Cluster.Primary.Folder, "lost-writes.jsonl", SearchOption.AllDirectories);
        Assert.Contains(File.ReadLines(Assert.Single(lost)), line => line.Contains("lab_writes", StringComparison.Ordinal));
        await writer.StopAsync();
        Assert.NotEmpty(await writer.MissingAsync(lab.Cluster, lab.Cluster[now]));
        await watch.StopAsync();
    }

    [Fact]
    public async Task A_takeover_can_be_asked_for_where_nobody_has_seen_the_primary_alive()
    {
        await using var lab = await PgSituation.StartAsync(policy: PgSituation.Patient);
        lab.Cluster.Primary.BreakBinary();
        await lab.Cluster.Primary.KillAsync();
        await lab.DbRecoveryAsync(0, "failover", lab.Name, "--yes", "--allow-data-loss", "any");
        Assert.NotEqual(lab.Cluster.Primary.Name, Assert.Single(await lab.PrimariesAsync()));
    }
}

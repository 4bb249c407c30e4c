using System.Collections.Concurrent;
using System.Net;
using System.Text.RegularExpressions;
using DbRecovery.PostgresLab;
using DbRecovery.Runtime;
using Xunit.Abstractions;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>The watch over real servers: what it says of them, and how load balancers hear it.</summary>
public sealed class WatchTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<WatchEvent> _told = new();
    private PgCluster _lab = null!;
    private Task _watching = Task.CompletedTask;

    public async Task InitializeAsync() => _lab = await PgCluster.StartAsync(new PgClusterOptions { WalLogHints = true });

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching.WaitAsync(Wait.Limit);
        foreach (var told in _told)
            output.WriteLine($"{told.At:HH:mm:ss.fff} {told.Kind} {told.Cluster}/{told.Node} {told.Fault?.Id} {told.Summary}");
        _stop.Dispose();
        await _lab.DisposeAsync();
    }

    private void Watch(string? listen = null, string policy = "detectWithin: 2s")
    {
        var inventory = Path.Combine(_lab.Folder, "dbrecovery.yml");
        File.WriteAllText(inventory, _lab.Definition($"    policy: {{ {policy} }}") + "\n");
        var runtime = new RecoveryRuntime(new RuntimeOptions { InventoryPath = inventory, WorkingFolder = _lab.Folder, StateFolder = Path.Combine(_lab.Folder, "state") });
        var events = runtime.WatchAsync(runtime.GetClusters(), null, recover: false, listen, null, _stop.Token);
        _watching = Task.Run(async () =>
        {
            await foreach (var told in events)
                _told.Enqueue(told);
        });
    }

    private Task UntilToldAsync(Func<WatchEvent, bool> which, string what) => Wait.UntilAsync(() =>
    {
        Assert.False(_watching.IsFaulted, _watching.Exception?.ToString());
        return _told.Any(which);
    }, what);

    private bool Raised(string fault, string? node) => _told.Any(t => t.Kind == WatchEventKind.FaultRaised && t.Fault!.Id == fault && t.Node == node);

    [Fact]
    public async Task A_primary_that_dies_is_known_to_be_dead_and_no_balancer_hears_otherwise()
    {
        Watch("127.0.0.1:0", PgSituation.Patient);
        await UntilToldAsync(t => t.Kind == WatchEventKind.Started, "the start");
        var address = new Uri(Regex.Match(_told.First(t => t.Kind == WatchEventKind.Watcher).Summary, "http://[0-9.:]+").Value);
        using var client = new HttpClient { BaseAddress = address };
        async Task<HttpStatusCode> Ask(string path) => (await client.GetAsync(new Uri(path, UriKind.Relative))).StatusCode;
        var (primary, standby) = (_lab.Primary.Name, _lab.Standbys.First().Name);
        Assert.Equal(HttpStatusCode.OK, await Ask("/primary"));
        Assert.Equal(HttpStatusCode.OK, await Ask($"/lab/{primary}/primary"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await Ask($"/lab/{standby}/primary"));
        Assert.Equal(HttpStatusCode.OK, await Ask($"/lab/{standby}/replica?lag=16MB"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await Ask($"/lab/{primary}/replica"));
        Assert.Equal(HttpStatusCode.OK, await Ask("/healthz"));
        Assert.Equal(HttpStatusCode.NotFound, await Ask("/lab/nobody/primary"));
        // nothing is wrong in a cluster that nobody touched
        Assert.DoesNotContain(_told, t => t.Kind == WatchEventKind.FaultRaised && t.Fault!.Severity <= FaultSeverity.Degraded);

        var killed = DateTimeOffset.UtcNow;
        await _lab.Primary.KillAsync();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultRaised && t.Fault!.Id == "pg.primary.dead", "the death of the primary");
        var told = _told.First(t => t.Kind == WatchEventKind.FaultRaised && t.Fault!.Id == "pg.primary.dead");
        output.WriteLine($"pg.primary.dead was told {(told.At - killed).TotalMilliseconds:0} ms after the kill");
        Assert.Equal(primary, told.Fault!.Node);
        await Wait.UntilAsync(() => Ask("/primary").Result == HttpStatusCode.ServiceUnavailable, "the balancers' answer");
        Assert.DoesNotContain(_told, t => t.Kind == WatchEventKind.FaultRaised && t.Fault!.Id is "topology.split-brain" or "net.watcher-isolated");

        await _lab.Primary.StartAsync();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultCleared && t.Fault!.Id == "pg.primary.dead", "its return");
        await Wait.UntilAsync(() => Ask($"/lab/{primary}/primary").Result == HttpStatusCode.OK, "the balancers' answer");
    }

    [Fact]
    public async Task A_standby_that_dies_is_no_dead_primary()
    {
        Watch(policy: PgSituation.Patient);
        await UntilToldAsync(t => t.Kind == WatchEventKind.Started, "the start");
        var standby = _lab.Standbys.First();
        await standby.KillAsync();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultRaised && t.Node == standby.Name, "a fault of the standby");
        await standby.StartAsync();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultCleared && t.Node == standby.Name, "its end");
        Assert.False(Raised("pg.primary.dead", _lab.Primary.Name));
    }

    [Fact]
    public async Task A_hung_primary_is_called_down()
    {
        Watch();
        await UntilToldAsync(t => t.Kind == WatchEventKind.Started, "the start");
        var frozen = DateTimeOffset.UtcNow;
        await _lab.Primary.FreezeAsync();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultRaised && t.Node == _lab.Primary.Name && t.Fault!.Severity <= FaultSeverity.Outage, "the fault");
        output.WriteLine($"told {(_told.Last(t => t.Kind == WatchEventKind.FaultRaised).At - frozen).TotalMilliseconds:0} ms after the freeze");
        _lab.Primary.Thaw();
        await UntilToldAsync(t => t.Kind == WatchEventKind.FaultCleared && t.Node == _lab.Primary.Name, "its end");
    }
}

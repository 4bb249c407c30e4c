using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using DbRecovery.PostgresLab;
using DbRecovery.Runtime;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A real cluster with a watch that may act, a writer that knows every node, and a sampler of who takes writes.</summary>
internal sealed class WatchedCluster : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private Task _watch = Task.CompletedTask;

    private WatchedCluster(PgCluster lab, string policy, Func<string, string>? change)
    {
        Lab = lab;
        var inventory = Path.Combine(lab.Folder, "dbrecovery.yml");
        var text = lab.Definition($"    policy: {{ {policy} }}") + "\n";
        File.WriteAllText(inventory, change?.Invoke(text) ?? text);
        Runtime = new RecoveryRuntime(new RuntimeOptions { InventoryPath = inventory, WorkingFolder = lab.Folder, StateFolder = Path.Combine(lab.Folder, "state") });
        Cluster = Runtime.GetCluster(lab.Options.Name);
    }

    public PgCluster Lab { get; }
    public RecoveryRuntime Runtime { get; }
    public ClusterDefinition Cluster { get; }
    public ConcurrentQueue<(long At, WatchEvent Event)> Events { get; } = new();
    public Writer Writer { get; private set; } = null!; // set before anybody has the cluster
    public WritableSampler Sampler { get; private set; } = null!;

    /// <summary>Starts a cluster and what watches it.</summary>
    /// <param name="options">The cluster.</param>
    /// <param name="policy">The entries of <c>policy</c>.</param>
    /// <param name="recover">Whether the watch may act.</param>
    /// <param name="change">Changes the text of the inventory.</param>
    /// <param name="probe">What counts as taking a write.</param>
    /// <param name="prepare">What is done before anything watches or writes.</param>
    public static async Task<WatchedCluster> StartAsync(
        PgClusterOptions options, string policy, bool recover = true, Func<string, string>? change = null, WriteProbe probe = WriteProbe.Local,
        Func<PgCluster, Task>? prepare = null)
    {
        var watched = new WatchedCluster(await PgCluster.StartAsync(options), policy, change);
        try
        {
            var lab = watched.Lab;
            if (prepare is not null)
                await prepare(lab);
            watched.Writer = await Writer.StartAsync(lab, pause: TimeSpan.FromMilliseconds(2));
            watched.Sampler = await WritableSampler.StartAsync(lab, probe);
            await PgSituation.LookTwiceAsync(watched.Runtime, watched.Cluster);
            watched._watch = Task.Run(() => watched.WatchAsync(recover));
            await watched.UntilAsync(() => watched.Events.Any(e => e.Event.Kind == WatchEventKind.Started), "the watch saw nothing");
            await watched.Writer.UntilAsync(500);
            return watched;
        }
        catch
        {
            await watched.DisposeAsync();
            throw;
        }
    }

    public async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        var since = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(since) > TimeSpan.FromMinutes(2))
                throw new TimeoutException($"{otherwise}\n{Story()}");
            await Task.Delay(10);
        }
    }

    /// <summary>Waits until an incident has come to where it does not go on by itself.</summary>
    public async Task<IncidentReport> IncidentAsync(string fault = "pg.primary.dead")
    {
        IncidentState[] resting = [IncidentState.Probation, IncidentState.Resolved, IncidentState.Failed, IncidentState.Suppressed, IncidentState.AwaitingApproval, IncidentState.AmbiguousHalt, IncidentState.Cancelled];
        await UntilAsync(() => Runtime.GetIncidents(Cluster.Name).Any(i => i.Fault.Id == fault && resting.Contains(i.State)), "no incident came to an end");
        return Runtime.GetIncidents(Cluster.Name).First(i => i.Fault.Id == fault && resting.Contains(i.State));
    }

    /// <summary>What the watch says to a load balancer.</summary>
    public async Task<string> AskAsync(string path)
    {
        using var client = new HttpClient();
        using var answer = await client.GetAsync(Regex.Match(Events.First(e => e.Event.Kind == WatchEventKind.Watcher).Event.Summary, "http://[0-9.:]+").Value + path);
        return await answer.Content.ReadAsStringAsync();
    }

    public string Story() => string.Join('\n', [.. Events.Select(e => $"{TimeSpan.FromSeconds((double)e.At / Stopwatch.Frequency):c} {e.Event.Kind} {e.Event.Node} {e.Event.Summary}"),
        .. Runtime.GetIncidents(Cluster.Name).SelectMany(i => i.Timeline.Select(t => $"{t.At:HH:mm:ss.fff} {t.State} {t.Step} {t.Event}"))]);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await Task.WhenAny(_watch, Task.Delay(TimeSpan.FromSeconds(30)));
        if (Sampler is not null)
            await Sampler.DisposeAsync();
        if (Writer is not null)
            await Writer.DisposeAsync();
        await Lab.DisposeAsync();
        _end.Dispose();
    }

    private async Task WatchAsync(bool recover)
    {
        try
        {
            await foreach (var seen in Runtime.WatchAsync([Cluster], TimeSpan.FromMilliseconds(200), recover, "127.0.0.1:0", null, _end.Token))
                Events.Enqueue((Stopwatch.GetTimestamp(), seen));
        }
        catch (OperationCanceledException)
        {
            // the end of the test
        }
    }
}

using System.Collections.Concurrent;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

/// <summary>A watch over fake servers with a clock that the test moves: in small steps, and only when the watch is asleep.</summary>
internal sealed class WatchWorld : IClusterJudge, IHealthService, IAsyncDisposable
{
    public static readonly TimeSpan Step = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<WatchEvent> _events = new();
    private Task _watching = Task.CompletedTask;
    private int _asleep;
    private HealthWatch? _watch;

    public WatchWorld() => Servers = new FakeServers { Clock = Time };

    public SetTime Time { get; } = new();
    public FakeServers Servers { get; }
    public List<ClusterDefinition> Clusters { get; } = [];
    public IIncidentService? Incidents { get; set; }
    public IRunbookLibrary? Runbooks { get; set; }
    /// <summary>The rule of the test: the faults of a round.</summary>
    public Func<ClusterRound, IEnumerable<Fault>> Rule { get; set; } = _ => [];
    /// <summary>What a longer look waits for.</summary>
    public Func<ClusterDefinition, CancellationToken, Task> Examined { get; set; } = (_, _) => Task.CompletedTask;
    public IReadOnlyList<WatchEvent> Events => [.. _events];
    public bool KeepEvents { get; set; } = true;
    public int Judged;
    public int EventCount;

    public static ClusterDefinition Cluster(string name = "c", TimeSpan? poll = null, bool autoRecover = false, params string[] nodes) => new()
    {
        Name = name, Engine = "fake",
        Nodes = [.. (nodes.Length == 0 ? ["n1", "n2"] : nodes).Select(n => new NodeDefinition { Name = n, Host = "127.0.0.1", Port = 5432 })],
        Policy = new PolicySettings { Poll = poll ?? TimeSpan.FromSeconds(1), AutoRecover = autoRecover },
    };

    public static Fault FaultOf(ClusterRound round, string id, string? node, FaultSeverity severity = FaultSeverity.Outage, int confirmations = 2) => new()
    {
        Id = id, Severity = severity, Confidence = FaultConfidence.Certain, Cluster = round.Cluster.Name, Engine = "fake", Node = node, Summary = id, DetectedAt = DateTimeOffset.UnixEpoch,
        Evidence = [], Confirmations = confirmations, Definition = round.Cluster,
    };

    public void Start(WatchOptions? options = null)
    {
        // each cluster's loop and its longer looks sleep by a timer each
        _asleep = Clusters.Count * 2 + (options?.For is null ? 0 : 1);
        var watch = _watch = new HealthWatch(new WatchServices { Providers = _ => Servers, Judge = this, Health = this, Incidents = Incidents, Runbooks = Runbooks, Clock = Time });
        var events = watch.WatchAsync((options ?? new WatchOptions { Clusters = Clusters }) with { Clusters = Clusters, Recover = Incidents is not null, StandardEvery = TimeSpan.FromDays(20) }, _stop.Token);
        _watching = Task.Run(async () =>
        {
            await foreach (var told in events)
            {
                if (KeepEvents)
                    _events.Enqueue(told);
                Interlocked.Increment(ref EventCount);
            }
        });
    }

    /// <summary>Lets time pass until something is so.</summary>
    public async Task UntilAsync(Func<bool> condition, string what, TimeSpan? step = null)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var turns = 0;
        while (!condition())
        {
            Assert.True(clock.Elapsed < Wait.Limit, $"waited in vain for {what}; told: {string.Join(" | ", Events.Select(e => $"{e.Kind} {e.Summary}"))}");
            Assert.False(_watching.IsFaulted, _watching.Exception?.ToString());
            if (IsAsleep)
                Time.Advance(step ?? Step);
            else if (++turns % 16 == 0)
                await Task.Delay(1);
            await Task.Yield();
        }
    }

    // a loop that was called has its timer still, and a look that a test holds back is no reason to wait: time passes over it. What was told has been read
    private bool IsAsleep => _watch is { Watches: { Count: > 0 } watches } && Time.Waiting >= _asleep && watches.All(w => w.IsAsleep) && !watches.Any(w => w.Looking.Any(n => !Servers.IsOpen(n)))
        && Volatile.Read(ref EventCount) == _watch.Told;

    /// <summary>Lets a time pass. Each minute of it may take as long as anything else: an hour has thousands of rounds.</summary>
    public async Task PassAsync(TimeSpan time, TimeSpan? step = null)
    {
        var end = Time.GetUtcNow() + time;
        for (var until = end - time; until < end;)
        {
            until = until + s_minute < end ? until + s_minute : end;
            await UntilAsync(() => Time.GetUtcNow() >= until && IsAsleep, $"{time} to pass", step);
        }
    }

    public bool Told(WatchEventKind kind, string? id = null) => Events.Any(e => e.Kind == kind && (id is null || e.Fault?.Id == id));

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _watching.WaitAsync(Wait.Limit);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    public HealthReport Judge(ClusterRound round)
    {
        Interlocked.Increment(ref Judged);
        Fault[] faults = [.. Rule(round)];
        return new HealthReport
        {
            Cluster = round.Cluster.Name, Engine = "fake", ObservedAt = round.StartedAt, Duration = round.Duration, Level = round.Level, Checks = [], Faults = faults, Nodes = [],
            Status = faults.Any(f => f.Severity <= FaultSeverity.Outage) ? HealthStatus.Failed : faults.Length > 0 ? HealthStatus.Degraded : HealthStatus.Healthy,
            Observations = round.Nodes, Definition = round.Cluster,
        };
    }

    public async Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        await Examined(cluster, cancellationToken);
        return Judge(new ClusterRound { Cluster = cluster, Nodes = [], Level = level, StartedAt = Time.GetUtcNow(), Duration = TimeSpan.Zero });
    }

    public Task<BackupKnowledge?> KnowBackupsAsync(ClusterDefinition cluster, CancellationToken cancellationToken) => Task.FromResult<BackupKnowledge?>(null);
    public Task<IReadOnlyList<RouteObservation>> LookAtRoutesAsync(ClusterDefinition cluster, ObservationLevel level, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<RouteObservation>>([]);
    public Task<IReadOnlyList<CustomCheckResult>> RunChecksAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<CustomCheckResult>>([]);
    public Task ReadEpochsAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, ObservationLevel level, CancellationToken cancellationToken) => Task.CompletedTask;
}

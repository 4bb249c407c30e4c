using System.Runtime.CompilerServices;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Watch;

/// <summary>
/// The loop: watches clusters until it is stopped, each by itself, and gives what changes as events. Nothing that happens to what it watches
/// ends it: a cluster that cannot be watched at all is told and left out.
/// </summary>
/// <param name="services">What it works with.</param>
public sealed class HealthWatch(WatchServices services)
{
    /// <summary>Looks that read data and are made at one time: with hundreds of clusters all of them at once would make every light look late.</summary>
    private const int SlowAtOnce = 8;

    /// <summary>The time between the first rounds of two clusters: hundreds of logins in one moment would be late, and so would every round after them.</summary>
    private static readonly TimeSpan s_apart = TimeSpan.FromMilliseconds(20);
    private EventQueue? _queue;

    /// <summary>The clusters' watches; for tests whose clock must not outrun them.</summary>
    internal IReadOnlyList<ClusterWatch> Watches { get; private set; } = [];

    /// <summary>The events that were told; for tests whose clock must not outrun whoever reads them.</summary>
    internal int Told => _queue?.Added ?? 0;

    /// <summary>
    /// Watches. The sequence ends, without an error, when it is cancelled or the options' time is over, and a recovery under way has come
    /// to where it can be put down. What the reader takes too slowly is left out and counted; the watch never waits for it.
    /// </summary>
    /// <param name="options">What is watched.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: nothing to watch, an interval that is too short, an address that cannot be listened on.</exception>
    public async IAsyncEnumerable<WatchEvent> WatchAsync(WatchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Check(options);
        var queue = _queue = new EventQueue(options.MostWaiting, services.Clock);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = options.For is { } limit ? services.Clock.CreateTimer(_ => TryCancel(stopping), null, limit, Timeout.InfiniteTimeSpan) : null;
        using var slow = new SemaphoreSlim(SlowAtOnce);
        var watches = Make(options, queue, slow, stopping.Token);
        Watches = watches;
        using var endpoint = options.Listen is { } address ? new WatchEndpoint(address, watches, services.Clock) : null;
        if (endpoint is not null)
            queue.Tell(Word("", $"load balancers may ask http://{endpoint.Address}"));
        if (options.Recover && services.Runbooks is { } runbooks && LeftOut.Sentence(runbooks.Invalid) is { } leftOut)
            queue.Tell(Word("", leftOut));
        var running = RunAsync(watches, endpoint, queue, stopping.Token);
        try
        {
            await foreach (var told in queue.ReadAsync().ConfigureAwait(false))
                yield return told;
        }
        finally
        {
            // a reader that stopped reading stops the watch
            await stopping.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(false);
            foreach (var watch in watches)
                watch.Dispose();
        }
    }

    private static void Check(WatchOptions options)
    {
        if (options.Clusters.Count == 0)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "there is nothing to watch", "Name a cluster, or add one to the inventory.");
        if (options.Every is { } every && every < WatchOptions.ShortestEvery)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"an interval of {every.TotalMilliseconds} ms is too short", $"Give at least {WatchOptions.ShortestEvery.TotalMilliseconds} ms: what happens in between is told by the open connections.");
    }

    private List<ClusterWatch> Make(WatchOptions options, EventQueue queue, SemaphoreSlim slow, CancellationToken stopping)
    {
        var watches = new List<ClusterWatch>();
        DbRecoveryException? first = null;
        foreach (var cluster in options.Clusters)
        {
            try
            {
                watches.Add(new ClusterWatch(cluster, services, options, slow, queue.Tell, stopping));
            }
            catch (DbRecoveryException e)
            {
                first ??= e;
                queue.Tell(Word(cluster.Name, $"'{cluster.Name}' is not watched: {e.Message}"));
            }
        }
        return watches.Count > 0 ? watches : throw first!;
    }

    private async Task RunAsync(List<ClusterWatch> watches, WatchEndpoint? endpoint, EventQueue queue, CancellationToken stopping)
    {
        var answering = endpoint?.RunAsync(stopping) ?? Task.CompletedTask;
        await Task.WhenAll(watches.Select((w, i) => Task.Run(() => w.RunAsync(s_apart * i), CancellationToken.None))).ConfigureAwait(false);
        await answering.ConfigureAwait(false);
        queue.Complete();
    }

    private WatchEvent Word(string cluster, string text) => new() { At = services.Clock.GetUtcNow(), Kind = WatchEventKind.Watcher, Cluster = cluster, Summary = text };

    private static void TryCancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // it ended by itself in this moment
        }
    }
}

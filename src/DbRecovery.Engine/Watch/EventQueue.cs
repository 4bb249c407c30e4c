using System.Threading.Channels;

namespace DbRecovery.Engine.Watch;

/// <summary>The events on their way to whoever reads them. A reader that is too slow costs events, never a round; it is told how many.</summary>
internal sealed class EventQueue(int most, TimeProvider clock)
{
    private readonly Channel<WatchEvent> _channel = Channel.CreateBounded<WatchEvent>(new BoundedChannelOptions(most) { SingleReader = true });
    private long _dropped;
    private int _added;

    /// <summary>The events that were added; for tests whose clock must not outrun whoever reads them.</summary>
    public int Added => Volatile.Read(ref _added);

    /// <summary>Adds an event, or counts it where there is no room.</summary>
    public void Tell(WatchEvent told)
    {
        var dropped = Interlocked.Exchange(ref _dropped, 0);
        if (dropped > 0 && !TryAdd(Lost(dropped)))
        {
            Interlocked.Add(ref _dropped, dropped + 1);
            return;
        }
        if (!TryAdd(told))
            Interlocked.Increment(ref _dropped);
    }

    private bool TryAdd(WatchEvent told)
    {
        if (!_channel.Writer.TryWrite(told))
            return false;
        Interlocked.Increment(ref _added);
        return true;
    }

    /// <summary>No more events come.</summary>
    public void Complete() => _channel.Writer.TryComplete();

    /// <summary>The events, until there will be no more.</summary>
    public async IAsyncEnumerable<WatchEvent> ReadAsync()
    {
        await foreach (var told in _channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            yield return told;
        // the last ones may have been too many, too
        if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
            yield return Lost(dropped);
    }

    private WatchEvent Lost(long count) => new()
    {
        At = clock.GetUtcNow(), Kind = WatchEventKind.Watcher, Cluster = "",
        Summary = $"{Counted.Of((int)Math.Min(count, int.MaxValue), "event")} could not be told, because whoever reads them was too slow",
    };
}

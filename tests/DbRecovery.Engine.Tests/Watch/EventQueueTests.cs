using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

public sealed class EventQueueTests
{
    private static WatchEvent Event(int number) => new() { At = DateTimeOffset.UnixEpoch, Kind = WatchEventKind.StateChanged, Cluster = "c", Summary = $"{number}" };

    [Fact]
    public async Task A_slow_reader_loses_events_and_hears_how_many()
    {
        var queue = new EventQueue(4, TimeProvider.System);
        for (var i = 0; i < 10; i++)
            queue.Tell(Event(i));
        var read = new List<WatchEvent>();
        await using var events = queue.ReadAsync().GetAsyncEnumerator();
        for (var i = 0; i < 4 && await events.MoveNextAsync(); i++)
            read.Add(events.Current);
        queue.Tell(Event(10));
        queue.Complete();
        while (await events.MoveNextAsync())
            read.Add(events.Current);
        Assert.Equal(["0", "1", "2", "3"], read.Take(4).Select(e => e.Summary));
        Assert.Equal(WatchEventKind.Watcher, read[4].Kind);
        Assert.StartsWith("6 ", read[4].Summary, StringComparison.Ordinal);
        Assert.Equal("10", read[5].Summary);
        Assert.Equal(6, read.Count);
    }

    [Fact]
    public async Task What_was_lost_last_is_told_at_the_end()
    {
        var queue = new EventQueue(1, TimeProvider.System);
        queue.Tell(Event(1));
        queue.Tell(Event(2));
        queue.Complete();
        var read = new List<WatchEvent>();
        await foreach (var told in queue.ReadAsync())
            read.Add(told);
        Assert.Equal([WatchEventKind.StateChanged, WatchEventKind.Watcher], read.Select(e => e.Kind));
    }
}

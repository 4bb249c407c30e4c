using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>The rounds of continuous protection, with a clock that comes to each moment at once.</summary>
public sealed class ContinuousProtectionTests : BackupFixture
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);
    private readonly HurryingClock _clock = new();
    private readonly List<TimeSpan> _thinned = [], _taken = [];
    private readonly List<DbRecoveryException> _failed = [];
    private readonly ScriptedWatch _watch = new();

    public ContinuousProtectionTests() => Database.Files["data.db"] = Rows(20_000, 1);

    private Task<int> RunAsync(ContinuousOptions options, Func<Task>? thin = null) =>
        new ContinuousProtection(Service, _watch, _clock, async (_, _, _) => { _thinned.Add(_clock.Gone); await (thin?.Invoke() ?? Task.CompletedTask); })
            .RunAsync(Cluster, Repository, options, _ => _taken.Add(_clock.Gone), _failed.Add, CancellationToken.None);

    [Fact]
    public async Task What_changed_is_taken_each_round_and_thinned_each_minute()
    {
        _watch.Mark = round => $"{round}";
        Assert.Equal(13, await RunAsync(new ContinuousOptions { Every = Every, Count = 13 }));
        Assert.Equal(Enumerable.Range(0, 13).Select(i => i * Every), _taken);
        Assert.Equal([TimeSpan.Zero, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(2)], _thinned);
        Assert.Equal(13, (await ListAsync()).Count);
    }

    [Fact]
    public async Task Where_nothing_changes_nothing_is_taken()
    {
        _watch.Mark = round => round < 5 ? "a" : "b";
        Assert.Equal(2, await RunAsync(new ContinuousOptions { Every = Every, For = TimeSpan.FromMinutes(5) }));
        Assert.Equal([TimeSpan.Zero, 5 * Every], _taken);
        Assert.Equal(TimeSpan.FromMinutes(5), _clock.Gone);
    }

    [Fact]
    public async Task The_node_that_is_watched_is_the_one_that_is_backed_up()
    {
        Cluster = Cluster with { Nodes = [new NodeDefinition { Name = "first", Path = "/a", Priority = 100 }, new NodeDefinition { Name = "least-missed", Path = "/b", Priority = 10 }] };
        _watch.Mark = round => $"{round}";
        await RunAsync(new ContinuousOptions { Every = Every, Count = 1 });

        Assert.Equal((await ListAsync()).Single().Node, _watch.Watched);
    }

    [Fact]
    public async Task Errors_cost_their_rounds_which_come_later_and_later_and_at_least_each_minute()
    {
        _watch.Mark = round => round < 6 ? throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "locked") : "a";
        Assert.Equal(1, await RunAsync(new ContinuousOptions { Every = Every, Count = 1 }));
        Assert.Equal(6, _failed.Count);
        Assert.Equal([TimeSpan.FromSeconds(20 + 40 + 60 + 60 + 60 + 60)], _taken);
    }

    [Fact]
    public async Task A_thinning_that_fails_is_told_and_backups_go_on()
    {
        _watch.Mark = round => $"{round}";
        Assert.Equal(3, await RunAsync(new ContinuousOptions { Every = Every, Count = 3 }, () => throw new DbRecoveryException(ErrorIds.ClockSkew, ErrorKind.Refused, "skew")));
        Assert.Equal(ErrorIds.ClockSkew, Assert.Single(_failed).Id);
    }

    private sealed class ScriptedWatch : IChangeWatch
    {
        private int _round;
        public Func<int, string> Mark { get; set; } = _ => "same";
        public string? Watched { get; private set; }

        public Task<string> MarkAsync(NodeDefinition node, CancellationToken cancellationToken)
        {
            Watched = node.Name;
            return Task.FromResult(Mark(_round++));
        }
    }

    /// <summary>A clock on which the earliest timer is due at once: time goes where somebody waits for it.</summary>
    private sealed class HurryingClock : TimeProvider
    {
        private readonly object _lock = new();
        private readonly List<Timer> _timers = [];
        public TimeSpan Gone { get; private set; }
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => Gone.Ticks;
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Gone;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Timer(this, callback, state, Gone + dueTime);
            lock (_lock)
                _timers.Add(timer);
            // a timer for the whole run is waited for by nobody: it is due when another one comes to its time
            if (dueTime <= TimeSpan.FromMinutes(1))
                _ = Task.Run(() => Reach(timer.Due));
            return timer;
        }

        private void Reach(TimeSpan until)
        {
            while (true)
            {
                Timer? next;
                lock (_lock)
                {
                    next = _timers.Where(t => t.Due <= until).MinBy(t => t.Due);
                    if (next is null)
                        return;
                    _timers.Remove(next);
                    Gone = next.Due > Gone ? next.Due : Gone;
                }
                next.Fire();
            }
        }

        private sealed class Timer(HurryingClock clock, TimerCallback callback, object? state, TimeSpan due) : ITimer
        {
            public TimeSpan Due => due;
            public void Fire() => callback(state);
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                lock (clock._lock)
                    clock._timers.Remove(this);
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}

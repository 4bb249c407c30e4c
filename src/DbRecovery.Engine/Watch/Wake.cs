namespace DbRecovery.Engine.Watch;

/// <summary>
/// Lets one loop sleep until a moment or until somebody calls, without an exception for either: a watch does both many times a second.
/// What is set before a call is seen after it.
/// </summary>
internal sealed class Wake : IDisposable
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);
    private readonly ITimer _timer;
    private readonly CancellationTokenRegistration _cancelled;
    private TaskCompletionSource _signal = Make();
    private volatile bool _asleep;

    public Wake(TimeProvider clock, CancellationToken cancellationToken)
    {
        _timer = clock.CreateTimer(static wake => ((Wake)wake!).Call(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _cancelled = cancellationToken.Register(static wake => ((Wake)wake!).Call(), this);
    }

    /// <summary>Whether the loop sleeps, and nobody has called it yet.</summary>
    public bool IsAsleep => _asleep && !Volatile.Read(ref _signal).Task.IsCompleted;

    /// <summary>Wakes the loop, or keeps it from falling asleep.</summary>
    public void Call() => Volatile.Read(ref _signal).TrySetResult();

    /// <summary>Sleeps. A cancellation wakes, too.</summary>
    public async Task SleepAsync(TimeSpan atMost)
    {
        if (atMost > TimeSpan.Zero)
        {
            _timer.Change(atMost < s_longest ? atMost : s_longest, Timeout.InfiniteTimeSpan);
            _asleep = true;
            await _signal.Task.ConfigureAwait(false);
            _asleep = false;
        }
        // before the loop looks at what woke it: what comes from now on is a new call
        Volatile.Write(ref _signal, Make());
    }

    public void Dispose()
    {
        _cancelled.Dispose();
        _timer.Dispose();
    }

    private static TaskCompletionSource Make() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

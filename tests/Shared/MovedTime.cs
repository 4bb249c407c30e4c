namespace DbRecovery.Tests;

/// <summary>The machine's clock with its wall time moved; durations go on as they are, but for one that a test ends itself.</summary>
internal sealed class MovedTime : TimeProvider
{
    private Action? _end;

    public TimeSpan By { get; set; }

    /// <summary>What has this time has it until <see cref="EndHeld"/>.</summary>
    public TimeSpan? Held { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + By;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime != Held)
            return base.CreateTimer(callback, state, dueTime, period);
        var timer = base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
        Volatile.Write(ref _end, () => callback(state));
        return timer;
    }

    /// <summary>Whether something waits for it.</summary>
    public bool IsHolding => Volatile.Read(ref _end) is not null;

    /// <summary>The time that is held is over.</summary>
    public void EndHeld() => Interlocked.Exchange(ref _end, null)!();
}

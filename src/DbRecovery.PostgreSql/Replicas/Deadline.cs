namespace DbRecovery.PostgreSql.Replicas;

/// <summary>The time that is left for several things in a row.</summary>
internal readonly record struct Deadline(TimeProvider Clock, long Start, TimeSpan Time)
{
    internal static Deadline In(TimeSpan time, TimeProvider clock) => new(clock, clock.GetTimestamp(), time);

    /// <summary>What is left.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.TimedOut"/>: nothing.</exception>
    public TimeSpan Left => Time - Clock.GetElapsedTime(Start) is { Ticks: > 0 } left
        ? left
        : throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"it did not end within {Time.TotalSeconds:0.#} s");
}

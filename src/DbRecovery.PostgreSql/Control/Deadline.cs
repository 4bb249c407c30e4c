namespace DbRecovery.PostgreSql.Control;

/// <summary>The time that is left of a time.</summary>
internal sealed class Deadline(TimeProvider clock, TimeSpan time)
{
    // what is asked at the very end still gets a chance to be answered
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    private readonly long _begun = clock.GetTimestamp();

    /// <summary>What is left, never nothing.</summary>
    internal TimeSpan Left => time - clock.GetElapsedTime(_begun) is var left && left > Least ? left : Least;

    /// <summary>Whether it is over.</summary>
    internal bool IsOver => clock.GetElapsedTime(_begun) >= time;

    /// <summary>Waits a little.</summary>
    internal Task PauseAsync(TimeSpan pause, CancellationToken cancellationToken) => Task.Delay(pause < Left ? pause : Left, clock, cancellationToken);
}

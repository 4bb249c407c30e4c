namespace DbRecovery.Tests;

/// <summary>The machine's clock with its wall time moved; durations go on as they are.</summary>
internal sealed class MovedTime : TimeProvider
{
    public TimeSpan By { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + By;
}

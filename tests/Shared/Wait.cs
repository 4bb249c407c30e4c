using System.Diagnostics;

namespace DbRecovery.Tests;

/// <summary>Waits for what another thread or process does.</summary>
internal static class Wait
{
    /// <summary>A bound for what should never end: so long that no busy machine comes to it.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Limit, $"waited in vain for {what}");
            await Task.Delay(5);
        }
    }
}

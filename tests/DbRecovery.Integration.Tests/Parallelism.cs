using System.Runtime.CompilerServices;

// most of a test's time is spent waiting for processes
[assembly: CollectionBehavior(MaxParallelThreads = 4)]

namespace DbRecovery.Integration.Tests;

internal static class Threads
{
    /// <summary>Who waits for a process on a thread of the pool must not keep those from their turn who read what processes say.</summary>
    [ModuleInitializer]
    internal static void Enough() => ThreadPool.SetMinThreads(32, 32);
}

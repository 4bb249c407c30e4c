using DbRecovery.Engine.Health;
using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

/// <summary>What a process holds can be counted only while nothing else runs in it.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>A watch goes on for months.</summary>
[Collection(nameof(Alone))]
public sealed class WatchMemoryTests
{
    [Fact]
    public async Task Memory_stays_flat_over_a_hundred_thousand_rounds()
    {
        const int Many = 20;
        await using var world = new WatchWorld();
        var flip = 0;
        // faults come and go all the time, each time on another node of another cluster
        world.Rule = round => Interlocked.Increment(ref flip) % 40 < 8 ? [WatchWorld.FaultOf(round, "node.process-down", "n1"), WatchWorld.FaultOf(round, "perf.latency", null, FaultSeverity.Notice)] : [];
        world.Servers.Set("n1", NodeRole.Primary);
        world.Servers.Set("n2", NodeRole.Replica);
        for (var i = 0; i < Many; i++)
            world.Clusters.Add(WatchWorld.Cluster($"c{i}", TimeSpan.FromMilliseconds(200)));
        // nobody keeps what is told
        world.KeepEvents = false;
        world.Start();
        await world.UntilAsync(() => Volatile.Read(ref world.Judged) > 10_000, "the first rounds", TimeSpan.FromMilliseconds(100));
        var early = GC.GetTotalMemory(forceFullCollection: true);
        for (var rounds = 20_000; rounds <= 110_000; rounds += 10_000)
            await world.UntilAsync(() => Volatile.Read(ref world.Judged) > rounds, "the next rounds", TimeSpan.FromMilliseconds(100));
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - early, long.MinValue, 1024 * 1024);
        Assert.True(world.EventCount > 1000);
    }
}

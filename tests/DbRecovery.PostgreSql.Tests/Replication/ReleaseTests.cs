using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Replication;

/// <summary>The acts of a takeover on releases other than the system's.</summary>
public sealed class ReleaseTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_standby_is_promoted_and_the_other_follows_it(int major)
    {
        var (bin, missing) = await Release.FindAsync(major);
        if (bin is null)
            throw new InvalidOperationException("$XunitDynamicSkip$" + missing);
        await using var bench = await Bench.StartAsync(new PgClusterOptions { BinDir = bin, Scram = true });
        var (primary, second, third) = (bench.Lab.Primary, bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Control.Kill(bench.Cluster, bench[primary]).RunAsync();
        await bench.Control.HoldDown(bench.Cluster, bench[primary])!.RunAsync();
        Assert.Equal("1", (await bench.Replication.ReceivedAsync(bench.Cluster, bench[third], default)).History);
        Assert.Equal(2, (await bench.Replication.Promote(bench.Cluster, bench[second]).RunAsync()).Outputs["timeline"].AsInt());
        await bench.Replication.SetSynchronous(bench.Cluster, bench[second], [bench[third]], 1).RunAsync();
        await bench.Replication.Follow(bench.Cluster, bench[third], bench[second]).RunAsync();
        var epoch = new FencingEpoch(2, second.Name, DateTimeOffset.UnixEpoch, "i");
        await bench.Replication.WriteEpoch(bench.Cluster, bench[second], epoch).RunAsync();
        // this one waits for the follower
        await bench.Replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", second.Port, synchronous: true, Bench.Time, default);
        await bench.Replication.AfterPromotion(bench.Cluster, bench[second]).RunAsync();
        await bench.Lab.UntilCaughtUpAsync(third, second);
        Assert.Equal(epoch, await bench.Replication.ReadEpochAsync(bench.Cluster, bench[third], default));
        Assert.Equal("2", (await bench.Replication.ReceivedAsync(bench.Cluster, bench[third], default)).History);
        await bench.Control.Stop(bench.Cluster, bench[second]).RunAsync();
        await bench.Control.Start(bench.Cluster, bench[second]).RunAsync();
        await bench.Lab.UntilStreamingAsync(third, second);
    }
}

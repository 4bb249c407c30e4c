using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>Looks at releases other than the system's.</summary>
public sealed class ReleaseTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_primary_and_its_standby_are_seen_in_full(int major)
    {
        var (bin, missing) = await Release.FindAsync(major);
        if (bin is null)
            throw new InvalidOperationException("$XunitDynamicSkip$" + missing);
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1, BinDir = bin });
        await using var watched = new Watched(lab.Cluster());
        await lab.ExecuteAsync(lab.Primary, "create extension amcheck");
        var primary = await watched.UntilAsync(lab.Primary, o => o.Downstreams is [{ State: "streaming" }]);
        // prepared now: the same again
        primary = await watched.LookAsync(lab.Primary);
        Assert.Empty(primary.Errors);
        Assert.Equal(major, primary.Facts.Int(PostgreSqlFacts.Version) / 10000);
        Assert.Equal("1", primary.Position!.History);
        Assert.True(primary.Slots is [{ Active: true, WalStatus: "reserved" }]);
        var standby = await watched.UntilAsync(lab.Nodes[1], o => o.Upstream is { Streaming: true, LastMessageAt: not null });
        Assert.Equal((NodeRole.Replica, primary.SystemId, "1"), (standby.Role, standby.SystemId, standby.Position!.History));
        Assert.False(standby.Facts.Bool(PostgreSqlFacts.ReplayPaused));
        Assert.Empty(standby.Errors);
        foreach (var node in lab.Nodes)
        {
            var deep = await watched.LookAsync(node, ObservationLevel.Deep);
            Assert.Empty(deep.Errors);
            Assert.Equal("yes", deep.Facts.Text(PostgreSqlFacts.Amcheck));
            Assert.Empty(deep.Facts.List(PostgreSqlFacts.CorruptObjects)!);
        }
    }
}

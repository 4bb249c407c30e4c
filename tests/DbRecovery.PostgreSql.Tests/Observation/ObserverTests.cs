using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>What a look at a healthy server gives.</summary>
public sealed class ObserverTests
{
    [Fact]
    public async Task A_primary_and_its_standbys_tell_who_streams_from_whom_and_how_far()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Synchronous = 1, Scram = true });
        await using var watched = new Watched(lab.Cluster());
        await lab.ExecuteAsync(lab.Primary, "create table t as select generate_series(1, 1000) i");
        await lab.UntilCaughtUpAsync(lab.Nodes[1], lab.Primary);
        var primary = await watched.UntilAsync(lab.Primary, o => o.Downstreams.Count == 2 && o.Downstreams.All(d => d is { State: "streaming", SyncState: "quorum" }));
        Assert.Equal(NodeRole.Primary, primary.Role);
        Assert.Equal(Reachability.Reachable, primary.Reachability);
        Assert.Empty(primary.Errors);
        Assert.Equal(["lab-2", "lab-3"], primary.Downstreams.Select(d => d.Name));
        Assert.Equal(["lab_2", "lab_3"], primary.Slots.Select(s => s.Name));
        Assert.All(primary.Slots, s => Assert.Equal(("physical", true, "reserved"), (s.Type, s.Active, s.WalStatus)));
        Assert.Equal("1", primary.Position!.History);
        Assert.Equal(1L, primary.Facts.Int(PostgreSqlFacts.SyncRequired));
        Assert.Equal(2L, primary.Facts.Int(PostgreSqlFacts.SyncPresent));
        Assert.Contains("wal_level=replica", primary.Facts.List(PostgreSqlFacts.Settings)!);
        Assert.Contains($"data_directory={lab.Primary.DataDir}", primary.Facts.List(PostgreSqlFacts.Settings)!);
        Assert.Null(primary.Upstream);

        var standby = await watched.UntilAsync(lab.Nodes[1], o => o.Upstream is { Streaming: true, LastMessageAt: not null } && o.Position!.Ordinal >= primary.Position!.Ordinal);
        Assert.Equal(NodeRole.Replica, standby.Role);
        Assert.Equal(primary.SystemId, standby.SystemId);
        Assert.Equal(primary.Position.History, standby.Position!.History);
        Assert.Equal($"127.0.0.1:{lab.Primary.Port}", standby.Upstream!.Address);
        Assert.Equal(standby.Position, standby.Upstream.Received);
        Assert.NotNull(standby.Upstream.UpstreamEnd);
        Assert.Equal("127.0.0.1", standby.Facts.Text(PostgreSqlFacts.ConfiguredHost));
        Assert.Equal(lab.Primary.Port, standby.Facts.Int(PostgreSqlFacts.ConfiguredPort));
        Assert.Equal("lab_2", standby.Facts.Text(PostgreSqlFacts.ConfiguredSlot));
        Assert.DoesNotContain(PgCluster.Password, Watched.Text(standby), StringComparison.Ordinal);
    }
}

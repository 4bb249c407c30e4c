using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>What looks see of a takeover.</summary>
public sealed class PromotionTests
{
    [Fact]
    public async Task The_timeline_of_a_position_follows_the_promotion_and_stays_when_the_stream_ends()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Slots = false });
        await using var watched = new Watched(lab.Cluster());
        var (old, second, third) = (lab.Primary, lab.Nodes[1], lab.Nodes[2]);
        await watched.LookAsync(second);
        await old.KillAsync();
        var lonely = await watched.UntilAsync(third, o => o.Upstream is { Streaming: false });
        Assert.Equal(("1", ""), (lonely.Position!.History, lonely.Facts.Text(PostgreSqlFacts.ReceiverStatus)));
        Assert.Empty(lonely.Facts.List(PostgreSqlFacts.TimelineForks)!);
        await lab.ExecuteAsync(second, "select pg_promote(true)");
        var promoted = await watched.LookAsync(second);
        Assert.Equal((NodeRole.Primary, "2"), (promoted.Role, promoted.Position!.History));
        // where the first timeline was left is known: nobody who has more of it can follow
        var fork = Assert.Single(promoted.Facts.List(PostgreSqlFacts.TimelineForks)!);
        Assert.Matches("^1: [0-9A-F]+/[0-9A-F]+$", fork);
        await lab.ExecuteAsync(third, $"alter system set primary_conninfo = 'host=127.0.0.1 port={second.Port} user=postgres application_name={third.Name}'");
        await lab.ExecuteAsync(third, "select pg_reload_conf()");
        await lab.UntilStreamingAsync(third, second);
        await lab.ExecuteAsync(second, "create table after (i int)");
        await lab.UntilCaughtUpAsync(third, second);
        var following = await watched.UntilAsync(third, o => o.Upstream is { Streaming: true } && o.Position!.History == "2");
        Assert.Equal([fork], following.Facts.List(PostgreSqlFacts.TimelineForks)!);
        // before a restartpoint the control file may still have the first timeline
        await second.KillAsync();
        lonely = await watched.UntilAsync(third, o => o.Upstream is { Streaming: false });
        Assert.Equal("2", lonely.Position!.History);
    }

    [Fact]
    public async Task A_paused_replay_is_told()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var watched = new Watched(lab.Cluster());
        Assert.False((await watched.LookAsync(lab.Nodes[1])).Facts.Bool(PostgreSqlFacts.ReplayPaused));
        await lab.ExecuteAsync(lab.Nodes[1], "select pg_wal_replay_pause()");
        Assert.True((await watched.LookAsync(lab.Nodes[1])).Facts.Bool(PostgreSqlFacts.ReplayPaused));
    }
}

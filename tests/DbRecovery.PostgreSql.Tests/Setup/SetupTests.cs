using DbRecovery.PostgreSql.Setup;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgreSql.Tests.Replicas;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Setup;

/// <summary>A cluster is set up, and the role that comes of it can do everything.</summary>
public sealed class SetupTests
{
    private static readonly SetupLogin Admin = new("postgres", null);

    private static IClusterSetup Setup(Bench bench) => bench.Provider.Require<IClusterSetup>("a test");

    /// <summary>A cluster whose roles are not there yet; their names have quotes.</summary>
    private static async Task<(Bench Bench, SetupLogin Login)> FreshAsync(PgClusterOptions options)
    {
        var bench = await Bench.StartAsync(options with { Scram = true, Standbys = 1 });
        var own = Path.Combine(bench.Lab.Folder, "own-password");
        File.WriteAllText(own, "it's \\ a $ecret: ü");
        var login = Admin with { Password = bench.Cluster.Auth!.Password };
        var reference = new SecretReference(SecretSource.File, own);
        bench.Cluster = bench.Cluster with
        {
            Auth = bench.Cluster.Auth with { User = "reco\"very's", Password = reference, Replication = new ReplicationLogin("repl\"ica", reference) },
        };
        return (bench, login);
    }

    private static async Task ApplyAsync(Bench bench, SetupLogin login)
    {
        foreach (var item in (await Setup(bench).CheckAsync(bench.Cluster, login, default)).Where(i => i.State is SetupState.Missing or SetupState.Recommended && !i.NeedsRestart))
            await Setup(bench).Apply(bench.Cluster, login, item).RunAsync();
    }

    [Fact]
    public async Task What_is_missing_is_named_made_and_then_there()
    {
        var (bench, login) = await FreshAsync(new PgClusterOptions { Checksums = false, Synchronous = 0 });
        await using var _ = bench;
        bench.Cluster = bench.Cluster with { Policy = bench.Cluster.Policy with { Synchronous = 1 } };
        var before = await Setup(bench).CheckAsync(bench.Cluster, login, default);
        Assert.Equal(SetupState.Missing, before.Single(i => i.Name == "role").State);
        Assert.Contains(before, i => i is { Name: "setting.wal_log_hints", State: SetupState.Recommended, NeedsRestart: true });
        // a standby of a quiet primary proves its silence after half of it, so it goes with the time in which that must be known
        Assert.All(bench.Cluster.Nodes, n => Assert.Contains("ALTER SYSTEM SET wal_receiver_timeout = '4s'", before.Single(i => i.Name == "setting.wal_receiver_timeout" && i.Node == n.Name).Statements));
        Assert.Contains(before, i => i is { Name: "setting.synchronous_standby_names", State: SetupState.Missing } && i.Node == bench.Old().Name);
        Assert.DoesNotContain(before, i => i.Statements.Any(s => s.Contains("ecret")));
        // what is shown in a password's place is none: run as it stands, it would be one that everybody can read
        foreach (var shown in before.Where(i => i.Name is "role" or "role.replicator").SelectMany(i => i.Statements))
            Assert.Equal(PostgresErrorCodes.SyntaxError, (await Assert.ThrowsAsync<PostgresException>(() => bench.Lab.ExecuteAsync(bench.Lab.Primary, shown))).SqlState);

        await ApplyAsync(bench, login);
        var after = await Setup(bench).CheckAsync(bench.Cluster, login, default);
        Assert.All(after.Where(i => !i.NeedsRestart), i => Assert.Equal((i.Name, SetupState.Ok), (i.Name, i.State)));
        Assert.All(after.Where(i => i.State == SetupState.Ok), i => Assert.Empty(i.Statements));
        Assert.False(await bench.Lab.ScalarAsync<bool>(bench.Lab.Primary, "select rolsuper from pg_roles where rolname like 'reco%'"));
        // the role itself may look, too
        Assert.Equal(after.Count, (await Setup(bench).CheckAsync(bench.Cluster, null, default)).Count);
    }

    [Fact]
    public async Task The_role_fails_over_and_brings_the_old_primary_back_without_being_a_superuser()
    {
        var (bench, login) = await FreshAsync(new PgClusterOptions());
        await using var _ = bench;
        await ApplyAsync(bench, login);
        var (old, standby, configuration) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], Scene.Configuration(bench));
        var replication = bench.Provider.Require<IReplicationControl>("a test");
        await bench.Lab.ExecuteAsync(old, "create table \"we\"\"ird\" (id int primary key, note text)");
        await replication.WriteEpoch(bench.Cluster, bench.Old(), new FencingEpoch(1, bench.Old().Name, DateTimeOffset.UnixEpoch, null)).RunAsync();
        await bench.Lab.UntilCaughtUpAsync(standby, old);
        await standby.StopAsync();
        await bench.Lab.ExecuteAsync(old, "insert into \"we\"\"ird\" values (5, 'lost')");
        await Scene.FallAsync(old, clean: false);
        await standby.StartAsync();

        await replication.Promote(bench.Cluster, bench.New()).RunAsync();
        await replication.AfterPromotion(bench.Cluster, bench.New()).RunAsync();
        await replication.WriteEpoch(bench.Cluster, bench.New(), new FencingEpoch(2, bench.New().Name, DateTimeOffset.UnixEpoch, null)).RunAsync();
        await replication.CanaryWriteAsync(bench.Cluster, "127.0.0.1", standby.Port, synchronous: false, Bench.Time, default);
        Assert.Equal(2, (await replication.ReadEpochAsync(bench.Cluster, bench.New(), default))!.Epoch);
        await bench.Lab.ExecuteAsync(standby, "insert into \"we\"\"ird\" values (2, 'new')");

        var assessment = await bench.AssessAsync(mayRecover: true);
        Assert.True(assessment is { Diverged: true, NotRewindableBecause: null });
        await bench.Replicas().SnapshotTail(bench.Cluster, bench.Old(), assessment, old.DataDir + ".lost").RunAsync();
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
        Assert.Equal("repl\"ica", await bench.Lab.ScalarAsync<string>(standby, "select usename::text from pg_stat_replication"));

        await replication.SetSynchronous(bench.Cluster, bench.New(), [bench.Old()], 1).RunAsync();
        await replication.Follow(bench.Cluster, bench.Old(), bench.New()).RunAsync();
        // and by a copy, as the role of the replicas
        await bench.Control.Stop(bench.Cluster, bench.Old()).RunAsync();
        await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task Before_15_the_role_has_its_checkpoint_without_being_a_superuser()
    {
        var (bin, missing) = await Release.FindAsync(14);
        if (bin is null)
            throw new InvalidOperationException("$XunitDynamicSkip$" + missing);
        var (bench, login) = await FreshAsync(new PgClusterOptions { BinDir = bin });
        await using var _ = bench;
        await ApplyAsync(bench, login);
        // settings are the superusers' there, and nothing can be granted for that
        Assert.Equal(["alter"], (await Setup(bench).CheckAsync(bench.Cluster, login, default)).Where(i => i.State != SetupState.Ok && !i.NeedsRestart).Select(i => i.Name));
        await bench.Lab.UntilCaughtUpAsync(bench.Lab.Nodes[1], bench.Lab.Primary);
        var replication = bench.Provider.Require<IReplicationControl>("a test");
        await replication.AfterPromotion(bench.Cluster, bench.Old()).RunAsync();
        await bench.Lab.Primary.KillAsync();
        await replication.Promote(bench.Cluster, bench.New()).RunAsync();
        await replication.AfterPromotion(bench.Cluster, bench.New()).RunAsync();
        Assert.Equal(2, await bench.Lab.ScalarAsync<int>(bench.Lab.Nodes[1], "select timeline_id from pg_control_checkpoint()"));
    }

    [Fact]
    public async Task A_cluster_without_one_primary_is_not_set_up()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        await bench.Lab.ExecuteAsync(bench.Lab.Nodes[1], "select pg_promote(true)");
        await bench.Lab.UntilAsync(bench.Lab.Nodes[1], "select pg_is_in_recovery()", false);
        Assert.Equal(ErrorIds.WrongNode, (await Assert.ThrowsAsync<DbRecoveryException>(() => Setup(bench).CheckAsync(bench.Cluster, null, default))).Id);
        await bench.Lab.Nodes[0].StopAsync();
        var items = await Setup(bench).CheckAsync(bench.Cluster, null, default);
        Assert.Contains(items, i => i is { Name: "node", State: SetupState.Unknown } && i.Node == bench.Old().Name);
        await bench.Lab.Nodes[1].StopAsync();
        Assert.Equal(ErrorIds.ConnectionFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => Setup(bench).CheckAsync(bench.Cluster, null, default))).Id);
    }

    // RFC 7677, section 3: user 'user', password 'pencil'
    [Fact]
    public void A_verifier_is_what_the_standard_says()
    {
        var verifier = ScramVerifier.Of("pencil", Convert.FromBase64String("W22ZaJ0SNY7soEsUEjb6gQ=="));
        Assert.Equal("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", verifier);
    }
}

using DbRecovery.PostgreSql.Replication;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;
using Npgsql;
using Npgsql.Replication;

namespace DbRecovery.PostgreSql.Tests.Replication;

/// <summary>Replicas led to another upstream, and mended.</summary>
public sealed class FollowingTests
{
    [Fact]
    public async Task A_replica_follows_another_node_without_a_restart_and_its_password_is_in_no_log()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Scram = true, Settings = new Dictionary<string, string> { ["log_statement"] = "all", ["log_min_duration_statement"] = "0" } });
        var (second, third) = (bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Lab.ExecuteAsync(bench.Lab.Primary, "create role repl login replication password 'it''s \\ a secret'");
        await bench.Lab.UntilCaughtUpAsync(third, bench.Lab.Primary);
        var file = Path.Combine(bench.Lab.Folder, "repl");
        File.WriteAllText(file, "it's \\ a secret");
        bench.Cluster = bench.Cluster with { Auth = bench.Cluster.Auth! with { Replication = new ReplicationLogin("repl", new SecretReference(SecretSource.File, file)) } };
        var started = await bench.Lab.ScalarAsync<DateTime>(third, "select pg_postmaster_start_time()");

        var operation = bench.Replication.Follow(bench.Cluster, bench[third], bench[second]);
        Assert.DoesNotContain(operation.Acts, a => a.Detail.Contains("secret", StringComparison.Ordinal));
        await operation.RunAsync();
        await bench.Lab.UntilStreamingAsync(third, second);
        Assert.Equal("repl", await bench.Lab.ScalarAsync<string>(second, "select usename::text from pg_stat_replication"));
        Assert.Equal(started, await bench.Lab.ScalarAsync<DateTime>(third, "select pg_postmaster_start_time()"));
        Assert.Equal(third.Slot, await bench.Lab.ScalarAsync<string>(second, "select slot_name::text from pg_replication_slots where active"));
        // done again it changes nothing
        await operation.RunAsync();
        var log = File.ReadAllText(third.LogFile);
        Assert.Contains("select pg_postmaster_start_time()", log, StringComparison.Ordinal);
        Assert.DoesNotContain("a secret", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_of_the_present_text_moves_to_a_file_and_where_none_can_be_written_that_is_told()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Scram = true });
        var (primary, second, third) = (bench.Lab.Primary, bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Lab.ExecuteAsync(primary, $"""
            create role "it's me" login replication password '{PgCluster.Password}' in role pg_monitor;
            grant alter system on parameter primary_conninfo, primary_slot_name to "it's me"; grant execute on function pg_reload_conf() to "it's me"
            """);
        await bench.Lab.UntilCaughtUpAsync(third, primary);
        bench.Cluster = bench.Cluster with { Auth = bench.Cluster.Auth! with { User = "it's me" } };
        await bench.Replication.Follow(bench.Cluster, bench[third], bench[second]).RunAsync();
        await bench.Lab.UntilStreamingAsync(third, second);
        Assert.DoesNotContain(PgCluster.Password, File.ReadAllText(third.LogFile), StringComparison.Ordinal);
        var file = Path.Combine(third.DataDir, "dbrecovery.pgpass");
        Assert.Equal($"*:*:*:postgres:{PgCluster.Password}\n", File.ReadAllText(file));
        Assert.Equal("-rw-------", (await Machine.RunAsync(["stat", "-c", "%A", file])).Trim());
        // it is the server's, whoever wrote it
        var asRoot = bench.Cluster with { Nodes = [.. bench.Cluster.Nodes.Select(n => n with { RunAs = null })], Auth = bench.Cluster.Auth! with { User = "postgres" } };
        await bench.Replication.Follow(asRoot, asRoot.Node(third.Name), asRoot.Node(second.Name)).RunAsync();
        Assert.Equal(Machine.ServerUser, (await Machine.RunAsync(["stat", "-c", "%U", file])).Trim());

        // without the machine at hand it follows all the same
        bench.Cluster = bench.Cluster with { Control = null };
        Assert.Contains("Its password is in primary_conninfo", (await bench.Replication.Follow(bench.Cluster, bench[second], bench[primary]).RunAsync()).Summary, StringComparison.Ordinal);
        await bench.Lab.UntilStreamingAsync(second, primary);
    }

    [Fact]
    public async Task Who_is_no_replica_or_another_clusters_or_itself_follows_nobody()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Name = "other", Standbys = 0, FreshSystemId = true });
        var (primary, standby) = (bench[bench.Lab.Primary], bench[bench.Lab.Nodes[1]]);
        await bench.Replication.Follow(bench.Cluster, primary, standby).FailsAsync(ErrorIds.WrongNode);
        await bench.Replication.Follow(bench.Cluster, standby, other.Cluster().Nodes[0]).FailsAsync(ErrorIds.WrongNode);
        // nothing was made there
        Assert.Equal(0L, await other.ScalarAsync<long>(other.Primary, "select count(*) from pg_replication_slots"));
        Assert.Throws<DbRecoveryException>(() => bench.Replication.Follow(bench.Cluster, standby, standby));
        await bench.Lab.UntilStreamingAsync(bench.Lab.Nodes[1], bench.Lab.Primary);
    }

    [Fact]
    public async Task An_upstream_without_a_free_slot_is_followed_without_one()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Slots = false, Settings = new Dictionary<string, string> { ["max_replication_slots"] = "1" } });
        var (second, third) = (bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Lab.ExecuteAsync(second, "select pg_create_physical_replication_slot('taken')");
        Assert.Contains("without a slot", (await bench.Replication.Follow(bench.Cluster, bench[third], bench[second]).RunAsync()).Summary, StringComparison.Ordinal);
        await bench.Lab.UntilStreamingAsync(third, second);
        // where a slot is what is asked for, there is no doing without
        await bench.Replication.EnsureSlots(bench.Cluster, bench[second], [bench[third]]).FailsAsync(ErrorIds.StepFailed);
    }

    [Fact]
    public async Task Only_what_is_in_the_way_is_mended()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (primary, standby) = (bench.Lab.Primary, bench.Lab.Nodes[1]);
        Task<NodeOperation> Look() => bench.Replication.ResumeReplicationAsync(bench.Cluster, bench[standby], bench[primary], default);
        Assert.Empty((await Look()).Acts);

        await bench.Lab.ExecuteAsync(standby, "select pg_wal_replay_pause()");
        var resume = await Look();
        Assert.Equal("SELECT pg_wal_replay_resume()", Assert.Single(resume.Acts).Detail);
        await resume.RunAsync();
        await bench.Lab.UntilAsync(standby, "select pg_is_wal_replay_paused()", false);

        await bench.Lab.ExecuteAsync(standby, "alter system set primary_conninfo = 'host=127.0.0.1 port=1'");
        await bench.Lab.ExecuteAsync(standby, "select pg_reload_conf()");
        await bench.Lab.UntilAsync(primary, "select count(*) from pg_stat_replication", 0L);
        await bench.Lab.ExecuteAsync(primary, $"select pg_drop_replication_slot('{standby.Slot}')");
        await (await Look()).RunAsync();
        await bench.Lab.UntilStreamingAsync(standby, primary);
        Assert.Empty((await Look()).Acts);
    }

    [Fact]
    public async Task A_replica_that_receives_from_a_third_node_is_led_back_though_its_upstream_still_lists_it()
    {
        await using var bench = await Bench.StartAsync();
        var (primary, second, third) = (bench.Lab.Primary, bench.Lab.Nodes[1], bench.Lab.Nodes[2]);
        await bench.Replication.Follow(bench.Cluster, bench[third], bench[second]).RunAsync();
        await bench.Lab.UntilStreamingAsync(third, second);
        await using var left = new PhysicalReplicationConnection($"Host=127.0.0.1;Port={primary.Port};Username=postgres;Application Name={third.Name}");
        await left.Open();
        await bench.Lab.UntilAsync(primary, $"select count(*) from pg_stat_replication where application_name = '{third.Name}'", 1L);
        await (await bench.Replication.ResumeReplicationAsync(bench.Cluster, bench[third], bench[primary], default)).RunAsync();
        await bench.Lab.UntilAsync(primary, $"select count(*) from pg_stat_replication where application_name = '{third.Name}' and state = 'streaming'", 1L);
        Assert.Empty((await bench.Replication.ResumeReplicationAsync(bench.Cluster, bench[third], bench[primary], default)).Acts);
    }

    [Fact]
    public async Task Slots_are_made_once_and_dropped_unless_they_are_in_use()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (primary, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        var odd = new NodeDefinition { Name = "Odd.Name-7" };
        for (var i = 0; i < 2; i++)
            await bench.Replication.EnsureSlots(bench.Cluster, here, [bench[bench.Lab.Nodes[1]], odd]).RunAsync();
        Assert.Equal(2L, await bench.Lab.ScalarAsync<long>(primary, "select count(*) from pg_replication_slots where restart_lsn is not null and slot_name in ('lab_2', 'odd_name_7')"));
        for (var i = 0; i < 2; i++)
            await bench.Replication.DropSlot(bench.Cluster, here, "odd_name_7").RunAsync();
        await bench.Replication.DropSlot(bench.Cluster, here, "lab_2").FailsAsync(ErrorIds.DatabaseBusy);
        Assert.Equal(1L, await bench.Lab.ScalarAsync<long>(primary, "select count(*) from pg_replication_slots"));
    }

    [Theory]
    [InlineData(null, "host='h' port='5' user='u' application_name='n''' sslmode='disable'")]
    [InlineData("host=old port=1 hostaddr=1.2.3.4 user=u password='a\\'b' sslmode=require sslcert='/c d' keepalives_idle=3",
        "host='h' port='5' user='u' password='a\\'b' sslmode='require' sslcert='/c d' keepalives_idle='3' application_name='n'''")]
    [InlineData("postgresql://u@old:1/?sslmode=prefer", "user='u' host='h' port='5' sslmode='prefer' application_name='n'''")]
    public void What_a_connection_text_says_beside_the_address_stays(string? present, string expected)
    {
        var node = new NodeDefinition { Name = "n'", Host = "x" };
        var upstream = new NodeDefinition { Name = "m", Host = "h", Port = 5 };
        var cluster = new ClusterDefinition { Name = "c", Engine = "postgresql", Nodes = [node, upstream], Auth = new AuthSettings { User = "u", Tls = TlsMode.Disable } };
        var text = UpstreamText.Write(UpstreamText.Of(cluster, node, upstream, present, null));
        Assert.Equal(expected.Replace("n''", "n\\'", StringComparison.Ordinal).Split(' ').Order(), text.Split(' ').Order());
    }

    [Fact]
    public void A_login_of_the_inventory_replaces_the_one_that_is_there()
    {
        var node = new NodeDefinition { Name = "n", Host = "x" };
        var cluster = new ClusterDefinition { Name = "c", Engine = "postgresql", Nodes = [node], Auth = new AuthSettings { User = "u", Replication = new ReplicationLogin("r", null) } };
        Assert.DoesNotContain("passfile", UpstreamText.Of(cluster, node, node with { Host = "::1" }, "user=other passfile=/p", null).Keys);
        Assert.Equal("/p", UpstreamText.Of(cluster, node, node, "user=r passfile=/p", null)["passfile"]);
        Assert.Equal("new", UpstreamText.Of(cluster, node, node, "user=r password=old", "new")["password"]);
        Assert.Equal("old", UpstreamText.Of(cluster with { Auth = new AuthSettings { User = "u" } }, node, node, "user=r password=old", "not r's")["password"]);
    }
}

using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Replicas;

/// <summary>Former primaries come back.</summary>
public sealed class RejoinTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task A_former_primary_is_rewound_and_what_it_loses_is_listed(bool clean, bool scram)
    {
        await using var bench = await Scene.DivergedAsync(new PgClusterOptions { Scram = scram }, clean);
        var (old, configuration) = (bench.Lab.Nodes[0], Scene.Configuration(bench));

        var assessment = await bench.AssessAsync();
        Assert.True(assessment.Diverged);
        Assert.Null(assessment.NotRewindableBecause);
        Assert.InRange(assessment.LostBytes, 100, assessment.EndedAt!.Ordinal!.Value - assessment.ForkedAt!.Ordinal!.Value);

        var folder = old.DataDir + ".lost";
        var kept = await bench.Replicas().SnapshotTail(bench.Cluster, bench.Old(), assessment, folder).RunAsync();
        var list = File.ReadAllLines(Path.Combine(folder, "lost-writes.jsonl"));
        Assert.Equal(list.Length, kept.Outputs["writes"].AsInt());
        Assert.Contains(list, l => l.Contains("insert 3 rows: postgres: public."));
        Assert.Contains(list, l => l.Contains("update 1 row: postgres: public."));
        Assert.DoesNotContain(list, l => l.Contains("insert 1 row: postgres: public."));
        Assert.True(kept.Outputs["bytes"].AsInt() > 0);

        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_without_writes_of_its_own_just_follows_or_is_rewound_without_loss(bool clean)
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (old, standby, configuration) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], Scene.Configuration(bench));
        await bench.Lab.ExecuteAsync(old, "create table \"we\"\"ird\" (id int primary key, note text)");
        await bench.Lab.UntilCaughtUpAsync(standby, old);
        await Scene.FallAsync(old, clean);
        await Scene.PromoteAsync(bench);

        var assessment = await bench.AssessAsync(mayRecover: true);
        Assert.Equal(0, assessment.LostBytes);
        await (assessment.Diverged ? bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()) : bench.Replicas().StartAsReplica(bench.Cluster, bench.Old(), bench.New())).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
        Assert.Equal(0L, await bench.Lab.ScalarAsync<long>(old, "select count(*) from pg_replication_slots"));
    }

    [Fact]
    public async Task The_recovery_of_a_crashed_one_removes_no_log_that_its_rewind_needs()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1, Slots = false, Settings = new Dictionary<string, string> { ["wal_keep_size"] = "0", ["min_wal_size"] = "2MB" } });
        var (old, standby, configuration) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1], Scene.Configuration(bench));
        await bench.Lab.ExecuteAsync(old, "create table \"we\"\"ird\" (id int primary key, note text)");
        await bench.Lab.UntilCaughtUpAsync(standby, old);
        await standby.StopAsync();
        await bench.Lab.ExecuteAsync(old, "insert into \"we\"\"ird\" select g, repeat('lost', 50) from generate_series(10, 20000) g");
        await Scene.FallAsync(old, clean: false);
        await standby.StartAsync();
        await Scene.PromoteAsync(bench);

        Assert.Null((await bench.AssessAsync(mayRecover: true)).NotRewindableBecause);
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task Without_checksums_and_hints_it_is_copied_anew_and_the_old_folder_stays()
    {
        await using var bench = await Scene.DivergedAsync(new PgClusterOptions { Checksums = false, Scram = true });
        var (old, configuration) = (bench.Lab.Nodes[0], Scene.Configuration(bench));
        Assert.NotNull((await bench.AssessAsync(mayRecover: true)).NotRewindableBecause);
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).FailsAsync(ErrorIds.StepFailed);

        var outcome = await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
        Assert.True(File.Exists(Path.Combine(outcome.Outputs["keptPath"].AsText(), "global", "pg_control")));
    }

    [Fact]
    public async Task A_rewind_that_broke_off_is_started_by_nobody_and_copied_anew()
    {
        await using var bench = await Scene.DivergedAsync(clean: true);
        var (old, configuration) = (bench.Lab.Nodes[0], Scene.Configuration(bench));
        var logs = Path.Combine(old.DataDir, "log");
        Directory.CreateDirectory(logs);
        Machine.Own(logs);
        File.WriteAllText(Path.Combine(logs, "server.log"), "why it fell");
        await Scene.ReplaceAsync(old, "pg_rewind", "case \"$*\" in *--dry-run*) exec \"$REAL\" \"$@\";; esac; rm -f \"$2\"/base/*/pg_filenode.map; echo \"port = 1\" >> \"$2/postgresql.conf\"; kill -9 $$");

        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).FailsAsync(ErrorIds.StepFailed);
        await bench.Control.Start(bench.Cluster, bench.Old()).FailsAsync(ErrorIds.StepFailed);
        await Assert.ThrowsAsync<InvalidOperationException>(() => old.StartAsync());
        Assert.Contains("invalid permissions", old.LogTail());
        Assert.NotNull((await bench.AssessAsync(mayRecover: true)).NotRewindableBecause);
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).FailsAsync(ErrorIds.StepFailed);
        await bench.Replicas().StartAsReplica(bench.Cluster, bench.Old(), bench.New()).FailsAsync(ErrorIds.StepFailed);

        var outcome = await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
        Assert.Equal("why it fell", File.ReadAllText(Path.Combine(outcome.Outputs["keptPath"].AsText(), "dbrecovery.own", "log", "server.log")));
    }

    [Fact]
    public async Task A_copy_and_a_rewind_tell_how_far_they_are()
    {
        await using var bench = await Scene.DivergedAsync(clean: true);
        var (old, told) = (bench.Lab.Nodes[0], Path.Combine(bench.Lab.Nodes[0].Folder, "told"));
        var progress = new Progress<OperationProgress>(p =>
        {
            if (p is { Activity: "Copying to lab-1", Status: "from lab-2", Percent: not null } or { Activity: "Rewinding lab-1", Status: "to lab-2", Unit: "s" })
                File.WriteAllText(told + p.Unit, "");
        });
        // both go on until they were told of
        string Until(string unit) => $"i=0; while [ $i -lt 1200 ] && [ ! -e '{told}{unit}' ]; do sleep 0.1; i=$((i + 1)); done";
        await Scene.ReplaceAsync(old, "pg_basebackup", $"\"$REAL\" \"$@\" --max-rate=32 & p=$!; {Until("B")}; kill $p $(cat /proc/$p/task/$p/children); exit 1");
        await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).RunAsync(Bench.Time, progress, default));
        Assert.True(File.Exists(told + "B"));
        await Scene.ReplaceAsync(old, "pg_rewind", $"{Until("s")}; exec \"$REAL\" \"$@\"");
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).RunAsync(Bench.Time, progress, default);
        Assert.True(File.Exists(told + "s"));
    }

    [Fact]
    public async Task What_followed_a_complete_rewind_is_done_by_the_next_attempt()
    {
        await using var bench = await Scene.DivergedAsync(clean: true);
        var (old, configuration) = (bench.Lab.Nodes[0], Scene.Configuration(bench));
        // what comes after the rewind itself breaks off
        await Scene.ReplaceAsync(old, "postgres", "case \"$*\" in *primary_conninfo*) exit 1;; esac; exec \"$REAL\" \"$@\"");
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).FailsAsync(ErrorIds.StepFailed);
        old.MendBinary();
        // it is not rewound a second time
        await Scene.ReplaceAsync(old, "pg_rewind", "exit 1");
        Assert.Null((await bench.AssessAsync()).NotRewindableBecause);
        await bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task What_a_broken_off_copy_left_is_in_nobodys_way()
    {
        await using var bench = await Scene.DivergedAsync();
        var (old, configuration) = (bench.Lab.Nodes[0], Scene.Configuration(bench));
        // a program that outlived whoever started it, and broke off
        await Scene.ReplaceAsync(old, "pg_basebackup", "mkdir \"$2\"; echo half > \"$2/PG_VERSION\"; exit 1");
        await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).FailsAsync(ErrorIds.StepFailed);
        Assert.Equal(configuration, Scene.Configuration(bench));
        Scene.Mend(old, "pg_basebackup");
        await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).RunAsync();
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task What_waits_for_the_archive_is_archived_first()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (old, standby) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1]);
        var archive = Path.Combine(old.Folder, "the archive's 100%");
        await old.StopAsync();
        old.Configure([new("archive_mode", "on"), new("archive_command", $"test -d \"{archive.Replace("%", "%%")}\" && cp %p \"{archive.Replace("%", "%%")}/%f\"")]);
        var configuration = Scene.Configuration(bench);
        await old.StartAsync();
        await bench.Lab.UntilStreamingAsync(standby, old);
        await bench.Lab.ExecuteAsync(old, "create table \"we\"\"ird\" (id int primary key, note text)");
        var segment = await bench.Lab.ScalarAsync<string>(old, "select pg_walfile_name(pg_current_wal_lsn())");
        await bench.Lab.ExecuteAsync(old, "select pg_switch_wal()");
        await bench.Lab.UntilCaughtUpAsync(standby, old);
        await Scene.FallAsync(old, clean: false);
        await Scene.PromoteAsync(bench);
        Directory.CreateDirectory(archive);
        Machine.Own(archive);

        var assessment = await bench.AssessAsync(mayRecover: true);
        await (assessment.Diverged ? bench.Replicas().Rewind(bench.Cluster, bench.Old(), bench.New()) : bench.Replicas().StartAsReplica(bench.Cluster, bench.Old(), bench.New())).RunAsync();
        Assert.True(File.Exists(Path.Combine(archive, segment!)));
        await Scene.FollowsAsync(bench, configuration);
    }

    [Fact]
    public async Task A_node_that_runs_or_is_of_another_cluster_is_left_as_it_is()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var other = await Bench.StartAsync(new PgClusterOptions { Standbys = 0, FreshSystemId = true, Name = "other" });
        var running = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replicas().AssessAsync(bench.Cluster, bench.New(), bench.Old(), true, default));
        Assert.Equal(ErrorIds.DatabaseBusy, running.Id);
        await bench.Replicas().Rebuild(bench.Cluster, bench.New(), bench.Old(), bench.Old()).FailsAsync(ErrorIds.DatabaseBusy);

        await other.Lab.Primary.StopAsync();
        var foreign = other.Cluster.Nodes[0];
        bench.Cluster = bench.Cluster with { Nodes = [bench.Cluster.Nodes[0], foreign] };
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replicas().AssessAsync(bench.Cluster, foreign, bench.Old(), true, default));
        Assert.Equal(ErrorIds.WrongNode, refused.Id);
        await bench.Replicas().Rebuild(bench.Cluster, foreign, bench.Old(), bench.Old()).FailsAsync(ErrorIds.WrongNode);
    }

    [Fact]
    public async Task A_new_replica_is_copied_from_a_standby_into_a_folder_with_quotes_in_its_name()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1, Scram = true });
        var folder = Path.Combine(bench.Lab.Nodes[1].Folder, "it's \"new\"");
        Directory.CreateDirectory(folder);
        Machine.Own(folder);
        var node = bench.Cluster.Nodes[1] with { Name = "o'dd \"n\"", Port = Machine.FreePort(), DataDir = folder + "/da'ta" };
        bench.Cluster = bench.Cluster with { Nodes = [.. bench.Cluster.Nodes, node] };
        var missing = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replicas().AssessAsync(bench.Cluster, node, bench.Old(), false, default));
        Assert.Equal(ErrorIds.DatabaseNotFound, missing.Id);
        try
        {
            var outcome = await bench.Replicas().Rebuild(bench.Cluster, node, bench.New(), bench.Old()).RunAsync();
            Assert.Equal("", outcome.Outputs["keptPath"].AsText());
            await bench.Lab.UntilAsync(bench.Lab.Primary, "select count(*) from pg_stat_replication where application_name = 'o''dd \"n\"' and state = 'streaming'", 1L);
            Assert.Equal(1L, await bench.Lab.ScalarAsync<long>(bench.Lab.Primary, "select count(*) from pg_replication_slots where slot_name = 'o_dd__n_' and active"));
        }
        finally
        {
            await bench.Control.Kill(bench.Cluster, node).RunAsync();
        }
    }

    [Fact]
    public async Task A_new_replica_has_the_configuration_that_waits_for_it_in_its_folder_or_elsewhere()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var primary = bench.Lab.Primary;
        // as Debian's packages have it
        await primary.StopAsync();
        var configuration = primary.DataDir + ".conf";
        File.Move(Path.Combine(primary.DataDir, "postgresql.conf"), configuration);
        bench.Cluster = bench.Cluster with
        {
            Control = new ControlSettings
            {
                Kind = ControlKind.Command,
                Start = [.. Machine.AsServerUser(primary.Folder), $"{primary.BinDir}/pg_ctl", "start", "-w", "-l", "/dev/null", "-D", "{dataDir}", "-o", "-c config_file={dataDir}.conf"],
            },
        };
        await bench.Control.Start(bench.Cluster, bench.Old()).RunAsync();
        var (outside, within) = (Scene.NewNode(bench, "lab-2"), Scene.NewNode(bench, "lab-3"));
        bench.Cluster = bench.Cluster with { Nodes = [.. bench.Cluster.Nodes, outside, within] };
        Task RebuildAsync(NodeDefinition node) => bench.Replicas().Rebuild(bench.Cluster, node, bench.Old(), bench.Old()).RunAsync();
        Task StreamsAsync(NodeDefinition node) =>
            bench.Lab.UntilAsync(primary, $"select count(*) from pg_stat_replication where application_name = '{node.Name}' and state = 'streaming'", 1L);
        void Configure(NodeDefinition node, string file)
        {
            File.WriteAllText(file, $"{File.ReadAllText(configuration)}\nport = {node.Port}\n");
            Machine.Own(file);
        }
        Configure(outside, outside.DataDir + ".conf");
        await RebuildAsync(outside);
        await StreamsAsync(outside);

        bench.Cluster = bench.Cluster with { Control = new ControlSettings { Kind = ControlKind.PgCtl } };
        await bench.Replicas().Rebuild(bench.Cluster, within, bench.Old(), bench.Old()).FailsAsync(ErrorIds.StepFailed);
        Directory.CreateDirectory(within.DataDir!);
        Machine.Own(within.DataDir!);
        Configure(within, Path.Combine(within.DataDir!, "postgresql.conf"));
        var empty = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Replicas().AssessAsync(bench.Cluster, within, bench.Old(), false, default));
        Assert.Equal(ErrorIds.DatabaseNotFound, empty.Id);
        await RebuildAsync(within);
        await StreamsAsync(within);
    }

    [Fact]
    public async Task The_tablespaces_of_a_copy_of_a_copy_lie_beside_the_first()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var (first, place) = (bench.Lab.Primary, Path.Combine(bench.Lab.Primary.Folder, "fast = 1"));
        Directory.CreateDirectory(place);
        Machine.Own(place);
        await bench.Lab.ExecuteAsync(first, $"create tablespace fast location '{place}'");
        await bench.Lab.ExecuteAsync(first, "create table t tablespace fast as select 1 as id");
        var copy = Scene.NewNode(bench, "lab-2");
        bench.Cluster = bench.Cluster with { Nodes = [.. bench.Cluster.Nodes, copy] };
        await bench.Replicas().Rebuild(bench.Cluster, copy, bench.Old(), bench.Old()).RunAsync();
        await Scene.FallAsync(first, clean: true);
        await bench.Replication.Promote(bench.Cluster, copy).RunAsync();
        await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), copy, copy).RunAsync();
        await bench.Lab.UntilAsync(first, "select count(*) from t", 1L);
        Assert.Matches("/fast = 1[.]dbrecovery-[0-9]{8}-[0-9]{6}$", await bench.Lab.ScalarAsync<string>(first, "select pg_tablespace_location(oid) from pg_tablespace where spcname = 'fast'"));
    }

    [Fact]
    public async Task Nothing_is_made_as_root_that_the_server_could_not_read()
    {
        if (Environment.UserName != "root")
            throw new InvalidOperationException("$XunitDynamicSkip$the tests do not run as root");
        await using var bench = await Scene.DivergedAsync(clean: true);
        var old = bench.Old() with { RunAs = null };
        bench.Cluster = bench.Cluster with { Nodes = [old, bench.New()] };
        await bench.Replicas().Rebuild(bench.Cluster, old, bench.New(), bench.New()).FailsAsync(ErrorIds.AccessDenied);
        await bench.Replicas().StartAsReplica(bench.Cluster, old, bench.New()).FailsAsync(ErrorIds.AccessDenied);
        Assert.False(Directory.Exists(old.DataDir + ".dbrecovery"));
    }

    [Fact]
    public async Task A_missing_program_is_named()
    {
        await using var bench = await Scene.DivergedAsync(clean: true);
        foreach (var program in (string[])["pg_rewind", "pg_basebackup"])
            File.Delete(Path.Combine(bench.Lab.Nodes[0].BinDir, program));
        Assert.Contains("pg_rewind", (await bench.AssessAsync()).NotRewindableBecause);
        var error = await bench.Replicas().Rebuild(bench.Cluster, bench.Old(), bench.New(), bench.New()).FailsAsync(ErrorIds.CapabilityMissing);
        Assert.Contains("pg_basebackup", error.Message);
    }
}

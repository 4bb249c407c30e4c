using System.Text.RegularExpressions;
using DbRecovery.PostgresLab;
using Xunit.Abstractions;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>All that only looks leaves servers as they are: by what they logged, by their transaction counters, and by their folders.</summary>
public sealed partial class ObserveOnlyTests(ITestOutputHelper output)
{
    private const string Prefix = "%m [%p] %a|";

    [Fact]
    public async Task Whatever_only_looks_sends_nothing_but_reads()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions
        {
            // every statement and replication command is logged, and nothing of the servers' own uses up transactions
            Settings = new Dictionary<string, string>
            {
                ["log_statement"] = "all", ["log_replication_commands"] = "on", ["log_line_prefix"] = Prefix, ["autovacuum"] = "off",
            },
        }, $"autoRecover: true, maxDataLoss: 16MB, {PgSituation.Patient}");
        var primary = lab.Cluster.Primary;
        await lab.Cluster.ExecuteAsync(primary, "create table t (id int primary key); insert into t select generate_series(1, 1000); create extension amcheck; checkpoint");
        foreach (var standby in lab.Cluster.Standbys)
            await lab.Cluster.UntilCaughtUpAsync(standby, primary);
        var before = await StateAsync(lab);

        foreach (var level in (string[])["quick", "standard", "deep"])
            await lab.DbRecoveryAsync(0, "health", lab.Name, "--level", level, "--output", "json");
        await lab.DbRecoveryAsync(0, "topology", lab.Name, "--output", "json");
        await lab.TryAsync("init", lab.Name, "--output", "json");
        await lab.DbRecoveryAsync(0, "switchover", lab.Name, "--plan", "--output", "json");
        await lab.TryAsync("failover", lab.Name, "--plan", "--output", "json");
        await lab.TryAsync("rejoin", lab.Name, lab.Cluster.Nodes[1].Name, "--plan", "--output", "json");
        var watch = await lab.WatchAsync();
        await primary.KillAsync();
        await watch.UntilAsync(e => e is { Kind: "FaultRaised", Fault: "pg.primary.dead" }, "the death of the primary");
        Assert.Contains("pg_promote", (await lab.TryAsync("recover", lab.Name, "--plan", "--output", "json")).Out, StringComparison.Ordinal);
        Assert.Contains("pg_promote", (await lab.TryAsync("failover", lab.Name, "--plan", "--output", "json")).Out, StringComparison.Ordinal);
        await lab.DbRecoveryAsync(0, "report", lab.Name, "--to", "report.html");
        // nobody but the lab starts it
        Assert.Null(primary.ProcessId);
        await primary.StartAsync();
        await watch.UntilAsync(e => e is { Kind: "FaultCleared", Fault: "pg.primary.dead" }, "its return");
        await watch.StopAsync();

        foreach (var node in lab.Cluster.Nodes)
        {
            var statements = Statements(node).ToList();
            output.WriteLine($"{node.Name}: {statements.Count} statements of other programs");
            Assert.NotEmpty(statements);
            Assert.All(statements, s => Assert.True(IsRead(s), s));
        }
        Assert.Equal(before, await StateAsync(lab));
        Assert.Empty(await lab.IncidentsAsync());
    }

    [Theory]
    [InlineData("select 1", true)]
    [InlineData("with r as materialized (select 1) select * from r", true)]
    [InlineData("SET default_transaction_read_only = on; BEGIN READ ONLY", true)]
    [InlineData("with d as (delete from t returning 1) select * from d", false)]
    [InlineData("select 1; update t set id = 2", false)]
    [InlineData("select pg_promote(false)", false)]
    [InlineData("BEGIN READ WRITE", false)]
    [InlineData("select * from t for update", false)]
    [InlineData("create temp table x (i int)", false)]
    public void What_a_read_is(string statement, bool read) => Assert.Equal(read, IsRead(statement));

    /// <summary>What the log has of programs that are neither the lab's nor the standbys of the cluster, whose names begin with the lab's.</summary>
    private static IEnumerable<string> Statements(PgNode node) =>
        Logged().Matches(File.ReadAllText(node.LogFile)).Where(m => !m.Groups["program"].Value.StartsWith("lab", StringComparison.Ordinal)).Select(m => m.Groups["text"].Value.Trim());

    /// <summary>Reads, and settings of the session: nothing else is on the list, whatever it does.</summary>
    private static bool IsRead(string statements) =>
        Texts().Replace(statements, "''").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).All(s => Allowed().IsMatch(s) && !Effects().IsMatch(s));

    /// <summary>The next transaction of each server, what it has beside its data, and the files of its folder: what a write of any kind would change.</summary>
    private static async Task<string> StateAsync(PgSituation lab)
    {
        var lines = new List<string>();
        foreach (var node in lab.Cluster.Nodes)
        {
            lines.Add($"{node.Name} {await lab.Cluster.ScalarAsync<string>(node, """
                select concat_ws(' ', pg_snapshot_xmax(pg_current_snapshot()), pg_is_in_recovery(),
                  (select sum(temp_files) from pg_stat_database), (select count(*) from pg_namespace where nspname like 'pg_temp%'),
                  (select string_agg(slot_name || ' ' || coalesce(slot_type, ''), ',' order by slot_name) from pg_replication_slots),
                  (select string_agg(name || '=' || setting, ',' order by name) from pg_settings where source in ('configuration file', 'database', 'user') or pending_restart))
                """)}");
            lines.AddRange(Directory.EnumerateFiles(node.Folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(node.Folder, f)).Where(f => !OfTheServer().IsMatch(f)).Order(StringComparer.Ordinal));
            lines.AddRange(((string[])["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf"]).Select(f => File.ReadAllText(Path.Combine(node.DataDir, f))));
        }
        return string.Join('\n', lines);
    }

    // a statement's further lines begin with a tab
    [GeneratedRegex(@"^\S+ \S+ \S+ \[\d+\] (?<program>[^|\n]*)\|LOG:  (?:statement|execute [^:]+|fastpath function call|received replication command): (?<text>.*(?:\n\t.*)*)", RegexOptions.Multiline)]
    private static partial Regex Logged();

    [GeneratedRegex(@"'(?:[^']|'')*'|""(?:[^""]|"""")*""|--[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Texts();

    [GeneratedRegex(@"^(select|with|show|values|table|explain select|(begin|start) transaction( (isolation level repeatable read|read only|,)+)?$|begin$|begin read only$|commit$|rollback$|set (session |local )?[a-z_.]+ (=|to) |set transaction read only|reset |discard all$|deallocate |close )", RegexOptions.IgnoreCase)]
    private static partial Regex Allowed();

    [GeneratedRegex(@"\b(insert|update|delete|merge|truncate|into|create|drop|alter|copy)\b|\b(nextval|setval|lo_\w+|pg_promote|pg_(terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_copy_\w+|pg_replication_\w+|pg_logical_\w+|pg_wal_replay_(pause|resume)|pg_stat_reset\w*|pg_backup_\w+|pg_(try_)?advisory_\w+|pg_current_xact_id|txid_current|pg_file_\w+|dblink\w*)\s*\(", RegexOptions.IgnoreCase)]
    private static partial Regex Effects();

    // what a server makes and takes away by itself while it starts and serves
    [GeneratedRegex(@"^server\.log$|^\.s\.PGSQL|^data/(pg_wal|pg_stat|pg_stat_tmp|pg_subtrans|pg_xact|pg_multixact|pg_logical|pg_notify|pg_serial|pg_dynshmem|pg_snapshots)/|(pg_internal\.init(\.\d+)?|postmaster\.pid|postmaster\.opts|_fsm|_vm)$")]
    private static partial Regex OfTheServer();
}

using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A cluster that nobody prepared: a superuser sets it up once, and everything after is done by the role that came of it.</summary>
public sealed class LeastPrivilegeTests
{
    [Fact]
    public async Task The_role_of_the_set_up_makes_a_replica_fails_over_rejoins_and_switches_over()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Standbys = 1, Scram = true, WalLogHints = true });
        var own = Path.Combine(lab.Cluster.Folder, "own-password");
        File.WriteAllText(own, "it's \\ a $ecret: ü");
        var folder = Directory.CreateDirectory(Path.Combine(lab.Cluster.Folder, "lab-3")).FullName;
        PostgresLab.Machine.Own(folder);
        var port = PostgresLab.Machine.FreePort();
        // and no latency of a busy machine is a fault
        lab.Write($"maxDataLoss: 64MB, {PgSituation.Patient}", "    expects: { maxLatency: 1m }\n", text => text
            .Replace($"user: postgres, password: {{ file: {lab.Cluster.PasswordFile} }}", $"user: \"reco\\\"very's\", password: {{ file: {own} }}, replication: {{ user: replicator, password: {{ file: {own} }} }}", StringComparison.Ordinal)
            .Replace("    auth:", $"      - {{ name: lab-3, host: 127.0.0.1, port: {port}, dataDir: {folder}/data, binDir: {PgClusterOptions.DefaultBinDir}, runAs: postgres }}\n    auth:", StringComparison.Ordinal));
        string[] admin = ["--user", "postgres", "--password-file", lab.Cluster.PasswordFile];

        var missing = await lab.DbRecoveryAsync(1, ["init", lab.Name, .. admin, "--output", "json"]);
        Assert.Contains(missing.Objects, i => i.GetProperty("name").GetString() == "role" && i.GetProperty("state").GetString() == "Missing");
        Assert.DoesNotContain("ecret", missing.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await lab.Cluster.ScalarAsync<long>(lab.Cluster.Primary, "select count(*) from pg_roles where rolname like 'reco%'"));
        // nobody can be asked, and nobody agreed
        Assert.Equal("ApprovalRequired", (await lab.DbRecoveryAsync(4, ["init", lab.Name, .. admin, "--apply"])).ErrorId);
        // the node that is not there yet stays unknown
        await lab.DbRecoveryAsync(1, ["init", lab.Name, .. admin, "--apply", "--yes", "--output", "json"]);
        Assert.False(await lab.Cluster.ScalarAsync<bool>(lab.Cluster.Primary, "select rolsuper from pg_roles where rolname like 'reco%'"));
        Assert.Equal(["lab-3"], (await lab.DbRecoveryAsync(1, "init", lab.Name, "--output", "json")).Objects
            .Where(i => i.GetProperty("state").GetString() is "Missing" or "Unknown").Select(i => i.GetProperty("node").GetString()));

        var plan = (await lab.DbRecoveryAsync(0, "replica", "new", lab.Name, "lab-3", "--plan", "--output", "json")).Object.ToString();
        Assert.Contains("pg_basebackup", plan, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
        await ResolvedAsync(lab, "replica", "new", lab.Name, "lab-3", "--yes");
        var health = (await lab.DbRecoveryAsync(0, "health", lab.Name, "--output", "json")).Object;
        Assert.Equal("Healthy", health.GetProperty("status").GetString());
        Assert.Contains("'lab-3' is not new", (await lab.TryAsync("replica", "new", lab.Name, "lab-3", "--plan", "--output", "json")).ToString(), StringComparison.Ordinal);

        var (first, second) = (lab.Cluster.Primary, lab.Cluster.Nodes[1]);
        first.BreakBinary();
        await first.KillAsync();
        await ResolvedAsync(lab, "failover", lab.Name, "--to", second.Name, "--yes", "--allow-data-loss", "any");
        first.MendBinary();
        await ResolvedAsync(lab, "rejoin", lab.Name, first.Name, "--yes", "--allow-data-loss", "any");
        await lab.Cluster.UntilStreamingAsync(first, second);
        await ResolvedAsync(lab, "switchover", lab.Name, "--to", first.Name, "--window", "2m", "--yes");
        await lab.Cluster.UntilStreamingAsync(second, first);
        await lab.Cluster.UntilAsync(first, "select count(*) from pg_stat_replication where usename = 'replicator' and state = 'streaming'", 2L);
        await lab.DbRecoveryAsync(0, "health", lab.Name);
    }

    private static async Task ResolvedAsync(PgSituation lab, params string[] arguments)
    {
        var incident = (await lab.DbRecoveryAsync(0, [.. arguments, "--output", "json"])).Object;
        Assert.True(incident.GetProperty("state").GetString() == "Resolved", incident.ToString());
    }
}

using System.Net;
using System.Net.Sockets;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>What a wrong entry of an inventory, or a server that will not talk, looks like: a clear word, and whether the server lives.</summary>
public sealed class BadTargetTests
{
    [Fact]
    public async Task Each_mistake_has_its_word_and_the_server_that_answers_is_alive()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, Scram = true });
        await lab.ExecuteAsync(lab.Primary, """create role "o'd""d" login password 'secret'; create role nologin nologin""");
        await lab.ExecuteAsync(lab.Primary, "create database closed");
        await lab.ExecuteAsync(lab.Primary, "revoke connect on database closed from public");
        // who must log in by a ticket cannot: the server runs all the same
        var rules = Path.Combine(lab.Primary.DataDir, "pg_hba.conf");
        File.WriteAllText(rules, "host all ticket 127.0.0.1/32 gss\n" + File.ReadAllText(rules));
        await lab.ExecuteAsync(lab.Primary, "create role ticket login; select pg_reload_conf()");
        File.WriteAllText(Path.Combine(lab.Folder, "wrong"), "canary-wrong");
        File.WriteAllText(Path.Combine(lab.Folder, "odd"), "secret");
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var silentPort = ((IPEndPoint)silent.LocalEndpoint).Port;
        var good = lab.Cluster();
        var auth = good.Auth!;
        AuthSettings Odd(string? database = null) => auth with { User = "o'd\"d", Password = new SecretReference(SecretSource.File, Path.Combine(lab.Folder, "odd")), Database = database };
        (string Code, Reachability Reachability, ClusterDefinition Cluster)[] table =
        [
            ("refused", Reachability.Absent, At(good, "127.0.0.1", Machine.FreePort())),
            ("unknown-host", Reachability.TimedOut, At(good, "no-such-host.invalid", lab.Primary.Port)),
            ("hung", Reachability.TimedOut, At(good, "127.0.0.1", silentPort)),
            ("28P01", Reachability.Refusing, good with { Auth = auth with { Password = new SecretReference(SecretSource.File, Path.Combine(lab.Folder, "wrong")) } }),
            ("28P01", Reachability.Refusing, good with { Auth = auth with { User = "nobody" } }),
            ("secret", Reachability.Refusing, good with { Auth = auth with { Password = new SecretReference(SecretSource.File, "/nowhere/at/all") } }),
            ("secret", Reachability.Refusing, good with { Auth = auth with { Password = null } }),
            ("login", Reachability.Refusing, good with { Auth = auth with { User = "ticket" } }),
            ("3D000", Reachability.Refusing, good with { Auth = auth with { Database = "no\"where" } }),
            ("42501", Reachability.Refusing, good with { Auth = Odd("closed") }),
            ("tls", Reachability.Refusing, good with { Auth = auth with { Tls = TlsMode.Require } }),
            ("tls", Reachability.Refusing, good with { Auth = auth with { Tls = TlsMode.VerifyFull } }),
            ("", Reachability.Reachable, good with { Auth = auth with { Tls = TlsMode.Prefer } }),
            ("", Reachability.Reachable, good with { Auth = Odd() }),
        ];
        foreach (var (code, reachability, cluster) in table)
        {
            await using var watched = new Watched(cluster);
            var seen = await watched.LookAsync(cluster.Nodes[0].Name, timeout: TimeSpan.FromSeconds(code == "hung" ? 1 : 60));
            Assert.Equal((code, reachability), (seen.Facts.Text(PostgreSqlFacts.ConnectError), seen.Reachability));
            Assert.Equal(code.Length > 0, seen.Errors.Count > 0);
            Assert.DoesNotContain("canary", Watched.Text(seen), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_full_server_is_alive_and_its_kept_session_goes_on()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, Settings = new Dictionary<string, string> { ["max_connections"] = "5", ["superuser_reserved_connections"] = "0", ["max_wal_senders"] = "2" } });
        await using var kept = new Watched(lab.Cluster());
        await using var fresh = new Watched(lab.Cluster());
        await kept.LookAsync(lab.Primary);
        var others = new List<IAsyncDisposable>();
        for (var i = 0; i < 4; i++)
            others.Add(await lab.OpenAsync(lab.Primary));
        var seen = await fresh.LookAsync(lab.Primary);
        Assert.Equal(("53300", Reachability.Refusing), (seen.Facts.Text(PostgreSqlFacts.ConnectError), seen.Reachability));
        var still = await kept.LookAsync(lab.Primary);
        Assert.Equal((Reachability.Reachable, 5L, 5L), (still.Reachability, still.Facts.Int(PostgreSqlFacts.ConnectionsUsed), still.Facts.Int(PostgreSqlFacts.MaxConnections)));
        foreach (var other in others)
            await other.DisposeAsync();
        await fresh.UntilAsync(lab.Primary, o => o.Reachability == Reachability.Reachable);
    }

    [Fact]
    public async Task A_server_that_only_recovers_is_alive()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var watched = new Watched(lab.Cluster());
        // without hot_standby it replays and takes no sessions: 57P03 for as long as it lives
        await lab.Nodes[1].StopAsync();
        lab.Nodes[1].Configure([new("hot_standby", "off")]);
        await lab.Nodes[1].StartAsync();
        var seen = await watched.UntilAsync(lab.Nodes[1], o => o.Reachability == Reachability.Refusing);
        Assert.Equal("57P03", seen.Facts.Text(PostgreSqlFacts.ConnectError));
    }

    [Fact]
    public async Task An_address_of_IPv6_is_an_address()
    {
        if (!Socket.OSSupportsIPv6)
            return;
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, Settings = new Dictionary<string, string> { ["listen_addresses"] = "127.0.0.1,::1" } });
        File.AppendAllText(Path.Combine(lab.Primary.DataDir, "pg_hba.conf"), "host all all ::1/128 trust\n");
        await lab.ExecuteAsync(lab.Primary, "select pg_reload_conf()");
        foreach (var host in (string[])["::1", "[::1]"])
        {
            await using var watched = new Watched(At(lab.Cluster(), host, lab.Primary.Port));
            await watched.UntilAsync(lab.Primary, o => o.Reachability == Reachability.Reachable);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_role_that_may_little_sees_what_it_may_and_says_which_grant_is_missing(bool monitor)
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await lab.ExecuteAsync(lab.Primary, "create role \"li\"\"ttle\" login; create table few (i int)" + (monitor ? "; grant pg_monitor to \"li\"\"ttle\"" : ""));
        await lab.UntilCaughtUpAsync(lab.Nodes[1], lab.Primary);
        await using var watched = new Watched(lab.Cluster() with
        {
            Auth = new AuthSettings { User = "li\"ttle", Tls = TlsMode.Disable }, Expects = new ExpectationSettings { Tables = new Dictionary<string, TableExpectation> { ["few"] = new(1) } },
        });
        var primary = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        Assert.Empty(primary.Errors);
        Assert.Equal((NodeRole.Primary, monitor), (primary.Role, primary.Facts.Bool(PostgreSqlFacts.CanMonitor)));
        Assert.NotNull(primary.SystemId);
        Assert.NotNull(primary.Position!.Ordinal);
        Assert.Single(primary.Downstreams);
        Assert.Contains("GRANT SELECT ON \"public\".\"few\"", primary.Facts.Find(CommonFacts.ShortTables.Name)!.UnknownBecause!, StringComparison.Ordinal);
        var standby = await watched.LookAsync(lab.Nodes[1]);
        Assert.True(standby.Upstream!.Streaming);
        Assert.Equal("1", standby.Position!.History);
        if (monitor)
        {
            Assert.Equal("streaming", primary.Downstreams[0].State);
            Assert.Equal("streaming", standby.Facts.Text(PostgreSqlFacts.ReceiverStatus));
            Assert.Equal(lab.Primary.Port, standby.Facts.Int(PostgreSqlFacts.ConfiguredPort));
            Assert.NotNull(primary.Facts.Int(PostgreSqlFacts.Blocked));
        }
        else
        {
            foreach (var fact in (FactDefinition[])[PostgreSqlFacts.Blocked, PostgreSqlFacts.SyncWaiters, PostgreSqlFacts.WalBytes])
                Assert.Contains("GRANT pg_monitor TO \"li\"\"ttle\"", primary.Facts.Find(fact.Name)!.UnknownBecause!, StringComparison.Ordinal);
            Assert.Contains("GRANT pg_monitor TO \"li\"\"ttle\"", standby.Facts.Find(PostgreSqlFacts.ReceiverStatus.Name)!.UnknownBecause!, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Looking_sends_nothing_but_reads()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1, Settings = new Dictionary<string, string> { ["log_statement"] = "all", ["log_line_prefix"] = "%a|" } });
        await lab.ExecuteAsync(lab.Primary, "create extension amcheck; create table t (id serial primary key)");
        await using (var watched = new Watched(lab.Cluster() with { Expects = new ExpectationSettings { Tables = new Dictionary<string, TableExpectation> { ["t"] = new(1) } } }))
        {
            foreach (var node in lab.Nodes)
            {
                foreach (var level in (ObservationLevel[])[ObservationLevel.Quick, ObservationLevel.Quick, ObservationLevel.Standard, ObservationLevel.Deep])
                    await watched.LookAsync(node, level);
            }
        }
        foreach (var node in lab.Nodes)
        {
            var statements = File.ReadLines(node.LogFile).Where(l => l.StartsWith("dbrecovery|", StringComparison.Ordinal) && (l.Contains("statement: ") || l.Contains("execute "))).Select(l => l[(l.IndexOf(": ", l.IndexOf("LOG:", StringComparison.Ordinal) + 5, StringComparison.Ordinal) + 2)..].Trim()).ToArray();
            Assert.True(statements.Length > 5, $"{statements.Length} statements");
            Assert.All(statements, s => Assert.Matches("^(select|with|(set|reset) (statement|lock)_timeout)", s));
        }
    }

    private static ClusterDefinition At(ClusterDefinition cluster, string host, int port) => cluster with { Nodes = [.. cluster.Nodes.Select(n => n with { Host = host, Port = port })] };
}

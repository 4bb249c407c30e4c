using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>What people get wrong in an inventory of servers: it is named with what would be right, and the rest of the cluster is reported all the same.</summary>
public sealed class BadInventoryTests
{
    private const string Canary = "canary-password";

    [Fact]
    public async Task Each_mistake_is_named_with_what_would_be_right_and_the_rest_is_reported()
    {
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Standbys = 1, Scram = true });
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Name = "other", Standbys = 0, FreshSystemId = true, Scram = true });
        await using var old = new OldServer();
        await PrepareAsync(lab.Cluster);
        var (primary, standby) = (lab.Cluster.Primary.Port, lab.Cluster.Nodes[1].Port);
        var wrong = Path.Combine(lab.Cluster.Folder, "wrong");
        File.WriteAllText(wrong, Canary);
        string Good(string more = "") => $"user: postgres, password: {{ file: {lab.Cluster.PasswordFile} }}{more}";

        var host = await HealthAsync(lab, [("a", "no-such-host.invalid", primary), ("b", "127.0.0.1", standby)], Good(), asTable: true);
        host.Says("a", "no-such-host.invalid", "host name is not known", "Check the host's name in the inventory");
        host.Shows(("b", "Replica"));

        var port = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("b", "127.0.0.1", PostgresLab.Machine.FreePort())], Good());
        port.Says("b", "nothing listens there", "Check host and port");
        port.Shows(("a", "Primary"));

        var password = await HealthAsync(lab, [("a", "127.0.0.1", primary)], $"user: postgres, password: {{ file: {wrong} }}");
        password.Says("a", "password authentication failed", "Check the password that the inventory names", "'postgres'");

        var secret = await HealthAsync(lab, [("a", "127.0.0.1", primary)], "user: postgres, password: { file: /nowhere/at/all }");
        secret.Says("a", "/nowhere/at/all");
        Assert.Contains("node.auth-rejected", secret.Faults);

        // the standby has no TLS, and the primary's certificate is its own authority
        var refused = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("b", "127.0.0.1", standby)], Good(", tls: require"));
        refused.Says("b", "SSL", "ssl = on", "auth: tls");
        refused.Shows(("a", "Primary"));
        var trusted = await HealthAsync(lab, [("a", "localhost", primary)], Good(", tls: verify-full"));
        trusted.Says("a", "certificate", "auth: rootCertificate");

        var rights = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("b", "127.0.0.1", standby)], $"user: \"li\\\"ttle's\", password: {{ file: {lab.Cluster.PasswordFile} }}, database: \"we\\\"ird's\"", asTable: true);
        rights.Says("a", "rights", "GRANT pg_monitor TO \"li\"\"ttle's\"");
        rights.Says("b", "rights", "GRANT pg_monitor TO \"li\"\"ttle's\"");
        rights.Shows(("a", "Primary"), ("b", "Replica"));
        Assert.Equal("Degraded", rights.Status);

        var database = await HealthAsync(lab, [("a", "127.0.0.1", primary)], Good(", database: \"no\\\"where\""));
        database.Says("a", "Correct 'auth: database' in the inventory", "no\"where");

        var alone = await HealthAsync(lab, [("b", "127.0.0.1", standby)], Good());
        alone.Shows(("b", "Replica"));
        Assert.Contains(alone.Summaries, s => s.Contains($"'b' receives from 127.0.0.1:{primary}, which is no node of the inventory", StringComparison.Ordinal));

        var mixed = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("b", "127.0.0.1", standby), ("x", "127.0.0.1", other.Primary.Port)], Good());
        Assert.Contains("pg.sysid-mismatch", mixed.Faults);
        Assert.Contains(mixed.Summaries, s => s.Contains("'x'", StringComparison.Ordinal));
        Assert.DoesNotContain("topology.split-brain", mixed.Faults);
        mixed.Shows(("a", "Primary"), ("b", "Replica"));

        var twice = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("again", "localhost", primary), ("b", "127.0.0.1", standby)], Good());
        Assert.Equal(["config.node-twice"], twice.Faults);
        Assert.Contains(twice.Summaries, s => s.Contains("'a'", StringComparison.Ordinal) && s.Contains("'again'", StringComparison.Ordinal));
        twice.Shows(("a", "Primary"), ("b", "Replica"));

        var version = await HealthAsync(lab, [("a", "127.0.0.1", primary), ("b", "127.0.0.1", standby), ("x", "127.0.0.1", old.Port)], Good(", tls: disable"));
        version.Says("x", "9.6", "13 to 18");
        version.Shows(("a", "Primary"), ("b", "Replica"));
    }

    /// <summary>A role and a database with quotes in their names, and TLS on the primary alone.</summary>
    private static async Task PrepareAsync(PgCluster cluster)
    {
        await cluster.ExecuteAsync(cluster.Primary, $"create role \"li\"\"ttle's\" login password '{PgCluster.Password}'");
        await cluster.ExecuteAsync(cluster.Primary, "create database \"we\"\"ird's\"");
        await cluster.UntilCaughtUpAsync(cluster.Nodes[1], cluster.Primary);
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        foreach (var (name, text) in new[] { ("server.crt", certificate.ExportCertificatePem()), ("server.key", key.ExportPkcs8PrivateKeyPem()) })
        {
            var path = Path.Combine(cluster.Primary.DataDir, name);
            File.WriteAllText(path, text);
            // a key that others could read is refused
            await PostgresLab.Machine.RunAsync(["chmod", "600", path]);
            PostgresLab.Machine.Own(path);
        }
        cluster.Primary.Configure([new("ssl", "on")]);
        await cluster.ExecuteAsync(cluster.Primary, "select pg_reload_conf()");
        await cluster.UntilAsync(cluster.Primary, "select current_setting('ssl')", "on");
        await cluster.UntilStreamingAsync(cluster.Nodes[1], cluster.Primary);
    }

    private static async Task<Seen> HealthAsync(PgSituation lab, (string Name, string Host, int Port)[] nodes, string auth, bool asTable = false)
    {
        var folder = Directory.CreateDirectory(Path.Combine(lab.Cluster.Folder, Guid.NewGuid().ToString("N"))).FullName;
        var inventory = Path.Combine(folder, "dbrecovery.yml");
        // time enough for a busy machine: what hangs is not tried here
        File.WriteAllText(inventory, $"""
            clusters:
              orders:
                engine: postgresql
                nodes:
            {string.Join('\n', nodes.Select(n => $"      - {{ name: {n.Name}, host: {n.Host}, port: {n.Port} }}"))}
                auth: {"{ " + auth + " }"}
                policy: {"{ detectWithin: 60s }"}
            state: {folder}/state
            """);
        var run = await lab.TryAsync("health", "orders", "--inventory", inventory, "--level", "quick", "--output", "json");
        Assert.True(run.ExitCode == 1 && run.ErrorId is null, run.ToString());
        Assert.DoesNotContain(Canary, run.ToString(), StringComparison.Ordinal);
        var table = asTable ? (await lab.TryAsync("health", "orders", "--inventory", inventory, "--level", "quick", "--output", "table")).Out : null;
        return new Seen(run.Object, table is null ? null : string.Join(' ', table.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries)));
    }

    /// <summary>A health report, as an object and as people read it.</summary>
    private sealed record Seen(JsonElement Report, string? Table)
    {
        public string Status => Report.GetProperty("status").GetString()!;
        public string[] Faults => [.. Report.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("id").GetString()!).Distinct()];
        public string[] Summaries => [.. Report.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("summary").GetString()!)];

        /// <summary>A check of the node that does not pass has all of this in it, and so has the table where there is one.</summary>
        public void Says(string node, params string[] words)
        {
            var checks = Report.GetProperty("checks").EnumerateArray().Where(c => c.GetProperty("verdict").GetString() != "Pass" && c.TryGetProperty("node", out var of) && of.GetString() == node).ToList();
            Assert.Contains(checks, c => words.All(w => $"{c.GetProperty("name").GetString()} {c.GetProperty("evidence").GetString()}".Contains(w, StringComparison.Ordinal)));
            if (Table is not null)
                Assert.All(words, w => Assert.Contains(w, Table, StringComparison.Ordinal));
        }

        public void Shows(params (string Node, string Role)[] nodes)
        {
            var seen = Report.GetProperty("nodes").EnumerateArray().ToDictionary(n => n.GetProperty("node").GetString()!, n => n.GetProperty("role").GetString()!);
            Assert.All(nodes, n => Assert.Equal((n.Node, n.Role), (n.Node, seen[n.Node])));
        }
    }

    /// <summary>Lets everybody in and says that it is a version which no test machine has any more.</summary>
    private sealed class OldServer : IAsyncDisposable
    {
        private readonly System.Net.Sockets.TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Task _accepting;

        public OldServer()
        {
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _accepting;
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await using var stream = client.GetStream();
                    var start = new byte[4096];
                    await stream.ReadAtLeastAsync(start, 8);
                    await stream.WriteAsync((byte[])[.. Message('R', 0, 0, 0, 0), .. Parameter("server_version", "9.6.24"), .. Parameter("client_encoding", "UTF8"), .. Message('Z', (byte)'I')]);
                    while (await stream.ReadAsync(start) > 0)
                    {
                        // until the client goes
                    }
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or System.Net.Sockets.SocketException)
            {
                // it was stopped
            }
        }

        private static byte[] Parameter(string name, string value) => Message('S', [.. System.Text.Encoding.ASCII.GetBytes($"{name}\0{value}\0")]);

        private static byte[] Message(char type, params byte[] body) => [(byte)type, 0, 0, 0, (byte)(body.Length + 4), .. body];
    }
}

using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DbRecovery.PostgresLab;
using DbRecovery.PostgreSql.Protocol;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Protocol;

/// <summary>The client against real servers.</summary>
public sealed class WireServerTests
{
    private static readonly PgClusterOptions One = new() { Standbys = 0 };

    [Fact]
    public async Task SeveralResultsNoticesAndErrorsOfOneConnection()
    {
        await using var cluster = await PgCluster.StartAsync(One);
        await using var connection = await OpenAsync(Options(cluster));
        var outcome = await connection.QueryAsync("SELECT 1 AS a, NULL AS b; DO $$ BEGIN RAISE WARNING 'heed'; END $$; SELECT 'x' WHERE false; SELECT 'ü'", Wait.Limit, default);
        Assert.Equal(["a", "b"], outcome.Results[0].Columns);
        Assert.Equal(["1", null], Assert.Single(outcome.Results[0].Rows));
        Assert.Equal(["SELECT 1", "DO", "SELECT 0", "SELECT 1"], outcome.Results.Select(r => r.Tag));
        Assert.Empty(outcome.Results[2].Rows);
        Assert.Equal("ü", outcome.Results[3].Rows[0][0]);
        Assert.Contains("heed", Assert.Single(outcome.Notices), StringComparison.Ordinal);

        Assert.Equal("22012", (await Assert.ThrowsAsync<PostgresException>(() => connection.QueryAsync("SELECT 1/0", Wait.Limit, default))).SqlState);
        // what would send data is refused, and the connection goes on
        await connection.QueryAsync("CREATE TABLE t(i int)", Wait.Limit, default);
        Assert.Equal("57014", (await Assert.ThrowsAsync<PostgresException>(() => connection.QueryAsync("COPY t FROM STDIN", Wait.Limit, default))).SqlState);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1", Wait.Limit, default)).Results[0].Rows[0][0]);
        Assert.StartsWith("15", connection.Parameters["server_version"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("trust", null)]
    [InlineData("password", "lab-password")]
    [InlineData("md5", "lab-password")]
    [InlineData("scram-sha-256", "lab-password")]
    public async Task EveryWayToLogIn(string method, string? password)
    {
        await using var cluster = await PgCluster.StartAsync(One with { Settings = new Dictionary<string, string> { ["password_encryption"] = method == "md5" ? "md5" : "scram-sha-256" } });
        await AllowAsync(cluster, $"host all all 127.0.0.1/32 {method}");
        await using (var connection = await OpenAsync(Options(cluster, password)))
            Assert.Equal("postgres", (await connection.QueryAsync("SELECT current_user", Wait.Limit, default)).Results[0].Rows[0][0]);
        if (password is null)
            return;
        Assert.Equal("28P01", (await Assert.ThrowsAsync<PostgresException>(() => OpenAsync(Options(cluster, "wrong-canary")))).SqlState);
        Assert.Equal(ErrorIds.LoginFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => OpenAsync(Options(cluster)))).Id);
    }

    [Fact]
    public async Task TlsByItsModes()
    {
        await using var cluster = await PgCluster.StartAsync(One);
        using var authority = Certificate("CN=lab authority", null);
        using var server = Certificate("CN=db.example", authority, IPAddress.Loopback);
        var (root, foreign) = (Path.Combine(cluster.Folder, "root.pem"), Path.Combine(cluster.Folder, "foreign.pem"));
        File.WriteAllText(root, authority.ExportCertificatePem());
        using (var other = Certificate("CN=somebody else", null))
            File.WriteAllText(foreign, other.ExportCertificatePem());
        await TurnTlsOnAsync(cluster, server);

        foreach (var mode in new[] { TlsMode.Prefer, TlsMode.Require })
            Assert.True(await IsProtectedAsync(Options(cluster, "lab-password", mode)));
        Assert.True(await IsProtectedAsync(Options(cluster, "lab-password", TlsMode.VerifyFull, root)));
        Assert.True(await IsProtectedAsync(Options(cluster, "lab-password", TlsMode.VerifyCa, root) with { Host = "localhost" }));
        foreach (var options in new[]
        {
            Options(cluster, "lab-password", TlsMode.VerifyCa, foreign), // signed by another authority
            Options(cluster, "lab-password", TlsMode.VerifyFull, root) with { Host = "localhost" }, // the certificate names the address only
            Options(cluster, "lab-password", TlsMode.VerifyFull), // the system does not know the authority
        })
        {
            await Assert.ThrowsAsync<AuthenticationException>(() => OpenAsync(options));
        }
    }

    [Fact]
    public async Task ABaseBackupIsReadToItsEnd()
    {
        await using var cluster = await PgCluster.StartAsync(One);
        await using var connection = await OpenAsync(Options(cluster) with { Database = null, Parameters = new Dictionary<string, string> { ["replication"] = "true" } });
        Assert.Equal(4, (await connection.QueryAsync("IDENTIFY_SYSTEM", Wait.Limit, default)).Results[0].Rows[0].Count);
        long bytes = 0;
        var archives = new List<string>();
        var outcome = await connection.CopyOutAsync("BASE_BACKUP (LABEL 'test', CHECKPOINT 'fast', MANIFEST 'yes', WAL true)", (chunk, _) =>
        {
            // 15 and later: a letter tells what follows; the first result set has the position, the second the tablespaces
            Assert.Equal(2, chunk.Results.Count);
            if (chunk.Bytes.Span[0] == 'n')
                archives.Add(System.Text.Encoding.UTF8.GetString(chunk.Bytes.Span[1..chunk.Bytes.Span.IndexOf((byte)0)]));
            bytes += chunk.Bytes.Length;
            return ValueTask.CompletedTask;
        }, Wait.Limit, default);
        Assert.Equal(["base.tar"], archives);
        Assert.True(bytes > 20_000_000);
        // where the backup began, the tablespaces, where it ended, and the tag of the whole
        Assert.Equal([2, 3, 2, 0], outcome.Results.Select(r => r.Columns.Count));
        Assert.False(connection.IsBroken);
    }

    [Fact]
    public async Task ACancelRequestEndsAQueryAndTheConnectionGoesOn()
    {
        await using var cluster = await PgCluster.StartAsync(One);
        await using var connection = await OpenAsync(Options(cluster));
        var id = (await connection.QueryAsync("SELECT pg_backend_pid()", Wait.Limit, default)).Results[0].Rows[0][0];
        var sleeping = connection.QueryAsync("SELECT pg_sleep(600)", Wait.Limit + Wait.Limit, default);
        await cluster.UntilAsync(cluster.Primary, $"select coalesce((select wait_event = 'PgSleep' from pg_stat_activity where pid = {id}), false)", true);
        await connection.CancelAsync(Wait.Limit, default);
        Assert.Equal("57014", (await Assert.ThrowsAsync<PostgresException>(() => sleeping)).SqlState);
        Assert.Equal("1", (await connection.QueryAsync("SELECT 1", Wait.Limit, default)).Results[0].Rows[0][0]);
    }

    [Fact]
    public async Task AFrozenServerCostsTheDeadlineWhetherConnectedOrNot()
    {
        await using var cluster = await PgCluster.StartAsync(One);
        await using var connection = await OpenAsync(Options(cluster));
        await cluster.Primary.FreezeAsync();
        await Assert.ThrowsAsync<TimeoutException>(() => connection.QueryAsync("SELECT 1", TimeSpan.FromMilliseconds(100), default));
        await Assert.ThrowsAsync<TimeoutException>(() => WireConnection.OpenAsync(Options(cluster), TimeProvider.System, TimeSpan.FromMilliseconds(100), default));
        cluster.Primary.Thaw();
    }

    [Theory]
    [InlineData("any")]
    [InlineData("plain")]
    [InlineData("md5")]
    [InlineData("scram-sha-256")]
    public async Task ThePoolersConsole(string authentication)
    {
        await using var pooler = await PgBouncerLab.StartAsync("[databases]\norders = host=127.0.0.1 port=1\n", authentication);
        var options = new WireOptions { Host = "127.0.0.1", Port = pooler.Port, User = PgBouncerLab.Admin, Password = new SecretValue(PgBouncerLab.Password), Database = "pgbouncer" };
        await using var connection = await OpenAsync(options);
        var outcome = await connection.QueryAsync("SHOW DATABASES", Wait.Limit, default);
        Assert.Contains("orders", outcome.Results[0].Rows.Select(r => r[0]));
        await Assert.ThrowsAsync<PostgresException>(() => connection.QueryAsync("NONSENSE", Wait.Limit, default));
        await connection.QueryAsync("RELOAD", Wait.Limit, default);
    }

    private static WireOptions Options(PgCluster cluster, string? password = null, TlsMode tls = TlsMode.Prefer, string? root = null) => new()
    {
        Host = "127.0.0.1", Port = cluster.Primary.Port, User = "postgres", Database = "postgres", Tls = tls, RootCertificate = root,
        Password = password is null ? null : new SecretValue(password),
    };

    private static Task<WireConnection> OpenAsync(WireOptions options) => WireConnection.OpenAsync(options, TimeProvider.System, Wait.Limit, default);

    private static async Task<bool> IsProtectedAsync(WireOptions options)
    {
        await using var connection = await OpenAsync(options);
        return (await connection.QueryAsync("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", Wait.Limit, default)).Results[0].Rows[0][0] == "t";
    }

    /// <summary>Gives the superuser a password in the form that the settings say, and the server these rules.</summary>
    private static async Task AllowAsync(PgCluster cluster, string rule)
    {
        await cluster.ExecuteAsync(cluster.Primary, $"alter user postgres password '{PgCluster.Password}'");
        await cluster.Primary.StopAsync();
        File.WriteAllText(Path.Combine(cluster.Primary.DataDir, "pg_hba.conf"), rule + "\n");
        await cluster.Primary.StartAsync();
    }

    private static async Task TurnTlsOnAsync(PgCluster cluster, X509Certificate2 server)
    {
        var (certificate, key) = (Path.Combine(cluster.Primary.DataDir, "server.crt"), Path.Combine(cluster.Primary.DataDir, "server.key"));
        File.WriteAllText(certificate, server.ExportCertificatePem());
        File.WriteAllText(key, server.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        LabFiles.GiveToServer(certificate, key);
        cluster.Primary.Configure([new("ssl", "on")]);
        await AllowAsync(cluster, "hostssl all all 127.0.0.1/32 scram-sha-256");
    }

    private static X509Certificate2 Certificate(string name, X509Certificate2? issuer, IPAddress? address = null)
    {
        var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(issuer is null, false, 0, true));
        var (from, until) = (DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        if (address is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(address);
            request.CertificateExtensions.Add(names.Build());
        }
        return issuer is null ? request.CreateSelfSigned(from, until) : request.Create(issuer, from, until, [1, 2, 3, 4]).CopyWithPrivateKey(key);
    }
}

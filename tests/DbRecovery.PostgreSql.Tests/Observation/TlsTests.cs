using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>Sessions over TLS: what is trusted, what is not, and that waiting for the end of one does not disturb it.</summary>
public sealed class TlsTests
{
    [Fact]
    public async Task What_is_trusted_is_what_the_inventory_says()
    {
        await using var lab = await StartAsync();
        var other = Path.Combine(lab.Folder, "other.pem");
        File.WriteAllText(other, Authority("other").ExportCertificatePem());
        var root = Path.Combine(lab.Folder, "root.pem");
        (TlsMode Mode, string? Root, string Host, string Code)[] table =
        [
            (TlsMode.Require, null, "127.0.0.1", ""),
            (TlsMode.Prefer, null, "127.0.0.1", ""),
            (TlsMode.VerifyCa, root, "127.0.0.1", ""),
            (TlsMode.VerifyFull, root, "localhost", ""),
            (TlsMode.VerifyFull, root, "127.0.0.1", "certificate"),
            (TlsMode.VerifyCa, other, "127.0.0.1", "certificate"),
            (TlsMode.VerifyCa, null, "127.0.0.1", "certificate"),
            (TlsMode.VerifyCa, "/nowhere.pem", "127.0.0.1", "certificate"),
            // only hostssl lines
            (TlsMode.Disable, null, "127.0.0.1", "28000"),
        ];
        foreach (var (mode, trusted, host, code) in table)
        {
            var cluster = lab.Cluster();
            await using var watched = new Watched(cluster with
            {
                Auth = new AuthSettings { User = "watcher", Tls = mode, RootCertificate = trusted }, Nodes = [cluster.Nodes[0] with { Host = host }],
            });
            var seen = await watched.LookAsync(lab.Primary);
            Assert.Equal((mode, host, code), (mode, host, seen.Facts.Text(PostgreSqlFacts.ConnectError)));
            Assert.Equal(code.Length == 0 ? Reachability.Reachable : Reachability.Refusing, seen.Reachability);
        }
    }

    [Fact]
    public async Task Looks_and_the_wait_for_the_end_share_one_protected_session()
    {
        await using var lab = await StartAsync();
        await using var watched = new Watched(lab.Cluster() with { Auth = new AuthSettings { User = "watcher", Tls = TlsMode.Require } });
        await watched.LookAsync(lab.Primary);
        const string Sessions = "select min(pid) || ' ' || count(*) from pg_stat_activity where application_name = 'dbrecovery'";
        var before = await lab.ScalarAsync<string>(lab.Primary, Sessions);
        var broken = watched.Events.BrokenAsync(watched.Cluster, watched.Cluster.Nodes[0], default);
        for (var i = 0; i < 50; i++)
            Assert.Equal(Reachability.Reachable, (await watched.LookAsync(lab.Primary)).Reachability);
        Assert.False(broken.IsCompleted);
        Assert.Equal(before, await lab.ScalarAsync<string>(lab.Primary, Sessions));
        await lab.Primary.KillAsync();
        await broken.WaitAsync(Wait.Limit);
    }

    private static async Task<PgCluster> StartAsync()
    {
        var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0 });
        var authority = Authority("root");
        File.WriteAllText(Path.Combine(lab.Folder, "root.pem"), authority.ExportCertificatePem());
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, authority.NotBefore, authority.NotAfter, [1, 2, 3, 4]);
        await WriteAsync(lab, "server.crt", certificate.ExportCertificatePem());
        await WriteAsync(lab, "server.key", key.ExportPkcs8PrivateKeyPem());
        await lab.Primary.StopAsync();
        lab.Primary.Configure([new("ssl", "on")]);
        File.WriteAllText(Path.Combine(lab.Primary.DataDir, "pg_hba.conf"), "hostssl all watcher 127.0.0.1/32 trust\nhost all postgres 127.0.0.1/32 trust\n");
        await lab.Primary.StartAsync();
        await lab.ExecuteAsync(lab.Primary, "create role watcher login; grant pg_monitor to watcher");
        return lab;
    }

    private static X509Certificate2 Authority(string name)
    {
        var request = new CertificateRequest($"CN={name}", RSA.Create(2048), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static async Task WriteAsync(PgCluster lab, string name, string content)
    {
        var path = Path.Combine(lab.Primary.DataDir, name);
        File.WriteAllText(path, content);
        // a key that others could read is refused
        await Machine.RunAsync(["chmod", "600", path]);
        Machine.Own(path);
    }
}

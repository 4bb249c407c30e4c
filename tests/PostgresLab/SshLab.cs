namespace DbRecovery.PostgresLab;

/// <summary>A real ssh server for the servers' user on loopback, with keys of its own: it knows nothing of the machine's, and the machine nothing of it.</summary>
public sealed class SshLab : IAsyncDisposable
{
    private const string Server = "/usr/sbin/sshd";
    private readonly string _folder;
    private readonly int _port;

    private SshLab(string folder, int port, LabProcess program) => (_folder, _port, Program) = (folder, port, program);

    /// <summary>Why there can be none here; null where there can.</summary>
    public static string? MissingBecause => !File.Exists(Server) ? "openssh-server is not installed" : Environment.UserName != "root" ? "it takes root to run a server as another user" : null;

    /// <summary>The program.</summary>
    public LabProcess Program { get; }

    /// <summary>The words that lead a command through it.</summary>
    public IReadOnlyList<string> Way => WayWith("key");

    /// <summary>The same with a key that it does not know.</summary>
    public IReadOnlyList<string> StrangersWay => WayWith("strange");

    /// <summary>Starts it.</summary>
    public static async Task<SshLab> StartAsync(CancellationToken cancellationToken = default)
    {
        var (folder, port) = (LabFolder.Make(), Machine.FreePort());
        foreach (var key in (string[])["host", "key", "strange"])
            await Machine.RunAsync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Path.Combine(folder, key)], cancellationToken);
        Machine.Own(Path.Combine(folder, "host"));
        File.Copy(Path.Combine(folder, "key.pub"), Path.Combine(folder, "authorized_keys"));
        File.WriteAllText(Path.Combine(folder, "known_hosts"), $"[127.0.0.1]:{port} {File.ReadAllText(Path.Combine(folder, "host.pub"))}");
        File.WriteAllText(Path.Combine(folder, "sshd_config"), $"""
            Port {port}
            ListenAddress 127.0.0.1
            HostKey {folder}/host
            AuthorizedKeysFile {folder}/authorized_keys
            PidFile none
            UsePAM no
            StrictModes no
            PasswordAuthentication no

            """);
        var process = LabProcess.Start([.. Machine.AsServerUser(folder), Server, "-D", "-e", "-f", Path.Combine(folder, "sshd_config")], Path.Combine(folder, "log"));
        await process.UntilAsync(() => Machine.Listens(port), "sshd", cancellationToken);
        return new SshLab(folder, port, process);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Program.DisposeAsync();
        LabFolder.Remove(_folder);
    }

    private string[] WayWith(string key) =>
    [
        "ssh", "-F", "/dev/null", "-p", $"{_port}", "-i", Path.Combine(_folder, key), "-o", "IdentitiesOnly=yes", "-o", $"UserKnownHostsFile={_folder}/known_hosts", "-o", "StrictHostKeyChecking=yes",
        $"{Machine.ServerUser}@{{host}}",
    ];
}

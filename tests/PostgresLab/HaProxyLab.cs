using System.Net;
using System.Net.Sockets;

namespace DbRecovery.PostgresLab;

/// <summary>A real HAProxy with one TCP backend, in a folder of its own.</summary>
public sealed class HaProxyLab : IAsyncDisposable
{
    /// <summary>The name of its backend.</summary>
    public const string Backend = "orders";

    private readonly string _folder;
    private readonly LabProcess _process;

    private HaProxyLab(string folder, int entryPort, int adminPort, LabProcess process) => (_folder, EntryPort, AdminPort, _process) = (folder, entryPort, adminPort, process);

    /// <summary>The runtime socket.</summary>
    public string SocketPath => Path.Combine(_folder, "admin.sock");

    /// <summary>The port where the runtime commands are taken over TCP.</summary>
    public int AdminPort { get; }

    /// <summary>The port where applications connect.</summary>
    public int EntryPort { get; }

    /// <summary>The program.</summary>
    public LabProcess Program => _process;

    /// <summary>Starts it.</summary>
    /// <param name="servers">The lines of its servers, such as <c>n1 127.0.0.1:5432 disabled</c>.</param>
    /// <param name="level">The level of the sockets: admin, operator or user.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<HaProxyLab> StartAsync(IEnumerable<string> servers, string level = "admin", CancellationToken cancellationToken = default)
    {
        var (folder, entry, admin) = (LabFolder.Make(), Machine.FreePort(), Machine.FreePort());
        File.WriteAllText(Path.Combine(folder, "haproxy.cfg"), $"""
            global
                stats socket {folder}/admin.sock mode 600 level {level}
                stats socket ipv4@127.0.0.1:{admin} level {level}
                maxconn 100
            defaults
                mode tcp
                timeout connect 2s
                timeout client 1h
                timeout server 1h
            frontend applications
                bind 127.0.0.1:{entry}
                default_backend {Backend}
            backend {Backend}
                {string.Join("\n    ", servers.Select(s => $"server {s}"))}

            """);
        var process = LabProcess.Start(["haproxy", "-db", "-f", Path.Combine(folder, "haproxy.cfg")], Path.Combine(folder, "log"));
        var lab = new HaProxyLab(folder, entry, admin, process);
        // it begins to listen on one after the other
        await process.UntilAsync(() => Machine.Listens(entry) && Machine.Listens(admin) && Machine.Listens(new UnixDomainSocketEndPoint(lab.SocketPath)), "HAProxy", cancellationToken);
        return lab;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        LabFolder.Remove(_folder);
    }
}

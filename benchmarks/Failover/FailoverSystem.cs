using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>Something that watches a primary (node 0) and two standbys, and fails over by itself.</summary>
internal interface IFailoverSystem : IDisposable
{
    /// <summary>The ports of the nodes.</summary>
    IReadOnlyList<int> Ports { get; }

    /// <summary>Makes the cluster and waits until both standbys stream and the watch is awake.</summary>
    void Start();

    /// <summary>Kills a node's server and makes its program vanish, so that nothing can start it again.</summary>
    void KillForGood(int node);
}

/// <summary>A peer with servers of its own in a folder of its own.</summary>
internal abstract class PeerSystem : IFailoverSystem
{
    /// <summary>The folder with PostgreSQL's programs.</summary>
    protected const string ServerPrograms = "/usr/lib/postgresql/15/bin";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private readonly List<Process> _processes = [];

    protected PeerSystem()
    {
        Folder = Path.Combine("/tmp", $"dbrecovery-bench-{Guid.NewGuid():N}"[..25]);
        Directory.CreateDirectory(Folder);
        Ports = [FreePort(), FreePort(), FreePort()];
        foreach (var n in Nodes)
            Programs(n);
    }

    /// <summary>The nodes' numbers.</summary>
    protected static IReadOnlyList<int> Nodes { get; } = [0, 1, 2];

    /// <inheritdoc/>
    public IReadOnlyList<int> Ports { get; }

    /// <summary>The data folder of a node.</summary>
    protected string Data(int node) => Path.Combine(Folder, $"data{node}");

    protected string Folder { get; }

    /// <inheritdoc/>
    public abstract void Start();

    /// <inheritdoc/>
    public void KillForGood(int node)
    {
        File.Move(Path.Combine(Bin(node), "postgres"), Path.Combine(Bin(node), "postgres.gone"));
        var pid = File.ReadLines(Path.Combine(Data(node), "postmaster.pid")).First();
        Once("kill", "-KILL", pid);
    }

    /// <summary>The folder with a node's own programs.</summary>
    protected string Bin(int node) => Path.Combine(Folder, $"bin{node}");

    protected static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>The servers' user may use everything in the folder.</summary>
    protected void HandOver() => Once("chown", "-R", "postgres", Folder);

    /// <summary>Runs a program to its end as the servers' user.</summary>
    protected string RunAs(params string[] command) => Once("setpriv", [.. As, .. command]);

    /// <summary>Starts a program that stays, as the servers' user.</summary>
    protected Process Stay(string log, params string[] command)
    {
        var process = Begin("setpriv", [.. As, "sh", "-c", "exec \"$@\" >\"$0\" 2>&1", Path.Combine(Folder, log), .. command]);
        _processes.Add(process);
        return process;
    }

    protected static void Until(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!Holds(condition))
        {
            if (clock.Elapsed > Limit)
                throw new InvalidOperationException($"{what}: not within {Limit}");
            Thread.Sleep(50);
        }
    }

    /// <summary>Whether two standbys stream from a node.</summary>
    protected bool IsComplete(int primary) =>
        RunAs("psql", "-h", "127.0.0.1", "-p", $"{Ports[primary]}", "-U", "postgres", "-d", "postgres", "-Atc", "select count(*) from pg_stat_replication where state = 'streaming'").Trim() == "2";

    public virtual void Dispose()
    {
        foreach (var process in _processes)
            process.Kill(entireProcessTree: true);
        foreach (var process in _processes)
            process.WaitForExit();
        // servers that are nobody's children any more
        foreach (var file in Directory.EnumerateFiles(Folder, "postmaster.pid", SearchOption.AllDirectories).ToList())
            End(file);
        Directory.Delete(Folder, recursive: true);
    }

    private static void End(string pidFile)
    {
        var pid = int.Parse(File.ReadLines(pidFile).First(), System.Globalization.CultureInfo.InvariantCulture);
        if (!Directory.Exists($"/proc/{pid}") || !File.ReadAllText($"/proc/{pid}/cmdline").Contains("postgres", StringComparison.Ordinal))
            return;
        Begin("kill", ["-QUIT", $"{pid}"]).WaitForExit();
        var clock = Stopwatch.StartNew();
        while (Directory.Exists($"/proc/{pid}") && clock.Elapsed < Limit)
            Thread.Sleep(20);
    }

    private void Programs(int node)
    {
        Directory.CreateDirectory(Bin(node));
        foreach (var program in Directory.GetFiles(ServerPrograms))
            File.CreateSymbolicLink(Path.Combine(Bin(node), Path.GetFileName(program)), program);
        // the server finds its files beside its own program, so that one is a copy
        File.Delete(Path.Combine(Bin(node), "postgres"));
        File.Copy(Path.Combine(ServerPrograms, "postgres"), Path.Combine(Bin(node), "postgres"));
    }

    private IReadOnlyList<string> As =>
        ["--reuid=postgres", "--regid=postgres", "--init-groups", "env", $"HOME={Folder}", $"XDG_RUNTIME_DIR={Folder}", $"XDG_CONFIG_HOME={Folder}/config", $"XDG_DATA_HOME={Folder}/share", $"PATH={ServerPrograms}:/usr/bin:/bin"];

    private static bool Holds(Func<bool> condition)
    {
        try
        {
            return condition();
        }
        catch (Exception e) when (e is InvalidOperationException or IOException or HttpRequestException)
        {
            return false;
        }
    }

    private static string Once(string program, params string[] arguments)
    {
        var process = Begin(program, arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} did not end");
        }
        return process.ExitCode == 0 ? output.Result : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {output.Result}{error.Result}");
    }

    private static Process Begin(string program, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = "/tmp", RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}

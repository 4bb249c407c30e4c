using System.Diagnostics;

namespace DbRecovery.PostgresLab;

/// <summary>One server of a lab. It is a child of the test process, which reaps it.</summary>
public sealed class PgNode
{
    private Process? _process;

    internal PgNode(string name, string folder, int port)
    {
        Name = name;
        Folder = folder;
        Port = port;
    }

    /// <summary>The node's name, which is also the standby's application_name.</summary>
    public string Name { get; }
    /// <summary>The folder of all that is the node's: <c>data</c>, <c>bin</c>, <c>server.log</c>.</summary>
    public string Folder { get; }
    /// <summary>The server's own port.</summary>
    public int Port { get; }
    /// <summary>The data folder.</summary>
    public string DataDir => Path.Combine(Folder, "data");
    /// <summary>The node's own folder of programs: links, so that one node's can be broken.</summary>
    public string BinDir => Path.Combine(Folder, "bin");
    /// <summary>What the server said, in all its lives that the lab started.</summary>
    public string LogFile => Path.Combine(Folder, "server.log");
    /// <summary>The replication slot that it uses.</summary>
    public string Slot => Name.Replace('-', '_');
    /// <summary>What stands between the inventory's address and the server; null unless <see cref="PgClusterOptions.Relays"/>.</summary>
    public TcpRelay? Relay { get; internal set; }
    /// <summary>What stands between a standby and its upstream; null unless <see cref="PgClusterOptions.UpstreamRelays"/>.</summary>
    public TcpRelay? UpstreamRelay { get; internal set; }
    /// <summary>The port that the inventory gives.</summary>
    public int InventoryPort => Relay?.Port ?? Port;

    /// <summary>The process id of the postmaster, whoever started it; null where none lives.</summary>
    public int? ProcessId
    {
        get
        {
            try
            {
                var id = int.Parse(File.ReadLines(Path.Combine(DataDir, "postmaster.pid")).First());
                return Machine.Lives(id) && Machine.FolderOf(id) == DataDir ? id : null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or InvalidOperationException)
            {
                return null;
            }
        }
    }

    /// <summary>Whether any process of the server lives.</summary>
    public bool Runs => Machine.WorkingIn(DataDir).Count > 0;

    /// <summary>Starts the server and waits until it accepts connections.</summary>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        // children of a killed postmaster live for some milliseconds, and the next one would refuse to start beside them
        await Machine.UntilAsync(() => !Runs, () => $"{Name} still runs", cancellationToken);
        var start = new ProcessStartInfo("sh") { WorkingDirectory = "/" };
        string[] words = ["-c", "exec \"$@\" >>\"$0\" 2>&1 </dev/null", LogFile, .. Machine.AsServerUser(Folder), Path.Combine(BinDir, "postgres"), "-D", DataDir];
        foreach (var word in words)
            start.ArgumentList.Add(word);
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PG", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        _process = Process.Start(start)!;
        await Machine.UntilAsync(() => IsReady() || _process.HasExited, () => $"{Name} did not get ready: {LogTail()}", cancellationToken);
        if (_process.HasExited)
            throw new InvalidOperationException($"{Name} ended: {LogTail()}");
    }

    /// <summary>Ends the server cleanly (fast mode).</summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => EndAsync(Machine.SigInt, cancellationToken);

    /// <summary>Kills the postmaster; its children see that and end by themselves, as after a real kill -9.</summary>
    public Task KillAsync(CancellationToken cancellationToken = default) => EndAsync(Machine.SigKill, cancellationToken);

    /// <summary>Stops every process of the server where it stands (SIGSTOP).</summary>
    public async Task FreezeAsync(CancellationToken cancellationToken = default)
    {
        var id = ProcessId ?? throw new InvalidOperationException($"{Name} does not run");
        Machine.Signal(id, Machine.SigStop);
        // a stopped postmaster makes no more children
        await Machine.UntilAsync(() => Machine.StateOf(id) == 'T', () => $"{Name} cannot be stopped", cancellationToken);
        foreach (var child in Machine.ChildrenOf(id))
            Machine.Signal(child, Machine.SigStop);
        await Machine.UntilAsync(() => Machine.ChildrenOf(id).All(c => Machine.StateOf(c) == 'T'), () => $"children of {Name} cannot be stopped", cancellationToken);
    }

    /// <summary>Lets a frozen server go on (SIGCONT). One that was killed in the meantime is left alone.</summary>
    public void Thaw()
    {
        foreach (var process in Machine.WorkingIn(DataDir))
            Machine.Signal(process, Machine.SigCont);
    }

    /// <summary>Makes the node's server unstartable: its programs <c>postgres</c> and <c>pg_ctl</c> lead nowhere.</summary>
    public void BreakBinary()
    {
        foreach (var program in (string[])["postgres", "pg_ctl"])
        {
            File.Delete(Path.Combine(BinDir, program));
            File.CreateSymbolicLink(Path.Combine(BinDir, program), "/nonexistent/" + program);
        }
    }

    /// <summary>Undoes <see cref="BreakBinary"/>.</summary>
    public void MendBinary()
    {
        var target = Path.GetDirectoryName(new FileInfo(Path.Combine(BinDir, "initdb")).LinkTarget)!;
        foreach (var program in (string[])["postgres", "pg_ctl"])
        {
            File.Delete(Path.Combine(BinDir, program));
            File.CreateSymbolicLink(Path.Combine(BinDir, program), Path.Combine(target, program));
        }
    }

    /// <summary>The end of the server's log.</summary>
    public string LogTail(int lines = 20) => File.Exists(LogFile) ? string.Join('\n', File.ReadLines(LogFile).TakeLast(lines)) : "no log";

    /// <summary>Adds settings to the node's postgresql.conf; they hold after a reload or restart.</summary>
    public void Configure(IEnumerable<KeyValuePair<string, string>> settings) =>
        File.AppendAllLines(Path.Combine(DataDir, "postgresql.conf"), settings.Select(s => $"{s.Key} = '{s.Value.Replace("'", "''", StringComparison.Ordinal)}'"));

    internal void End()
    {
        LabFolder.EndServer(DataDir);
        _process?.Dispose();
        Relay?.Dispose();
        UpstreamRelay?.Dispose();
    }

    private async Task EndAsync(int signal, CancellationToken cancellationToken)
    {
        if (ProcessId is not { } id)
            return;
        Machine.Signal(id, signal);
        await Machine.UntilAsync(() => !Machine.Lives(id), () => $"{Name} does not end: {LogTail()}", cancellationToken);
        if (_process is not null && _process.Id == id)
            await _process.WaitForExitAsync(cancellationToken);
    }

    /// <summary>The eighth line of postmaster.pid is the server's own word for its state.</summary>
    private bool IsReady()
    {
        try
        {
            var lines = File.ReadAllLines(Path.Combine(DataDir, "postmaster.pid"));
            return lines.Length >= 8 && lines[0] == _process!.Id.ToString() && lines[7].Trim() is "ready" or "standby";
        }
        catch (IOException)
        {
            return false;
        }
    }
}

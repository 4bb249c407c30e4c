using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>The executable's watch with the default policy, but for the loss that an asynchronous cluster must be allowed by name.</summary>
internal sealed class OwnSystem(string cli, int synchronous) : IFailoverSystem
{
    private PgCluster? _cluster;
    private Process? _watch;

    public string Name => synchronous > 0 ? "DbRecovery, quorum of standbys" : "DbRecovery, asynchronous";

    public IReadOnlyList<int> Ports => [.. _cluster!.Nodes.Select(n => n.Port)];

    public void Start()
    {
        _cluster = PgCluster.StartAsync(new PgClusterOptions { Fsync = true, Synchronous = synchronous, WalLogHints = true }).GetAwaiter().GetResult();
        var inventory = Path.Combine(_cluster.Folder, "dbrecovery.yml");
        File.WriteAllText(inventory, _cluster.Definition($"    policy: {{ autoRecover: true, maxDataLoss: 16MB, synchronous: {synchronous} }}") + $"\nstate: {Path.Combine(_cluster.Folder, "state")}\n");
        var start = new ProcessStartInfo(cli) { RedirectStandardOutput = true, WorkingDirectory = "/tmp" };
        foreach (var argument in new[] { "watch", "--recover", "--inventory", inventory, "--output", "json" })
            start.ArgumentList.Add(argument);
        _watch = Process.Start(start)!;
        // it is awake when it has said how the cluster is
        while (_watch.StandardOutput.ReadLine() is { } line && !line.Contains("Healthy", StringComparison.Ordinal))
        {
        }
        // a pipe that nobody empties would stop it
        _ = _watch.StandardOutput.ReadToEndAsync();
    }

    public void KillForGood(int node)
    {
        _cluster!.Nodes[node].BreakBinary();
        _cluster.Nodes[node].KillAsync().GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        _watch?.Kill();
        _watch?.WaitForExit();
        _cluster?.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }
}

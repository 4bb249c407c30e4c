using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>
/// A cluster as <c>init</c> recommends it, and the executable's watch over it with the default policy, but for the loss that an asynchronous
/// cluster must be allowed by name.
/// </summary>
/// <param name="cli">The program.</param>
/// <param name="options">The cluster.</param>
/// <param name="change">Changes the inventory; the cluster is there by then.</param>
/// <param name="watched">Whether the watch runs.</param>
internal sealed class OwnSystem(string cli, PgClusterOptions options, Func<PgCluster, string, string>? change = null, bool watched = true) : IFailoverSystem
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);
    private PgCluster? _cluster;
    private Process? _watch;

    public IReadOnlyList<int> Ports => [.. Cluster.Nodes.Select(n => n.Port)];

    /// <summary>The cluster, once it is started.</summary>
    public PgCluster Cluster => _cluster ?? throw new InvalidOperationException("it is not started");

    /// <summary>The state folder.</summary>
    public string State => Path.Combine(Cluster.Folder, "state");

    private string Inventory => Path.Combine(Cluster.Folder, "dbrecovery.yml");

    public void Start()
    {
        _cluster = PgCluster.StartAsync(options with
        {
            Fsync = true, WalLogHints = true, Settings = new Dictionary<string, string> { ["wal_receiver_timeout"] = "4s" },
        }).GetAwaiter().GetResult();
        var text = $"{_cluster.Definition($"    policy: {{ autoRecover: true, maxDataLoss: 16MB, detectWithin: 2s, synchronous: {options.Synchronous} }}")}\nstate: {State}\n";
        File.WriteAllText(Inventory, change?.Invoke(_cluster, text) ?? text);
        if (!watched)
            return;
        Watch();
        // one that has watched for a while knows how fast the primary writes
        Thread.Sleep(TimeSpan.FromSeconds(2));
    }

    /// <summary>Runs the executable to its end.</summary>
    public Measure.Sample Run(params string[] arguments) => Measure.Run(cli, [.. arguments, "--inventory", Inventory, "--output", "json"], Cluster.Folder);

    public void KillForGood(int node)
    {
        Cluster.Nodes[node].BreakBinary();
        Cluster.Nodes[node].KillAsync().GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        if (_watch is { HasExited: false })
            _watch.Kill(entireProcessTree: true);
        _watch?.WaitForExit();
        _watch?.Dispose();
        _cluster?.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private void Watch()
    {
        var start = new ProcessStartInfo(cli) { RedirectStandardOutput = true, WorkingDirectory = "/tmp" };
        foreach (var argument in new[] { "watch", "--recover", "--inventory", Inventory, "--output", "json" })
            start.ArgumentList.Add(argument);
        _watch = Process.Start(start)!;
        // it is awake when it has said how the cluster is; a pipe that nobody empties would stop it
        using var awake = new ManualResetEventSlim();
        _watch.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("Healthy", StringComparison.Ordinal) == true && !awake.IsSet)
                awake.Set();
        };
        _watch.BeginOutputReadLine();
        if (!awake.Wait(s_limit))
            throw new InvalidOperationException($"the watch did not say within {s_limit} that the cluster is healthy");
    }
}

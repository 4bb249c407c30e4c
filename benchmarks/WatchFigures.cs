using System.Diagnostics;
using System.Globalization;
using System.Text;
using DbRecovery.PostgresLab;

namespace DbRecovery.Benchmarks;

/// <summary>
/// What it costs to watch many nodes: three real servers, given again and again as other clusters, each with connections of its own. The cost is
/// that of the whole process, as the kernel counts it; the servers' own is not in it.
/// </summary>
internal static class WatchFigures
{
    private const int NodesEach = 3;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(3);

    /// <summary>Watches for some seconds and writes the figures.</summary>
    /// <param name="cli">The program.</param>
    /// <param name="nodes">Nodes to watch.</param>
    /// <param name="seconds">For how long it is measured.</param>
    public static async Task RunAsync(string cli, int nodes, int seconds)
    {
        var clusters = (nodes + NodesEach - 1) / NodesEach;
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions
        {
            Settings = new Dictionary<string, string> { ["max_connections"] = $"{clusters + 50}" },
        });
        var inventory = Path.Combine(lab.Folder, "many.yml");
        await File.WriteAllTextAsync(inventory, Inventory(lab, clusters));
        var start = new ProcessStartInfo(cli) { WorkingDirectory = lab.Folder, RedirectStandardOutput = true };
        foreach (var argument in new[] { "watch", "--inventory", inventory, "--state", Path.Combine(lab.Folder, "state"), "--output", "json" })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var (started, events) = (0, 0);
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            Interlocked.Increment(ref events);
            if (line.Data.Contains("\"Started\"", StringComparison.Ordinal))
                Interlocked.Increment(ref started);
        };
        process.BeginOutputReadLine();
        try
        {
            await UntilAsync(() => Volatile.Read(ref started) == clusters, process);
            // the first looks connect and read more: what is measured is the watch as it goes on
            await Task.Delay(TimeSpan.FromSeconds(10));
            process.Refresh();
            var looks = await LooksAsync(lab);
            var (cpu, clock) = (process.TotalProcessorTime, Stopwatch.StartNew());
            await Task.Delay(TimeSpan.FromSeconds(seconds));
            process.Refresh();
            var cores = (process.TotalProcessorTime - cpu) / clock.Elapsed;
            var rate = (await LooksAsync(lab) - looks) / clock.Elapsed.TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"watch of {clusters * NodesEach} nodes, each second  {cores,6:0.00} cores   {rate,5:0} looks a second   {process.WorkingSet64 / 1e6,6:0} MB now   {process.PeakWorkingSet64 / 1e6,6:0} MB peak   {events - started} events   (less than 0.5 cores, under 200 MB)"));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    // what the servers answered: a machine too busy to be asked as often as it should must not look thrifty
    private static async Task<long> LooksAsync(PgCluster lab)
    {
        long sum = 0;
        foreach (var node in lab.Nodes)
            sum += await lab.ScalarAsync<long>(node, "select sum(xact_commit)::bigint from pg_stat_database");
        return sum;
    }

    private static string Inventory(PgCluster lab, int clusters)
    {
        var text = new StringBuilder("clusters:\n");
        for (var i = 0; i < clusters; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  c{i:000}:\n    engine: postgresql\n    nodes:\n");
            foreach (var node in lab.Nodes)
                text.Append(CultureInfo.InvariantCulture, $"      - {{ name: {node.Name}, host: 127.0.0.1, port: {node.Port} }}\n");
            text.Append("    auth: { user: postgres, tls: disable }\n");
        }
        return text.ToString();
    }

    private static async Task UntilAsync(Func<bool> condition, Process process)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (process.HasExited || clock.Elapsed > s_limit)
                throw new InvalidOperationException(process.HasExited ? $"the watch ended with {process.ExitCode}" : "the watch did not start in time");
            await Task.Delay(50);
        }
    }
}

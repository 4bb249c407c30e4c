using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DbRecovery.PostgresLab;

namespace DbRecovery.Benchmarks.Watch;

/// <summary>
/// What it costs to watch many nodes: three real servers, given again and again as other clusters, each node with a connection of its own to what
/// answers as its server does (<see cref="Answers"/>). The cost is that of the whole process, as the kernel counts it. Nothing happens to the
/// servers, so that the watch has nothing to tell: each event is one too many, and written out.
/// </summary>
internal static class WatchFigures
{
    private const int NodesEach = 3;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);
    // the first looks connect and read more: what is measured is the watch as it goes on
    private static readonly TimeSpan s_settling = TimeSpan.FromSeconds(15);

    /// <summary>Watches for some seconds.</summary>
    /// <param name="cli">The program.</param>
    /// <param name="nodes">Nodes to watch.</param>
    /// <param name="seconds">For how long it is measured.</param>
    /// <returns>Rows of the table.</returns>
    public static async Task<IReadOnlyList<string>> RunAsync(string cli, int nodes, int seconds)
    {
        var clusters = (nodes + NodesEach - 1) / NodesEach;
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_connections"] = "200" } });
        var answers = lab.Nodes.Select(n => new Answers(n.Port)).ToList();
        var inventory = Path.Combine(lab.Folder, "many.yml");
        await File.WriteAllTextAsync(inventory, Inventory(lab, answers, clusters));
        using var process = Start(cli, lab.Folder, inventory);
        var started = 0;
        var events = new ConcurrentQueue<string>();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            if (line.Data.Contains("\"Started\"", StringComparison.Ordinal))
                Interlocked.Increment(ref started);
            else
                events.Enqueue(line.Data);
        };
        process.BeginOutputReadLine();
        try
        {
            await UntilAsync(() => Volatile.Read(ref started) == clusters, process, () => $"of {clusters} clusters {started} were watched in time");
            await Task.Delay(s_settling);
            process.Refresh();
            // a machine too busy to ask as often as it should must not look thrifty
            var (cpu, asked, clock) = (process.TotalProcessorTime, answers.Sum(a => a.Given), Stopwatch.StartNew());
            await Task.Delay(TimeSpan.FromSeconds(seconds));
            process.Refresh();
            var cores = (process.TotalProcessorTime - cpu) / clock.Elapsed;
            var rate = (answers.Sum(a => a.Given) - asked) / clock.Elapsed.TotalSeconds;
            return
            [
                Row($"`watch`, {clusters * NodesEach} nodes each second", string.Create(CultureInfo.InvariantCulture, $"{cores:0.00} cores"), "", "0.5 cores", $"{rate:0} answers a second"),
                Row("its memory", $"{process.WorkingSet64 / 1e6:0} MB", $"{process.PeakWorkingSet64 / 1e6:0} MB", "200 MB", ""),
                Row("its events, nothing happening", $"{events.Count}", "", "0", string.Join("; ", Summaries(events))),
            ];
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            answers.ForEach(a => a.Dispose());
        }
    }

    private static string Row(string what, string value, string worst, string limit, string remark) => $"| {what} | {value} | {worst} | 1 | {limit} | {remark} |";

    private static IEnumerable<string> Summaries(IEnumerable<string> events) => events.Select(e => JsonDocument.Parse(e).RootElement)
        .GroupBy(e => $"{e.GetProperty("kind").GetString()} '{e.GetProperty("summary").GetString()}'").OrderByDescending(g => g.Count()).Take(5).Select(g => $"{g.Count()} x {g.Key}");

    private static Process Start(string cli, string folder, string inventory)
    {
        var start = new ProcessStartInfo(cli) { WorkingDirectory = folder, RedirectStandardOutput = true };
        foreach (var argument in new[] { "watch", "--inventory", inventory, "--state", Path.Combine(folder, "state"), "--output", "json" })
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private static string Inventory(PgCluster lab, IReadOnlyList<Answers> answers, int clusters)
    {
        var text = new StringBuilder("clusters:\n");
        for (var i = 0; i < clusters; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  c{i:000}:\n    engine: postgresql\n    nodes:\n");
            foreach (var (node, server) in lab.Nodes.Zip(answers))
                text.Append(CultureInfo.InvariantCulture, $"      - {{ name: {node.Name}, host: 127.0.0.1, port: {server.Port} }}\n");
            text.Append("    auth: { user: postgres, tls: disable }\n");
        }
        return text.ToString();
    }

    private static async Task UntilAsync(Func<bool> condition, Process process, Func<string> otherwise)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (process.HasExited || clock.Elapsed > s_limit)
                throw new InvalidOperationException(process.HasExited ? $"the watch ended with {process.ExitCode}" : otherwise());
            await Task.Delay(50);
        }
    }
}

using System.Globalization;
using DbRecovery.PostgresLab;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>How long a look at three nodes takes: a whole process, and a cmdlet in a session that has looked before.</summary>
internal static class HealthFigures
{
    private const int Runs = 20;

    /// <summary>Measures.</summary>
    /// <param name="cli">The program.</param>
    /// <param name="manifest">The module.</param>
    /// <returns>Rows of the table.</returns>
    public static IReadOnlyList<string> Run(string cli, string manifest)
    {
        using var system = new OwnSystem(cli, new PgClusterOptions(), watched: false);
        system.Start();
        var name = system.Cluster.Options.Name;
        var rows = new List<string>();
        foreach (var level in new[] { "quick", "standard" })
        {
            system.Run("health", name, "--level", level);
            rows.Add(Row($"`dbrecovery health --level {level}`, 3 nodes, from process start", [.. Enumerable.Range(0, Runs).Select(_ => system.Run("health", name, "--level", level).Wall.TotalMilliseconds)], "300 ms"));
        }
        if (File.Exists("/usr/local/bin/pwsh") || File.Exists("/usr/bin/pwsh"))
        {
            foreach (var level in new[] { "Quick", "Standard" })
                rows.Add(Row($"`Test-DbHealth -Level {level}`, 3 nodes, in a warm session", Cmdlet(system, manifest, name, level), "30 ms"));
        }
        return rows;
    }

    private static double[] Cmdlet(OwnSystem system, string manifest, string cluster, string level)
    {
        var look = $"Test-DbHealth -Cluster '{cluster}' -Inventory '{Path.Combine(system.Cluster.Folder, "dbrecovery.yml")}' -Level {level}";
        var script = $"$ErrorActionPreference = 'Stop'; Import-Module '{manifest}'; foreach ($i in 1..20) {{ $null = {look} }}; foreach ($i in 1..{Runs}) {{ (Measure-Command {{ {look} }}).TotalMilliseconds }}";
        var run = Measure.Run("pwsh", ["-NoProfile", "-NonInteractive", "-Command", script], system.Cluster.Folder);
        return [.. run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(l => double.Parse(l, CultureInfo.InvariantCulture))];
    }

    private static string Row(string what, double[] times, string limit)
    {
        Array.Sort(times);
        return string.Create(CultureInfo.InvariantCulture, $"| {what} | {times[times.Length / 2]:0} ms | {times[^1]:0} ms | {times.Length} | {limit} | |");
    }
}

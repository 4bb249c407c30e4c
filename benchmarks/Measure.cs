using System.Diagnostics;

namespace DbRecovery.Benchmarks;

/// <summary>Whole processes, timed from outside.</summary>
internal static class Measure
{
    /// <summary>How long a run took and the most memory that it held.</summary>
    public sealed record Sample(TimeSpan Wall, long PeakBytes, string Output);

    /// <summary>Runs a program to its end; any exit code not expected is an error.</summary>
    public static Sample Run(string program, IEnumerable<string> arguments, string folder, int expected = 0)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        long peak = 0;
        while (!process.WaitForExit(20))
            peak = Math.Max(peak, PeakOf(process.Id));
        process.WaitForExit();
        var wall = clock.Elapsed;
        if (process.ExitCode != expected)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {output.Result}{error.Result}");
        return new Sample(wall, peak, output.Result);
    }

    // VmHWM is the kernel's own high-water mark: no peak between two looks is missed, but that of the last 20 ms
    private static long PeakOf(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line[6..].Replace("kB", "", StringComparison.Ordinal).Trim(), System.Globalization.CultureInfo.InvariantCulture) * 1024;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>The middle one of the runs.</summary>
    public static Sample Median(IReadOnlyList<Sample> runs) => runs.OrderBy(r => r.Wall).ElementAt(runs.Count / 2);

    /// <summary>Two things in turn, A B A B, so that a machine whose speed drifts treats both alike.</summary>
    public static (Sample A, Sample B) Pair(int rounds, Func<Sample> a, Func<Sample> b)
    {
        var (runsA, runsB) = (new List<Sample>(), new List<Sample>());
        for (var i = 0; i < rounds; i++)
        {
            runsA.Add(a());
            runsB.Add(b());
        }
        return (Median(runsA), Median(runsB));
    }
}

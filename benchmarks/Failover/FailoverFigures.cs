using System.Diagnostics;
using System.Globalization;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>
/// The situations in turn, so that a machine whose speed drifts treats all alike, and the figures as the table that README has. A round that
/// fails is told and does not end the run; when the time is over, the rounds that are left are left out.
/// </summary>
internal static class FailoverFigures
{
    private static readonly TimeSpan s_longestRound = TimeSpan.FromMinutes(3);

    /// <summary>Runs the rounds and gives the table.</summary>
    /// <param name="situations">What is measured.</param>
    /// <param name="time">After that no round begins.</param>
    public static IReadOnlyList<string> Run(IReadOnlyList<Situation> situations, TimeSpan time)
    {
        var (clock, results, failures) = (Stopwatch.StartNew(), situations.ToDictionary(s => s.Name, _ => new List<Measured>()), new List<string>());
        foreach (var (situation, round) in InTurn(situations))
        {
            if (clock.Elapsed > time)
            {
                failures.Add($"the time was over before round {round + 1} of '{situation.Name}'");
                continue;
            }
            try
            {
                // one that hangs is left behind: its servers go with this process
                var measured = Task.Run(situation.Round).WaitAsync(s_longestRound).GetAwaiter().GetResult();
                results[situation.Name].Add(measured);
                Console.Error.WriteLine($"{clock.Elapsed:m\\:ss} {situation.Name}: {Seconds(measured.Took)}{(measured.Remark is { } r ? $", {r}" : "")}{Parts([measured])}");
            }
            catch (Exception e)
            {
                failures.Add($"{situation.Name}, round {round + 1}: {e.Message.Split('\n')[0]}");
                Console.Error.WriteLine($"{clock.Elapsed:m\\:ss} {situation.Name}: {e}");
            }
        }
        return
        [
            "| | median | worst | rounds | should be | |", "|---|---|---|---|---|---|",
            .. situations.Select(s => Row(s, results[s.Name])),
            .. failures.Select(f => $"Failed: {f}"),
        ];
    }

    // the rounds of those that have few are spread over the whole run
    private static IEnumerable<(Situation Situation, int Round)> InTurn(IReadOnlyList<Situation> situations) => situations
        .SelectMany(s => Enumerable.Range(0, s.Rounds).Select(r => (Situation: s, Round: r, At: (double)r / s.Rounds))).OrderBy(r => r.At).Select(r => (r.Situation, r.Round));

    private static string Row(Situation situation, List<Measured> all)
    {
        if (all.Count == 0)
            return $"| {situation.Name} | | | 0 | {situation.Limit} | |";
        var sorted = all.OrderBy(m => m.Took).ToList();
        var worst = sorted[^1];
        var remark = all.Select(m => m.Remark).OfType<string>().ToList() is { Count: > 0 } remarks ? string.Join("; ", remarks.Distinct()) : Parts(all).Trim(' ', '(', ')');
        return $"| {situation.Name} | {Seconds(sorted[sorted.Count / 2].Took)} | {Seconds(worst.Took)} | {all.Count} | {situation.Limit} | {remark} |";
    }

    private static string Parts(IReadOnlyList<Measured> all)
    {
        var parts = all.SelectMany(m => m.Parts ?? []).GroupBy(p => p.Name).ToDictionary(g => g.Key, g => g.Select(p => p.Took).Order().ToList());
        return parts.Count == 0 ? "" : $" ({string.Join(", ", parts.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Key} {p.Value[p.Value.Count / 2].TotalMilliseconds:0}")))} ms)";
    }

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s");
}

using System.Globalization;
using System.Text.Json;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>Where the time of a failover went, by the incident's journal and the new primary's own log.</summary>
internal static class Phases
{
    /// <summary>The phases in order, each with the time that it took; one whose end nobody wrote down is part of the next.</summary>
    /// <param name="system">The cluster that failed over.</param>
    /// <param name="ended">When the primary ended.</param>
    /// <param name="written">When another one took a write.</param>
    public static IReadOnlyList<(string Name, TimeSpan Took)> Of(OwnSystem system, DateTimeOffset ended, DateTimeOffset written)
    {
        var journal = Directory.EnumerateFiles(system.State, "journal.jsonl", SearchOption.AllDirectories).Select(Read).FirstOrDefault(r => r.Count > 0) ?? [];
        var marks = new List<(string Name, DateTimeOffset? At)>
        {
            ("detect", Detected(journal)),
            ("confirm", journal.Count > 0 ? At(journal[0]) : null),
            ("plan", Step(journal, "restart", "StepIntent") ?? Step(journal, "fence", "StepIntent")),
            ("restart tried", Step(journal, "restart", "StepResult")),
            ("fence", Step(journal, "fence", "StepResult")),
            ("choose", Logged(system, "received promote request")),
            ("promote", Logged(system, "database system is ready to accept connections")),
            ("first write", written),
        };
        var phases = new List<(string, TimeSpan)>();
        var last = ended;
        foreach (var (name, at) in marks)
        {
            // the server's log has milliseconds only, so that what follows at once may seem to come before
            if (at is not { } end || end < last)
                continue;
            phases.Add((name, end - last));
            last = end;
        }
        return phases;
    }

    private static List<JsonElement> Read(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var records = new List<JsonElement>();
        while (reader.ReadLine() is { } line)
        {
            try
            {
                records.Add(JsonDocument.Parse(line).RootElement);
            }
            catch (JsonException)
            {
                // its last line is being written
            }
        }
        return records;
    }

    private static DateTimeOffset? Detected(List<JsonElement> journal) =>
        journal.Count > 0 && journal[0].GetProperty("data").TryGetProperty("fault", out var fault) && fault.TryGetProperty("detectedAt", out var at) ? at.GetDateTimeOffset() : null;

    private static DateTimeOffset? Step(List<JsonElement> journal, string step, string kind) => journal
        .Where(r => r.GetProperty("kind").GetString() == kind && r.TryGetProperty("step", out var s) && s.GetString() == step).Select(r => (DateTimeOffset?)At(r)).FirstOrDefault();

    private static DateTimeOffset At(JsonElement record) => record.GetProperty("time").GetDateTimeOffset();

    // "2026-01-31 12:00:00.123 UTC [42] LOG:  received promote request"; the last one counts, and of the nodes the one that was promoted
    private static DateTimeOffset? Logged(OwnSystem system, string message)
    {
        foreach (var node in system.Cluster.Standbys)
        {
            var lines = File.ReadLines(node.LogFile).SkipWhile(l => !l.Contains("received promote request", StringComparison.Ordinal));
            if (lines.LastOrDefault(l => l.Contains(message, StringComparison.Ordinal)) is { } line && line.Split(' ') is [var day, var time, ..]
                && DateTimeOffset.TryParse($"{day} {time}", CultureInfo.InvariantCulture, Zone(line), out var at))
            {
                return at;
            }
        }
        return null;
    }

    private static DateTimeStyles Zone(string line) => line.Contains(" UTC ", StringComparison.Ordinal) ? DateTimeStyles.AssumeUniversal : DateTimeStyles.AssumeLocal;
}

using System.Globalization;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Which backups a rule keeps. A pure function of the list: the same for a plan and for what is carried out.
/// Each cluster and node is judged by itself.
/// </summary>
public static class RetentionPolicy
{
    /// <summary>Whether a rule looks at dates: such a rule must not be applied by a clock that is wrong.</summary>
    public static bool NeedsClock(RetentionRule rule) => (rule.Within ?? (object?)rule.Daily ?? rule.Weekly ?? rule.Monthly ?? rule.Yearly) is not null;

    /// <summary>Decides on every backup, newest first within a cluster and node.</summary>
    /// <param name="rule">The rule; null keeps everything.</param>
    /// <param name="backups">All backups of the clusters that are meant: a backup that is left out could be the newest.</param>
    /// <param name="now">The time (UTC), for <see cref="RetentionRule.Within"/>.</param>
    public static IReadOnlyList<RetentionDecision> Decide(RetentionRule? rule, IReadOnlyList<BackupInfo> backups, DateTimeOffset now) =>
        [.. backups.GroupBy(b => (b.Cluster, b.Node)).OrderBy(g => g.Key.Cluster, StringComparer.Ordinal).ThenBy(g => g.Key.Node, StringComparer.Ordinal)
            .SelectMany(g => DecideOne(rule, NewestFirst(g), now))];

    /// <summary>Why a backup must stay whatever a rule says; empty where it may go.</summary>
    public static IReadOnlyList<string> Protection(BackupInfo backup, IReadOnlyList<BackupInfo> backups)
    {
        var group = backups.Where(b => (b.Cluster, b.Node) == (backup.Cluster, backup.Node));
        return Protected(NewestFirst(group)).TryGetValue(backup.Id, out var reasons) ? reasons : [];
    }

    private static List<BackupInfo> NewestFirst(IEnumerable<BackupInfo> backups) =>
        [.. backups.OrderByDescending(b => b.StartedAt).ThenByDescending(b => b.Id, StringComparer.Ordinal)];

    private static IEnumerable<RetentionDecision> DecideOne(RetentionRule? rule, List<BackupInfo> newestFirst, DateTimeOffset now)
    {
        var byRule = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        if (rule is not null)
            Apply(rule, newestFirst, now, byRule);
        var always = Protected(newestFirst);
        // a rule that keeps nothing at all was not meant so: a wrong clock, a wrong unit
        var everything = byRule.Count == 0 ? rule is null || rule == new RetentionRule() ? "no rule" : "no backup matches the rule" : null;
        foreach (var backup in newestFirst)
        {
            List<string> reasons = [.. byRule.GetValueOrDefault(backup.Id) ?? [], .. always.GetValueOrDefault(backup.Id) ?? []];
            if (everything is not null)
                reasons.Add(everything);
            yield return new RetentionDecision { Backup = backup, Keep = reasons.Count > 0, Reasons = reasons };
        }
    }

    private static Dictionary<string, List<string>> Protected(List<BackupInfo> newestFirst)
    {
        var kept = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        if (newestFirst.Count == 0)
            return kept;
        Add(kept, newestFirst[0], "newest");
        if (newestFirst[0].Status != BackupStatus.Complete)
        {
            // the source is damaged now: what was taken before it was is all that is good
            foreach (var good in newestFirst.Where(b => b.Status == BackupStatus.Complete))
                Add(kept, good, "the newest is suspect");
        }
        // the test that was passed last, not the backup taken last
        if (newestFirst.Where(b => b.Proof is { Passed: true }).MaxBy(b => b.Proof!.TestedAt) is { } last)
            Add(kept, last, "last proved");
        if (newestFirst.FirstOrDefault(b => b.Proof is { Passed: true } && b.Status == BackupStatus.Complete) is { } proved)
            Add(kept, proved, "newest proved");
        return kept;
    }

    private static void Apply(RetentionRule rule, List<BackupInfo> newestFirst, DateTimeOffset now, Dictionary<string, List<string>> kept)
    {
        Newest("last", rule.Last, newestFirst, kept);
        WithFulls(newestFirst, kept);
        Newest("full", rule.Full, newestFirst.Where(b => b.Kind == BackupKind.Full), kept);
        if (rule.Within is { } within)
        {
            foreach (var young in newestFirst.Where(b => now - b.StartedAt < within))
                Add(kept, young, within.Ticks % TimeSpan.TicksPerDay == 0 ? Text($"within {within.TotalDays} {Noun(within, "day", TimeSpan.FromDays(1))}") : Text($"within {within.TotalHours} {Noun(within, "hour", TimeSpan.FromHours(1))}"));
        }
        OfEach("daily", rule.Daily, newestFirst, t => t.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), kept);
        OfEach("weekly", rule.Weekly, newestFirst, t => Text($"{ISOWeek.GetYear(t):D4}-W{ISOWeek.GetWeekOfYear(t):D2}"), kept);
        OfEach("monthly", rule.Monthly, newestFirst, t => t.ToString("yyyy-MM", CultureInfo.InvariantCulture), kept);
        OfEach("yearly", rule.Yearly, newestFirst, t => t.ToString("yyyy", CultureInfo.InvariantCulture), kept);
    }

    /// <summary>The newest so many complete ones; a suspect one among them is kept and not counted.</summary>
    private static void Newest(string word, int? count, IEnumerable<BackupInfo> newestFirst, Dictionary<string, List<string>> kept)
    {
        var left = count ?? 0;
        foreach (var backup in newestFirst)
        {
            if (left == 0)
                return;
            Add(kept, backup, word);
            if (backup.Status == BackupStatus.Complete)
                left--;
        }
    }

    /// <summary>
    /// The fulls that the increments kept so far come from. Increments that follow each other fast fill any count within a moment: counted
    /// alone they would age out the one backup that was read and stored as a whole. Rules that look at dates say themselves how old is too old.
    /// </summary>
    private static void WithFulls(List<BackupInfo> newestFirst, Dictionary<string, List<string>> kept)
    {
        var fulls = new Dictionary<string, BackupInfo>(StringComparer.Ordinal);
        foreach (var backup in Enumerable.Reverse(newestFirst))
        {
            if (backup.Kind == BackupKind.Full)
                fulls[backup.SystemId] = backup;
            else if (kept.ContainsKey(backup.Id) && fulls.TryGetValue(backup.SystemId, out var full) && !kept.ContainsKey(full.Id))
                Add(kept, full, "full of the last");
        }
    }

    /// <summary>The newest complete one of each of so many periods; a period that has only suspect ones keeps the newest of them and is not counted.</summary>
    private static void OfEach(string word, int? count, List<BackupInfo> newestFirst, Func<DateTime, string> periodOf, Dictionary<string, List<string>> kept)
    {
        var left = count ?? 0;
        foreach (var period in newestFirst.GroupBy(b => periodOf(b.StartedAt.UtcDateTime)))
        {
            if (left == 0)
                return;
            var complete = period.FirstOrDefault(b => b.Status == BackupStatus.Complete);
            Add(kept, complete ?? period.First(), $"{word} {period.Key}");
            if (complete is not null)
                left--;
        }
    }

    private static void Add(Dictionary<string, List<string>> kept, BackupInfo backup, string reason)
    {
        if (!kept.TryGetValue(backup.Id, out var reasons))
            kept[backup.Id] = reasons = [];
        reasons.Add(reason);
    }

    private static string Noun(TimeSpan span, string unit, TimeSpan one) => Counted.Noun(span == one ? 1 : 2, unit);

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}

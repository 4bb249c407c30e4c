using System.Globalization;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>A stretch of log: the timeline that wrote it, from where, and to where (<see cref="long.MaxValue"/>: it is the last).</summary>
internal sealed record TimelineStretch(int Timeline, long From, long To);

/// <summary>
/// The timelines that led to one, oldest first: what a <c>.history</c> file lists, and that timeline itself at the end.
/// </summary>
internal sealed record TimelineHistory(IReadOnlyList<TimelineStretch> Stretches)
{
    /// <summary>The timeline itself.</summary>
    public int Timeline => Stretches[^1].Timeline;

    /// <summary>The name of a timeline's file below <c>pg_wal</c>.</summary>
    internal static string FileName(int timeline) => string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}.history");

    /// <summary>Reads a history file.</summary>
    /// <param name="timeline">The timeline.</param>
    /// <param name="text">Its file's content; empty for the first timeline, which has none.</param>
    internal static TimelineHistory Parse(int timeline, string text)
    {
        var (stretches, from) = (new List<TimelineStretch>(), 0L);
        foreach (var line in text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#'))
        {
            // parent timeline, where it was left, why
            var words = line.Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || !int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out var parent))
                throw new FormatException($"'{line}' is no line of a timeline history");
            var to = LogText.Parse(words[1]);
            stretches.Add(new TimelineStretch(parent, from, to));
            from = to;
        }
        stretches.Add(new TimelineStretch(timeline, from, long.MaxValue));
        return new TimelineHistory(stretches);
    }

    /// <summary>Where two histories part: the last timeline that both went along, and the end of what both have of it.</summary>
    /// <returns>Null where they have no timeline in common.</returns>
    internal (int Timeline, long At)? ForkFrom(TimelineHistory other)
    {
        TimelineStretch? mine = null, theirs = null;
        foreach (var (a, b) in Stretches.Zip(other.Stretches))
        {
            if (a.Timeline != b.Timeline || a.From != b.From)
                break;
            (mine, theirs) = (a, b);
        }
        return mine is null ? null : (mine.Timeline, Math.Min(mine.To, theirs!.To));
    }

    /// <summary>What this history has after a place: stretch by stretch.</summary>
    internal IEnumerable<TimelineStretch> After(int timeline, long at) =>
        Stretches.SkipWhile(s => s.Timeline != timeline).Select(s => s with { From = Math.Max(s.From, at) }).Where(s => s.To > s.From);
}

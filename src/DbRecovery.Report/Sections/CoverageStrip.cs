using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Report.View;

namespace DbRecovery.Report.Sections;

/// <summary>The last weeks of a cluster's backups as a calendar: a column a week, Monday on top. Each state has a shape besides its colour.</summary>
internal static class CoverageStrip
{
    private const int Cell = 16;
    private const int Side = 13;
    private const int Left = 30;
    private const int Head = 16;

    private static readonly (DayState State, string Word)[] Legend =
    [
        (DayState.Proved, "backup, proved"), (DayState.Taken, "backup, not tested"), (DayState.Suspect, "backup of a damaged source"), (DayState.Failed, "backup that failed its test"),
        (DayState.Gap, "gap: newest backup too old"), (DayState.Covered, "none needed yet"),
    ];

    public static void Write(HtmlWriter to, ClusterView cluster)
    {
        var coverage = cluster.Coverage;
        var (title, description) = (to.NextId(), to.NextId());
        var days = Enumerable.Range(0, coverage.Today.DayNumber - coverage.Start.DayNumber + 1).Select(coverage.Start.AddDays).Select(d => (Day: d, State: coverage.On(d))).ToList();
        to.Open("svg", ("role", "img"), ("class", "calendar"), ("aria-labelledby", title), ("aria-describedby", description), ("width", Text(Left + Coverage.Weeks * Cell)), ("height", Text(Head + 7 * Cell)));
        to.Leaf("title", $"Backups of {HtmlText.Bounded(cluster.Name)} by day over {Coverage.Weeks} weeks", ("id", title));
        to.Leaf("desc", Describe(days), ("id", description));
        foreach (var (row, name) in new[] { (0, "Mon"), (2, "Wed"), (4, "Fri") })
            to.Leaf("text", name, ("class", "axis"), ("x", "0"), ("y", Text(Head + row * Cell + 11)));
        foreach (var (day, state) in days)
        {
            var (column, row) = Math.DivRem(day.DayNumber - coverage.Start.DayNumber, 7);
            // a month's name stands where its first week begins
            if (row == 0 && day.Day <= 7 && column < Coverage.Weeks - 1)
                to.Leaf("text", day.ToString("MMM", CultureInfo.InvariantCulture), ("class", "axis"), ("x", Text(Left + column * Cell)), ("y", "11"));
            WriteDay(to, state, Left + column * Cell, Head + row * Cell);
        }
        to.Close().Line();
    }

    /// <summary>What the shapes mean.</summary>
    public static void WriteLegend(HtmlWriter to)
    {
        to.Open("ul", ("class", "legend"), ("aria-label", "Meaning of the days"));
        foreach (var (state, word) in Legend)
        {
            to.Open("li").Open("svg", ("width", Text(Side + 1)), ("height", Text(Side + 1)), ("aria-hidden", "true"), ("focusable", "false"));
            WriteDay(to, state, 0, 0);
            to.Close().Text(" " + word).Close();
        }
        to.Close().Line();
    }

    private static void WriteDay(HtmlWriter to, DayState state, int x, int y)
    {
        to.Leaf("rect", null, ("class", "day " + state.ToString().ToLowerInvariant()), ("x", Text(x) + ".5"), ("y", Text(y) + ".5"), ("width", Text(Side)), ("height", Text(Side)), ("rx", "2"));
        var shape = state switch
        {
            DayState.Proved => "M3.5 7.5l2.5 2.5 4.5-5.5",
            DayState.Suspect => "M7 3.5v5M7 10v1",
            DayState.Failed => "M4 4l6 6M10 4l-6 6",
            DayState.Gap => "M2 12 12 2",
            _ => null,
        };
        if (shape is not null)
            to.Leaf("path", null, ("class", "sign " + state.ToString().ToLowerInvariant()), ("d", shape), ("transform", $"translate({Text(x)} {Text(y)})"));
    }

    private static string Describe(IReadOnlyList<(DateOnly Day, DayState State)> days) =>
        string.Join("; ", Legend.Select(l => (l.Word, Count: days.Count(d => d.State == l.State))).Where(l => l.Count > 0).Select(l => $"{Markup.Count(l.Count, "day")}: {l.Word}"))
        is { Length: > 0 } text ? text + "." : "No backup in this time.";

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}

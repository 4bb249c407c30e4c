using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>Drills over time: a small picture for each damage, then the results.</summary>
internal static class DrillSection
{
    private const int Height = 64;
    private const int Top = 10;

    /// <summary>The last drill of a cluster in one word.</summary>
    public static string Score(ClusterView cluster)
    {
        var last = cluster.LastDrill.Where(d => d.Skipped is null).ToList();
        return last.Count == 0 ? "-" : $"{last.Count(d => d.Passed)} of {last.Count} passed, score {Math.Round(last.Average(d => d.Score)).ToString(CultureInfo.InvariantCulture)}";
    }

    public static void Write(HtmlWriter to, ReportView view)
    {
        to.Section("drills", "Drills");
        if (view.Drills.Count == 0)
            to.Note("There are no drills on record. A drill damages a copy, never the original, and measures how it is found and recovered: dbrecovery drill --help.");
        else
        {
            WritePictures(to, view);
            var last = view.Clusters.SelectMany(c => c.LastDrill).ToHashSet();
            WriteTable(to, "The last drill of each cluster", [.. view.Drills.Where(last.Contains).Take(ReportLimits.ListedDrills)]);
            var before = view.Drills.Where(d => !last.Contains(d)).ToList();
            if (before.Count > 0)
            {
                to.Fold($"Earlier drills: {Markup.Count(before.Count, "result")}", open: false, level: 3);
                WriteTable(to, "Earlier results, newest first", [.. before.Take(ReportLimits.ListedDrills)]);
                if (before.Count > ReportLimits.ListedDrills)
                    to.Note($"{Markup.Count(before.Count - ReportLimits.ListedDrills, "older result")} not listed.");
                to.Close();
            }
        }
        to.Close();
    }

    private static void WritePictures(HtmlWriter to, ReportView view)
    {
        var damages = view.Clusters.SelectMany(c => c.Drills.Where(d => d.Skipped is null).GroupBy(d => d.Damage, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (Cluster: c.Name, g))).ToList();
        to.Open("div", ("class", "multiples")).Line();
        foreach (var (cluster, results) in damages.Take(ReportLimits.Pictures))
            WritePicture(to, view.Clusters.Count > 1 ? $"{cluster}: {results.Key}" : results.Key, [.. results.Take(ReportLimits.Points).Reverse()]);
        to.Close().Line();
        if (damages.Count > ReportLimits.Pictures)
            to.Note($"{Markup.Count(damages.Count - ReportLimits.Pictures, "more damage")} not drawn.");
        to.Note("Each picture is the recovery time of one damage over its drills, oldest first. Disc: passed. Triangle: worse than before. Cross: not passed.");
    }

    private static void WritePicture(HtmlWriter to, string name, DrillResult[] results)
    {
        var last = results[^1];
        to.Open("figure", ("class", "multiple")).Open("figcaption").Open("strong").Foreign(name).Close().Text(" ").Badge(ToneOf(last), Word(last));
        to.Open("span", ("class", "note")).Text($" RTO {SizeText.Duration(last.RecoveryTime)}, score {last.Score}").Close().Close();
        var (title, description) = (to.NextId(), to.NextId());
        to.Open("svg", ("role", "img"), ("aria-labelledby", title), ("aria-describedby", description), ("width", "100%"), ("height", Number(Height)));
        to.Leaf("title", $"Recovery time of {HtmlText.Bounded(name)} over {Markup.Count(results.Length, "drill")}", ("id", title));
        to.Leaf("desc", string.Join("; ", results.Select(r => $"{SizeText.Moment(r.InflictedAt)}: {(r.RecoveryTime is null ? "no recovery" : SizeText.Duration(r.RecoveryTime))}, {Word(r)}")) + ".", ("id", description));
        var most = results.Max(r => r.RecoveryTime?.TotalSeconds ?? 0);
        to.Leaf("line", null, ("class", "tick"), ("x1", "0"), ("x2", "100%"), ("y1", Number(Height - 14)), ("y2", Number(Height - 14)));
        to.Leaf("text", results[0].InflictedAt.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), ("class", "axis"), ("x", "0"), ("y", Number(Height - 2)));
        if (results.Length > 1)
            to.Leaf("text", last.InflictedAt.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), ("class", "axis"), ("x", "100%"), ("y", Number(Height - 2)), ("text-anchor", "end"));
        for (var i = 0; i < results.Length; i++)
        {
            if (i > 0)
                to.Leaf("line", null, ("class", "trend"), ("x1", X(i - 1, results.Length)), ("y1", Y(results[i - 1], most)), ("x2", X(i, results.Length)), ("y2", Y(results[i], most)));
        }
        for (var i = 0; i < results.Length; i++)
            WriteMark(to, results[i], X(i, results.Length), Y(results[i], most));
        to.Close().Close().Line();
    }

    private static void WriteMark(HtmlWriter to, DrillResult result, string x, string y)
    {
        to.Open("svg", ("x", x), ("y", y), ("class", "mark " + Markup.Name(ToneOf(result))), ("overflow", "visible"));
        if (!result.Passed)
            to.Leaf("path", null, ("d", "M-4-4 4 4M4-4-4 4"), ("class", "cross"));
        else
            to.Leaf("path", null, ("d", result.Regression is null ? "M0-3.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z" : "M0-5 5 4H-5z"));
        to.Close();
    }

    private static void WriteTable(HtmlWriter to, string caption, IReadOnlyList<DrillResult> drills) =>
        to.Table(caption, drills,
            new Column<DrillResult>("Damage", (w, d) => w.Foreign(d.Damage)), new("Cluster", (w, d) => w.Foreign(d.Cluster)), new("When", (w, d) => w.Moment(d.InflictedAt)),
            new("Outcome", (w, d) => w.Badge(ToneOf(d), Word(d))), new("Score", (w, d) => w.Text(Number(d.Score)), true), new("Found in", (w, d) => w.Text(SizeText.Duration(d.DetectionTime)), true),
            new("RTO", (w, d) => w.Text(SizeText.Duration(d.RecoveryTime)), true), new("RPO", (w, d) => w.Text(SizeText.Duration(d.LossWindow)), true),
            new("Rows lost", (w, d) => w.Text(d.LostRows is null ? "-" : Markup.Number(d.LostRows)), true), new("Rows wrong", (w, d) => w.Text(d.WrongRows is null ? "-" : Markup.Number(d.WrongRows)), true),
            new("Rows salvaged", (w, d) => w.Text(d.SalvagedRows is null ? "-" : Markup.Number(d.SalvagedRows)), true), new("What is worth knowing", (w, d) => w.Foreign(Remark(d))));

    private static string Remark(DrillResult drill)
    {
        var remarks = new List<string>();
        if (drill.Skipped is not null)
            remarks.Add(drill.Skipped);
        else if (!drill.FoundFaults.Contains(drill.ExpectedFault))
            remarks.Add($"expected {drill.ExpectedFault}, found {(drill.FoundFaults.Count == 0 ? "nothing" : string.Join(", ", drill.FoundFaults))}");
        if (drill.Regression is not null)
            remarks.Add(drill.Regression);
        if (drill.MissingActions.Count > 0)
            remarks.Add("not done: " + string.Join(", ", drill.MissingActions));
        if (drill.WrongActions.Count > 0)
            remarks.Add("should not have been done: " + string.Join(", ", drill.WrongActions));
        if (drill.Withheld.Count > 0)
            remarks.Add("planned, and not carried out in a drill: " + string.Join(", ", drill.Withheld));
        // how a drill went well is told by its figures
        return remarks.Count > 0 ? string.Join("; ", remarks) : (drill.Passed ? null : drill.Outcome) ?? drill.Runbook ?? "-";
    }

    private static Tone ToneOf(DrillResult drill) => drill.Skipped is not null ? Tone.None : !drill.Passed ? Tone.Bad : drill.Regression is not null ? Tone.Warn : Tone.Good;

    private static string Word(DrillResult drill) => drill.Skipped is not null ? "skipped" : !drill.Passed ? "not passed" : drill.Regression is not null ? "got worse" : "passed";

    private static string X(int index, int count) => (count == 1 ? 50 : 3 + 94d * index / (count - 1)).ToString("0.##", CultureInfo.InvariantCulture) + "%";

    // without a recovery there is no time: the mark stands at the top
    private static string Y(DrillResult result, double most) =>
        (result.RecoveryTime is { } time && most > 0 ? Height - 22 - (Height - 22 - Top) * time.TotalSeconds / most : Top).ToString("0.#", CultureInfo.InvariantCulture);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}

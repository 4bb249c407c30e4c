using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>An incident's phases as bars over a time axis, and the same as a table.</summary>
internal static class TimelinePicture
{
    private const int Row = 34;
    private const int Axis = 24;
    private const int LongestName = 32;

    public static void Write(HtmlWriter to, IncidentReport incident)
    {
        var all = IncidentPhases.Of(incident);
        if (all.Count == 0)
            return;
        var phases = all.Take(ReportLimits.Values * 2).ToList();
        to.Open("figure", ("class", "timeline")).Leaf("figcaption", "From detection to the end, in order; waiting is drawn shortened (dashed)");
        Draw(to, incident, phases);
        to.Close().Line();
        to.Fold("The timeline as a table", open: false);
        to.Table("Phases", all.Take(ReportLimits.Lines), new Column<Phase>("Phase", (w, p) => w.Foreign(p.Name)), new("From", (w, p) => w.Moment(p.From)),
            new("After", (w, p) => w.Text("+" + SizeText.Duration(p.From - all[0].From)), true), new("Took", (w, p) => w.Text(Took(p)), true), new("What came of it", (w, p) => w.Foreign(p.Result)));
        to.Close().Line();
    }

    private static void Draw(HtmlWriter to, IncidentReport incident, List<Phase> phases)
    {
        var axis = new TimeAxis(phases);
        var height = phases.Count * Row + Axis;
        var (title, description) = (to.NextId(), to.NextId());
        to.Open("svg", ("role", "img"), ("aria-labelledby", title), ("aria-describedby", description), ("width", "100%"), ("height", Text(height)));
        to.Leaf("title", $"Timeline of incident {HtmlText.Bounded(incident.Id)}: {(incident.RecoveryTime is { } rto ? $"recovered in {SizeText.Duration(rto)}" : "not recovered")}", ("id", title));
        to.Leaf("desc", string.Join("; ", phases.Select(p => $"{Short(p.Name)}: {Took(p)}")) + ".", ("id", description));
        foreach (var (since, at) in axis.Ticks())
        {
            Rule(to, at, height - Axis, "tick");
            to.Leaf("text", at < 4 ? SizeText.Duration(since) : "+" + SizeText.Duration(since), ("class", "axis"), ("x", Percent(at)), ("y", Text(height - 8)), ("text-anchor", at < 4 ? "start" : at > 94 ? "end" : "middle"));
        }
        if (IncidentPhases.VerifiedAt(incident) is { } verified && verified >= axis.Begin && verified <= axis.End)
            Rule(to, axis.At(verified), height - Axis, "verified");
        for (var i = 0; i < phases.Count; i++)
            DrawRow(to, axis, phases[i], i * Row);
        to.Close();
    }

    private static void DrawRow(HtmlWriter to, TimeAxis axis, Phase phase, int top)
    {
        var from = axis.At(phase.From);
        var width = Math.Max(phase.To is { } end ? axis.At(end) - from : 100 - from, 0.4);
        // a bar at the very end still shows
        from = Math.Min(from, 100 - width);
        to.Leaf("text", Short(phase.Name), ("class", "name"), ("x", "0"), ("y", Text(top + 13)));
        to.Leaf("text", Took(phase), ("class", "took"), ("x", "100%"), ("y", Text(top + 13)), ("text-anchor", "end"));
        to.Leaf("rect", null, ("class", "track"), ("x", "0"), ("width", "100%"), ("y", Text(top + 19)), ("height", "9"), ("rx", "2"));
        to.Leaf("rect", null, ("class", "bar " + phase.Kind.ToString().ToLowerInvariant()), ("x", Percent(from)), ("width", Percent(width)), ("y", Text(top + 19)), ("height", "9"), ("rx", "2"));
        foreach (var mark in phase.Marks)
            to.Leaf("line", null, ("class", "retry"), ("x1", Percent(axis.At(mark))), ("x2", Percent(axis.At(mark))), ("y1", Text(top + 17)), ("y2", Text(top + 30)));
    }

    private static void Rule(HtmlWriter to, double at, int height, string name) =>
        to.Leaf("line", null, ("class", name), ("x1", Percent(at)), ("x2", Percent(at)), ("y1", "0"), ("y2", Text(height)));

    private static string Took(Phase phase) => phase.Duration is { } took ? SizeText.Duration(took) : phase.Kind is PhaseKind.Step or PhaseKind.FailedStep ? "did not end" : "-";

    // the table has it whole
    private static string Short(string name) => name.EnumerateRunes().Count() <= LongestName ? name : string.Concat(name.EnumerateRunes().Take(LongestName - 1)) + "…";

    private static string Percent(double value) => value.ToString("0.##", CultureInfo.InvariantCulture) + "%";

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}

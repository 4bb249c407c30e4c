using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>One incident told whole: what was seen, done, verified and lost.</summary>
internal static class IncidentPart
{
    public static void Write(HtmlWriter to, IncidentReport incident, IReadOnlyList<SalvagedRow> salvaged, bool open)
    {
        var (anchor, heading) = (IncidentFigures.Anchor(incident), to.NextId());
        to.Open("article", ("id", anchor), ("class", "card incident"), ("aria-labelledby", heading), ("tabindex", "-1"));
        to.Open("h3", ("id", heading)).Foreign(incident.Fault.Id).Text(" on ").Foreign(IncidentFigures.Where(incident)).Text(" ").Badge(IncidentFigures.ToneOf(incident), Markup.Words(incident.State)).Close();
        to.Open("p", ("class", "note")).Moment(incident.StartedAt).Text(" · incident ").Id(incident.Id).Text(" · runbook ").Foreign($"{incident.Runbook} {incident.RunbookVersion}").Text($" · epoch {incident.Epoch}").Close();
        to.Open("p", ("class", "lead")).Foreign(incident.Fault.Summary).Close();
        to.Open("p").Foreign(incident.Summary).Close();
        WriteFigures(to, incident);
        TimelinePicture.Write(to, incident);
        WriteSeen(to, incident, open);
        WriteDone(to, incident, open);
        WriteVerified(to, incident, open);
        WriteLoss(to, incident, salvaged);
        WriteApprovals(to, incident);
        WriteRecord(to, incident);
        to.Close().Line();
    }

    private static void WriteFigures(HtmlWriter to, IncidentReport incident)
    {
        to.Open("dl", ("class", "figures small"));
        to.Figure("RTO reached", IncidentFigures.RecoveryTime(incident), IncidentFigures.Recovered(incident) ? "detected to verified" : null);
        to.Figure("RPO reached", IncidentFigures.LossText(incident), incident.Loss?.Since is { } since ? $"since {SizeText.Moment(since)}" : null);
        to.Figure("Steps", $"{incident.Steps.Count(s => s.State is StepState.Applied or StepState.Confirmed)} of {incident.Steps.Count} done",
            incident.Steps.Sum(s => Math.Max(0, s.Attempts - 1)) is > 0 and var retries ? Markup.Count(retries, "retry", "retries") : null);
        to.Figure("Checks", incident.Verification.Count == 0 ? "none" : $"{incident.Verification.Count(c => c.Passed)} of {incident.Verification.Count} passed");
        to.Figure("Severity", Markup.Words(incident.Fault.Severity), $"{Markup.Words(incident.Fault.Confidence)}");
        to.Close().Line();
    }

    private static void WriteSeen(HtmlWriter to, IncidentReport incident, bool open)
    {
        to.Fold($"What was seen: {Markup.Count(incident.Fault.Evidence.Count, "piece")} of evidence", open);
        to.Table("Evidence", incident.Fault.Evidence.Take(ReportLimits.Lines),
            new Column<Evidence>("Fact", (w, e) => w.Foreign(e.Fact)), new("Value", (w, e) => WriteValue(w, e.Value)), new("Threshold", (w, e) => w.Foreign(e.Threshold ?? "-")),
            new("Node", (w, e) => w.Foreign(e.Node)), new("Seen at", (w, e) => w.Moment(e.At)), new("What it shows", (w, e) => w.Foreign(e.Shows)));
        Cut(to, incident.Fault.Evidence.Count);
        if (incident.Fault.RuledOut.Count > 0)
        {
            to.Leaf("h4", "Ruled out", ("class", "minor")).Open("ul");
            foreach (var other in incident.Fault.RuledOut.Take(ReportLimits.Values))
                to.Open("li").Foreign(other).Close();
            to.Close();
        }
        if (incident.Fault.Details.Count > 0)
        {
            to.Leaf("h4", "Details", ("class", "minor")).Open("dl", ("class", "pairs"));
            foreach (var (name, value) in incident.Fault.Details.OrderBy(d => d.Key, StringComparer.Ordinal).Take(ReportLimits.Values))
                to.Open("dt").Foreign(name).Close().Open("dd").Foreign(Markup.Value(value)).Close();
            to.Close();
        }
        to.Close().Line();
    }

    private static void WriteValue(HtmlWriter to, FactValue? value)
    {
        if (value is not { Type: FactType.List } list || list.AsList() is not { Count: > 1 } lines)
        {
            to.Foreign(Markup.Value(value));
            return;
        }
        to.Open("ul", ("class", "values"));
        foreach (var line in lines.Take(ReportLimits.Values))
            to.Open("li").Foreign(line).Close();
        if (lines.Count > ReportLimits.Values)
            to.Leaf("li", $"and {Markup.Number(lines.Count - ReportLimits.Values)} more");
        to.Close();
    }

    private static void WriteDone(HtmlWriter to, IncidentReport incident, bool open)
    {
        to.Fold($"What was done: {Markup.Count(incident.Steps.Count, "step")}", open);
        to.Table("Steps", incident.Steps.Take(ReportLimits.Lines),
            new Column<IncidentStep>("Step", (w, s) => w.Foreign(s.Id)), new("Action", (w, s) => w.Foreign(s.Action)), new("State", (w, s) => w.Badge(ToneOf(s.State), Markup.Words(s.State))),
            new("Began", (w, s) => w.Moment(s.StartedAt)), new("Took", (w, s) => w.Text(SizeText.Duration(s.EndedAt - s.StartedAt)), true),
            new("Attempts", (w, s) => w.Text(Markup.Number(s.Attempts)), true), new("Result", (w, s) => w.Foreign(s.Result ?? "-")));
        Cut(to, incident.Steps.Count);
        to.Close().Line();
    }

    private static void WriteVerified(HtmlWriter to, IncidentReport incident, bool open)
    {
        if (incident.Verification.Count == 0)
            return;
        to.Fold($"What was verified: {incident.Verification.Count(c => c.Passed)} of {incident.Verification.Count} checks passed", open || incident.Verification.Any(c => !c.Passed));
        WriteChecks(to, "Checks after the steps", incident.Verification);
        to.Close().Line();
    }

    /// <summary>A table of checks.</summary>
    public static void WriteChecks(HtmlWriter to, string caption, IReadOnlyList<ProofCheck> checks)
    {
        to.Table(caption, checks.Take(ReportLimits.Lines), new Column<ProofCheck>("Check", (w, c) => w.Foreign(c.Name)),
            new("Outcome", (w, c) => w.Badge(c.Passed ? Tone.Good : Tone.Bad, c.Passed ? "passed" : "failed")), new("What was compared", (w, c) => w.Foreign(c.Detail)));
        Cut(to, checks.Count);
    }

    private static void WriteLoss(HtmlWriter to, IncidentReport incident, IReadOnlyList<SalvagedRow> salvaged)
    {
        var salvages = incident.Steps.Where(IsSalvage).ToList();
        if (incident.Loss is not { } loss)
        {
            if (IncidentFigures.Recovered(incident))
                to.Open("p", ("class", "outcome")).Badge(Tone.Good, "nothing lost").Text(" The recovery took no committed change away.").Close();
        }
        else
        {
            // what was lost is never folded away
            to.Fold("What was lost", open: true).Open("p").Foreign(loss.Statement).Close();
            if (loss.Tables.Count > 0)
                to.Table("Rows before and after", loss.Tables.Take(ReportLimits.Lines),
                    new Column<TableLoss>("Table", (w, t) => w.Foreign(t.Table)), new("Readable before", (w, t) => w.Text(t.RowsReadable is null ? "unknown" : (t.Complete ? "" : "≥ ") + Markup.Number(t.RowsReadable)), true),
                    new("After", (w, t) => w.Text(Markup.Number(t.RowsAfter)), true), new("Difference", (w, t) => w.Text(Difference(t)), true), new("What is not known", (w, t) => w.Foreign(t.Note ?? "-")));
            Cut(to, loss.Tables.Count);
            to.Close().Line();
        }
        foreach (var step in salvages)
        {
            to.Open("p", ("class", "outcome")).Badge(Tone.Info, "salvaged").Text(" ").Foreign(step.Result ?? step.Id).Close();
            to.Open("dl", ("class", "pairs"));
            foreach (var (name, value) in step.Outputs.OrderBy(o => o.Key, StringComparer.Ordinal).Take(ReportLimits.Values))
                to.Open("dt").Foreign(name).Close().Open("dd").Foreign(Markup.Value(value)).Close();
            to.Close().Line();
        }
        if (salvaged.Count == 0)
            return;
        var total = incident.Loss?.RowsSalvaged ?? salvaged.Count;
        to.Fold($"What was salvaged: {Markup.Count(total, "row")}, read from the damaged database and in no backup", open: false);
        to.Table("Salvaged rows", salvaged.Take(ReportLimits.Lines), new Column<SalvagedRow>("Table", (w, r) => w.Foreign(r.Table)), new("Key", (w, r) => w.Foreign(r.Key)),
            new("Origin", (w, r) => w.Badge(Tone.Info, "salvaged").Text(" ").Foreign(r.Source)));
        if (total > ReportLimits.Lines)
            to.Note($"{Markup.Count(total - ReportLimits.Lines, "more row")} not listed here; the list has every one.");
        to.Close().Line();
    }

    private static bool IsSalvage(IncidentStep step) => step.Action.StartsWith("salvage", StringComparison.Ordinal) && step.State is StepState.Applied or StepState.Confirmed;

    private static string Difference(TableLoss table) => (table.RowsAfter - table.RowsReadable) switch
    {
        null => "unknown",
        0 => "0",
        > 0 and var more => "+" + Markup.Number(more),
        { } less => "−" + Markup.Number(-less),
    };

    private static void WriteApprovals(HtmlWriter to, IncidentReport incident)
    {
        var asked = incident.Timeline.Where(e => e.State == IncidentState.AwaitingApproval).Take(ReportLimits.Values).ToList();
        if (incident.ApprovalReasons.Count == 0 && asked.Count == 0)
            return;
        to.Fold("Approvals", incident.State == IncidentState.AwaitingApproval).Open("ul");
        foreach (var reason in incident.ApprovalReasons.Take(ReportLimits.Values))
            to.Open("li").Text("Needed because ").Foreign(reason).Close();
        foreach (var entry in asked)
            to.Open("li").Moment(entry.At).Text(" ").Foreign(entry.Event).Close();
        to.Close();
        if (incident is { State: IncidentState.AwaitingApproval, NextReviewAt: { } until })
            to.Open("p").Text("It can be given until ").Moment(until).Text(".").Close();
        to.Close().Line();
    }

    private static void WriteRecord(HtmlWriter to, IncidentReport incident)
    {
        to.Fold($"The record: {Markup.Count(incident.Timeline.Count, "entry", "entries")}", open: false).Open("dl", ("class", "pairs"));
        foreach (var (name, value) in new[] { ("Journal", incident.JournalPath), ("Evidence", incident.EvidencePath ?? "none was kept"), ("Plan (SHA-256)", incident.PlanHash ?? "none") })
            to.Leaf("dt", name).Open("dd").Id(value).Close();
        to.Close();
        to.Table("Every entry of the journal", incident.Timeline.Take(ReportLimits.Lines),
            new Column<TimelineEntry>("At", (w, e) => w.Moment(e.At)), new("After", (w, e) => w.Text(e.At >= incident.Fault.DetectedAt ? "+" + SizeText.Duration(e.At - incident.Fault.DetectedAt) : "-"), true),
            new("State", (w, e) => w.Text(Markup.Words(e.State))), new("Step", (w, e) => w.Foreign(e.Step ?? "-")), new("Event", (w, e) => w.Foreign(e.Event)));
        Cut(to, incident.Timeline.Count);
        to.Close().Line();
    }

    private static void Cut(HtmlWriter to, int count)
    {
        if (count > ReportLimits.Lines)
            to.Note($"{Markup.Number(count - ReportLimits.Lines)} more left out here.");
    }

    private static Tone ToneOf(StepState state) => state switch
    {
        StepState.Applied or StepState.Confirmed => Tone.Good,
        StepState.Failed or StepState.Unknown => Tone.Bad,
        StepState.Compensated or StepState.Intent => Tone.Warn,
        _ => Tone.None,
    };
}

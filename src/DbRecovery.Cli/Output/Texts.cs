using System.Text;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Output;

/// <summary>Single objects as text for a terminal.</summary>
internal static class Texts
{
    private const int LabelWidth = 10;

    /// <summary>An incident in full.</summary>
    public static string Of(IncidentReport incident, int width = TextLayout.DefaultWidth)
    {
        var text = new StringBuilder();
        string[] said = [.. incident.ApprovalReasons, .. incident.Loss is null ? [] : new[] { incident.Loss.Statement }];
        Line("Incident", $"{incident.Id}  {incident.State}");
        Line("Cluster", $"{incident.Cluster} ({incident.Engine}){(incident.Node is null ? "" : ", node " + incident.Node)}");
        Line("Summary", TextLayout.Without(incident.Summary, said));
        Many("Next", Next(incident));
        Line(PlanText.IsAsked(incident.Fault) ? "Asked" : "Fault", PlanText.IsAsked(incident.Fault) ? incident.Fault.Summary : $"{incident.Fault.Id} ({incident.Fault.Severity}, {incident.Fault.Confidence}): {incident.Fault.Summary}");
        foreach (var (heading, ground) in PlanText.Grounds(incident.Fault))
            Line("", ground, heading + ": ");
        Line("Runbook", $"{incident.Runbook} {incident.RunbookVersion}");
        Line("Time", $"{SizeText.Moment(incident.StartedAt)} to {SizeText.Moment(incident.EndedAt)}, recovery took {SizeText.Duration(incident.RecoveryTime)}");
        Many("Steps", incident.Steps.Select(PlanText.Line));
        Many("Verified", incident.Verification.Select(v => $"{v.Name}: {(v.Passed ? "passed" : "FAILED")} - {v.Detail}"));
        Many("Loss", incident is { Loss: null, State: IncidentState.AwaitingApproval } ? ["nothing so far; the approval says what would be"] : PlanText.Loss(incident.Loss));
        Many("Approval", incident.ApprovalReasons);
        if (incident.NextReviewAt is { } review)
            Line("Review", SizeText.Moment(review));
        if (incident.EvidencePath is { } evidencePath)
            Line("Evidence", evidencePath);
        Line("Journal", incident.JournalPath);
        var label = "Timeline";
        foreach (var entry in incident.Timeline)
        {
            Line(label, entry.Lead() + TextLayout.Without(entry.Event, said), $"{entry.At.UtcDateTime:HH:mm:ss.fff}  {entry.State,-16} ");
            label = "";
        }
        return text.ToString().TrimEnd();

        void Line(string heading, string value, string lead = "") => text.Append(TextLayout.Hang(heading.PadRight(LabelWidth) + lead, value, width)).Append('\n');

        void Many(string heading, IEnumerable<string> values)
        {
            foreach (var value in values)
            {
                Line(heading, value);
                heading = "";
            }
        }
    }

    /// <summary>What the one who reads an incident can do about it now.</summary>
    public static IEnumerable<string> Next(IncidentReport incident) => incident.State switch
    {
        IncidentState.AwaitingApproval =>
        [
            $"dbrecovery incident approve {incident.Id}, then dbrecovery incident resume {incident.Id}",
            .. incident.Loss is null && PlanText.IsAsked(incident.Fault) ? Array.Empty<string>() : [$"or, where the loss is accepted: dbrecovery {Verb(incident)} --allow-data-loss any"],
        ],
        IncidentState.Executing or IncidentState.Verifying or IncidentState.Compensating => [$"dbrecovery incident resume {incident.Id}, if the process that carried it out has ended"],
        _ => [],
    };

    private static string Verb(IncidentReport incident) => incident.Fault.Id switch
    {
        "planned.failover" => $"failover {incident.Cluster}",
        "planned.rejoin" => $"rejoin {incident.Cluster} {incident.Node}",
        _ => $"recover {incident.Cluster}",
    };

    /// <summary>What is wrong and how that is known, fault by fault.</summary>
    public static string Of(IEnumerable<Fault> faults, int width) => string.Join('\n', faults.SelectMany(f =>
        PlanText.Grounds(f).Select(g => TextLayout.Hang($"  {g.Heading,-5}", g.Text, width)).Prepend(TextLayout.Hang("", $"{f.Cluster}: {f.Id}: {f.Summary}", width))));

    /// <summary>What is wrong, and what each check that did not pass has seen.</summary>
    public static string Of(IEnumerable<HealthReport> reports, int width) => string.Join('\n', reports.SelectMany(r =>
        r.Faults.Select(f => TextLayout.Hang($"  {f.Cluster}: {f.Id}: ", TextLayout.Cut(f.Summary, 3 * width), width)).Concat(r.Checks.Where(c => c.Verdict is CheckVerdict.Warn or CheckVerdict.Fail || c is { Verdict: CheckVerdict.Unknown, Name: "reachable" })
            .Select(c => TextLayout.Hang($"  {c.Cluster}{(r.Nodes.Count > 1 && c.Node is { } node ? $" {node}" : "")}: {c.Name}: ", TextLayout.Cut($"{c.Value?.ToString() ?? "unknown"}{(c.Unit is null ? "" : " " + c.Unit)}{(c.Threshold is null ? "" : $" (must be: {c.Threshold})")}: {c.Evidence}", 3 * width), width)))));

    /// <summary>What each damage of a drill lacked, why it was left out, what a drill does not carry out, and what is worse than before.</summary>
    public static string Of(IEnumerable<DrillResult> drills, int width) => string.Join('\n', drills.SelectMany(d => new[]
    {
        d.Skipped is { } why ? $"skipped: {why}" : null,
        d.Shortcomings.Count > 0 ? string.Join("; ", d.Shortcomings) : null,
        d.Shortcomings.Count > 0 ? d.Outcome : null,
        d.Withheld.Count > 0 ? $"planned, and not carried out in a drill: {string.Join(", ", d.Withheld)}" : null,
        d.Regression is { } worse ? $"worse than before: {worse}" : null,
        d.Sandbox is { } kept ? $"kept in {kept}" : null,
    }.OfType<string>().Select(text => TextLayout.Hang($"  {d.Damage}: ", TextLayout.Cut(text, 4 * width), width))));

    /// <summary>A runbook in full.</summary>
    public static string Of(RunbookInfo runbook, int width) => string.Join('\n', new[]
    {
        $"{runbook.Name} {runbook.Version}", TextLayout.Hang("", runbook.Description, width), TextLayout.Hang("engines: ", string.Join(", ", runbook.Engines), width),
        TextLayout.Hang("faults:  ", string.Join(", ", runbook.Faults), width), "file:    " + runbook.Path, "steps:",
    }.Concat(runbook.Steps.Select((s, i) => TextLayout.Hang($"  {i + 1}. ", s, width))));
}

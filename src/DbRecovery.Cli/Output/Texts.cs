using System.Text;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Output;

/// <summary>Single objects as text for a terminal.</summary>
internal static class Texts
{
    /// <summary>An incident in full.</summary>
    public static string Of(IncidentReport incident)
    {
        var text = new StringBuilder();
        Line("Incident", $"{incident.Id}  {incident.State}");
        Line("Cluster", $"{incident.Cluster} ({incident.Engine}){(incident.Node is null ? "" : ", node " + incident.Node)}");
        Line("Summary", incident.Summary);
        Line("Fault", $"{incident.Fault.Id} ({incident.Fault.Severity}, {incident.Fault.Confidence}): {incident.Fault.Summary}");
        foreach (var evidence in incident.Fault.Evidence)
            Line("", $"{evidence.Fact}: {evidence.Shows}");
        Line("Runbook", $"{incident.Runbook} {incident.RunbookVersion}");
        Line("Time", $"{SizeText.Moment(incident.StartedAt)} to {SizeText.Moment(incident.EndedAt)}, recovery took {SizeText.Duration(incident.RecoveryTime)}");
        Many("Steps", incident.Steps.Select(PlanText.Line));
        Many("Verified", incident.Verification.Select(v => $"{v.Name}: {(v.Passed ? "passed" : "FAILED")} - {v.Detail}"));
        Many("Loss", PlanText.Loss(incident.Loss));
        Many("Approval", incident.ApprovalReasons);
        if (incident.NextReviewAt is { } review)
            Line("Review", SizeText.Moment(review));
        if (incident.EvidencePath is { } evidencePath)
            Line("Evidence", evidencePath);
        Line("Journal", incident.JournalPath);
        Many("Timeline", incident.Timeline.Select(PlanText.Line));
        return text.ToString().TrimEnd();

        void Line(string label, string value) => text.Append($"{label,-10}").Append(value).Append('\n');

        void Many(string label, IEnumerable<string> values)
        {
            foreach (var value in values)
            {
                Line(label, value);
                label = "";
            }
        }
    }

    /// <summary>A runbook in full.</summary>
    public static string Of(RunbookInfo runbook) =>
        $"{runbook.Name} {runbook.Version}\n{runbook.Description}\nengines: {string.Join(", ", runbook.Engines)}\nfaults:  {string.Join(", ", runbook.Faults)}\n"
        + $"file:    {runbook.Path}\nsteps:\n" + string.Join('\n', runbook.Steps.Select((s, i) => $"  {i + 1}. {s}"));
}

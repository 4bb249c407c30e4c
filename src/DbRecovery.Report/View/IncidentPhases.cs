namespace DbRecovery.Report.View;

/// <summary>What a bar of a timeline is.</summary>
internal enum PhaseKind
{
    /// <summary>Seeing and making sure.</summary>
    Detection,
    /// <summary>Deciding.</summary>
    Decision,
    /// <summary>Nothing is done; time passes.</summary>
    Waiting,
    /// <summary>A step.</summary>
    Step,
    /// <summary>A step that failed or was undone.</summary>
    FailedStep,
    /// <summary>Checking.</summary>
    Verification,
}

/// <summary>A part of an incident: what, from when to when, and what came of it. Without an end it goes on, or its end is not known.</summary>
internal sealed record Phase(string Name, PhaseKind Kind, DateTimeOffset From, DateTimeOffset? To, string Result, IReadOnlyList<DateTimeOffset> Marks)
{
    /// <summary>How long it took; null where that is not known.</summary>
    public TimeSpan? Duration => To - From;
}

/// <summary>An incident cut into phases.</summary>
internal static class IncidentPhases
{
    /// <summary>The phases in order.</summary>
    public static IReadOnlyList<Phase> Of(IncidentReport incident)
    {
        var phases = new List<Phase>();
        var entries = incident.Timeline.OrderBy(e => e.At).ToList();
        var begin = entries.Count > 0 ? entries[0].At : incident.StartedAt;
        if (incident.Fault.DetectedAt < begin)
            phases.Add(new Phase("Detection", PhaseKind.Detection, incident.Fault.DetectedAt, begin, incident.Fault.Summary, []));
        for (var i = 0; i < entries.Count;)
        {
            var next = i;
            while (next < entries.Count && entries[next].State == entries[i].State)
                next++;
            var end = next < entries.Count ? entries[next].At : EndOf(incident, entries[i].State);
            if (entries[i].State is IncidentState.Executing or IncidentState.Compensating)
                phases.AddRange(Steps(incident, entries[i].At, end, phases));
            else if (Name(entries[i].State) is var (name, kind))
                phases.Add(new Phase(name, kind, entries[i].At, end < entries[i].At ? entries[i].At : end, entries[next - 1].Event, []));
            i = next;
        }
        return phases;
    }

    /// <summary>When the recovery was verified; null where it was not.</summary>
    public static DateTimeOffset? VerifiedAt(IncidentReport incident) =>
        incident.RecoveryTime is null ? null : incident.Timeline.FirstOrDefault(e => e.State == IncidentState.Probation)?.At ?? incident.EndedAt;

    private static IEnumerable<Phase> Steps(IncidentReport incident, DateTimeOffset from, DateTimeOffset? to, List<Phase> told)
    {
        foreach (var step in incident.Steps)
        {
            if (step.StartedAt is not { } started || started < from || started > (to ?? DateTimeOffset.MaxValue) || told.Exists(p => p.From == started && p.Name == Label(step)))
                continue;
            var ended = step.EndedAt is { } end ? end < started ? started : end : (DateTimeOffset?)null;
            var marks = step.Attempts > 1
                ? incident.Timeline.Where(e => e.Step == step.Id && e.At > started && (ended is null || e.At < ended)).Select(e => e.At).Take(20).ToArray()
                : [];
            yield return new Phase(Label(step), step.State is StepState.Failed or StepState.Compensated ? PhaseKind.FailedStep : PhaseKind.Step, started, ended,
                step.Result ?? Html.Markup.Words(step.State), marks);
        }
    }

    private static string Label(IncidentStep step) => step.Attempts > 1 ? $"Step {step.Id} ({Counted.Of(step.Attempts, "attempt")})" : $"Step {step.Id}";

    private static DateTimeOffset? EndOf(IncidentReport incident, IncidentState state) => state switch
    {
        IncidentState.Probation or IncidentState.Suppressed or IncidentState.AwaitingApproval => incident.NextReviewAt,
        _ => incident.EndedAt,
    };

    private static (string Name, PhaseKind Kind)? Name(IncidentState state) => state switch
    {
        IncidentState.Observing => ("Observation", PhaseKind.Detection),
        IncidentState.Suspected => ("Confirmation", PhaseKind.Detection),
        IncidentState.Confirmed => ("Planning", PhaseKind.Decision),
        IncidentState.Planned => ("Guards and decision", PhaseKind.Decision),
        IncidentState.AwaitingApproval => ("Waiting for approval", PhaseKind.Waiting),
        IncidentState.Suppressed => ("Held back", PhaseKind.Waiting),
        IncidentState.Verifying => ("Verification", PhaseKind.Verification),
        IncidentState.Probation => ("Probation", PhaseKind.Waiting),
        _ => null,
    };
}

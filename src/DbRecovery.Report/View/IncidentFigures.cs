using DbRecovery.Report.Html;
using DbRecovery.Shells;

namespace DbRecovery.Report.View;

/// <summary>What an incident comes to in figures.</summary>
internal static class IncidentFigures
{
    /// <summary>Whether the database was brought back and verified.</summary>
    public static bool Recovered(IncidentReport incident) => incident.RecoveryTime is not null;

    /// <summary>Whether a person must do something about it.</summary>
    public static bool NeedsPerson(IncidentReport incident) => incident.State is IncidentState.AwaitingApproval or IncidentState.AmbiguousHalt or IncidentState.Failed
        or IncidentState.Executing or IncidentState.Verifying or IncidentState.Compensating;

    /// <summary>What its state means.</summary>
    public static Tone ToneOf(IncidentReport incident) => incident.State switch
    {
        IncidentState.Resolved or IncidentState.Probation => Tone.Good,
        IncidentState.Failed or IncidentState.AmbiguousHalt => Tone.Bad,
        IncidentState.Superseded or IncidentState.Cancelled => Tone.None,
        _ => Tone.Warn,
    };

    /// <summary>The RTO that was reached.</summary>
    public static string RecoveryTime(IncidentReport incident) => Recovered(incident) ? SizeText.Duration(incident.RecoveryTime) : "not recovered";

    /// <summary>How much time's changes were lost, counted to the detection: the truth is no more than this. Null where it is not known or nothing was recovered.</summary>
    public static TimeSpan? LossWindow(IncidentReport incident) => incident.Loss switch
    {
        null => Recovered(incident) ? TimeSpan.Zero : null,
        { Since: { } since } when incident.Fault.DetectedAt > since => incident.Fault.DetectedAt - since,
        _ => null,
    };

    /// <summary>The RPO that was reached.</summary>
    public static string LossText(IncidentReport incident) => (incident.Loss, LossWindow(incident)) switch
    {
        (null, null) => "-",
        (null, _) => "nothing lost",
        (_, { } window) => $"at most {SizeText.Duration(window)}",
        _ => "unknown",
    };

    /// <summary>Where it happened.</summary>
    public static string Where(IncidentReport incident) => incident.Node is { } node && node != incident.Cluster ? $"{incident.Cluster} / {node}" : incident.Cluster;

    /// <summary>The anchor of its part of the page.</summary>
    public static string Anchor(IncidentReport incident) =>
        "incident-" + string.Concat(incident.Id.Select(c => char.IsAsciiLetterOrDigit(c) || c == '-' ? c : '_'));
}

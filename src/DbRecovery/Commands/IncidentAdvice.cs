using System.Management.Automation;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Says what to do next about an incident that waits for a person: nothing failed, so it is no error, and nothing was recovered, so it must be heard.</summary>
internal static class IncidentAdvice
{
    /// <summary>What to do about a recovery that was cancelled and does not end.</summary>
    public const string Unfinished = "Look with Get-DbIncident at what it did; Resume-DbIncident goes on with it.";

    /// <summary>Writes it, where there is something to do.</summary>
    public static void Write(PSCmdlet cmdlet, IncidentReport incident)
    {
        if (incident.State == IncidentState.AwaitingApproval)
            cmdlet.WriteWarning($"Nothing was changed: the recovery of '{incident.Cluster}' waits for an approval ({string.Join("; ", incident.ApprovalReasons)}). "
                + $"To agree to this plan: Approve-DbIncident -Id {incident.Id}; Resume-DbIncident -Id {incident.Id}. "
                + (incident.Loss is null && Shells.PlanText.IsAsked(incident.Fault) ? "" : "Or run the command again with -AllowDataLoss and how much may be lost, such as 10MB or Any."));
    }
}

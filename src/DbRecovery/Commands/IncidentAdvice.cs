using System.Management.Automation;
using DbRecovery.PowerShell.Hosting;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Says what to do next about an incident: one that failed is an error; where nothing failed and nothing was recovered, because it waits for a person or may not be, that must be heard.</summary>
internal static class IncidentAdvice
{
    /// <summary>What to do about a recovery that was cancelled and does not end.</summary>
    public const string Unfinished = "Look with Get-DbIncident at what it did; Resume-DbIncident goes on with it.";

    /// <summary>Writes it, where there is something to do.</summary>
    public static void Write(PSCmdlet cmdlet, IncidentReport incident)
    {
        switch (incident.State)
        {
            case IncidentState.AwaitingApproval:
                cmdlet.WriteWarning($"Nothing was changed: the recovery of '{incident.Cluster}' waits for an approval ({string.Join("; ", incident.ApprovalReasons)}). "
                    + $"To agree to this plan: Approve-DbIncident -Id {incident.Id}; Resume-DbIncident -Id {incident.Id}. "
                    + (incident.Loss is null && Shells.PlanText.IsAsked(incident.Fault) ? "" : "Or run the command again with -AllowDataLoss and how much may be lost, such as 10MB or Any."));
                break;
            case IncidentState.Suppressed:
                cmdlet.WriteWarning($"'{incident.Cluster}': {incident.Summary}");
                break;
            case IncidentState.Failed or IncidentState.AmbiguousHalt:
                cmdlet.WriteError(ErrorRecords.Of(new DbRecoveryException(incident.State == IncidentState.Failed ? ErrorIds.StepFailed : ErrorIds.OutcomeUnknown, ErrorKind.Failed,
                    incident.Summary, $"Get-DbIncident -Id {incident.Id} shows what was done.", incident.Cluster), incident.Cluster));
                break;
        }
    }
}

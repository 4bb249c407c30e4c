using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets incidents: the records of recoveries.</summary>
/// <remarks>Reads the journals and writes each incident, newest first: what was seen, decided, done, verified and lost. Format-List shows the whole timeline.</remarks>
/// <example><code>Get-DbIncident -Cluster app -Latest | Format-List</code><para>The last incident of the cluster app, with its timeline.</para></example>
/// <example><code>Get-DbIncident | Where-Object State -eq AwaitingApproval</code><para>The incidents that wait for a person.</para></example>
[Cmdlet(VerbsCommon.Get, "DbIncident", DefaultParameterSetName = "List")]
[OutputType(typeof(IncidentReport))]
public sealed class GetDbIncidentCommand : DbCmdlet
{
    /// <summary>The cluster. Without it: all.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Cluster { get; set; }

    /// <summary>The id, or a beginning of it that only one incident has.</summary>
    [Parameter(ParameterSetName = "Id", Mandatory = true)]
    [ArgumentCompleter(typeof(IncidentCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Id { get; set; }

    /// <summary>Only the newest.</summary>
    [Parameter(ParameterSetName = "List")]
    public SwitchParameter Latest { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (Id is null)
        {
            Try(Cluster, () =>
            {
                var found = Work("Reading incidents", (operation, _) => Task.FromResult(operation.Runtime.GetIncidents(Cluster)));
                WriteObject(Latest ? found.Take(1) : found, enumerateCollection: true);
            });
            return;
        }
        foreach (var id in Id)
            Try(id, () => WriteObject(Work("Reading an incident", (operation, _) => Task.FromResult(operation.Runtime.GetIncident(id, Cluster)))));
    }
}

/// <summary>Goes on with an incident.</summary>
/// <remarks>Takes up an incident whose process ended in the middle, or that was approved: looks what the step in flight did, then goes on from there. Nothing is done twice.</remarks>
/// <example><code>Get-DbIncident -Cluster app -Latest | Resume-DbIncident</code><para>Goes on with the last incident.</para></example>
/// <example><code>Approve-DbIncident -Id 2026 | Resume-DbIncident -Confirm:$false</code><para>Agrees to a plan and has it carried out.</para></example>
[Cmdlet(VerbsLifecycle.Resume, "DbIncident", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport))]
public sealed class ResumeDbIncidentCommand : DbCmdlet
{
    /// <summary>The id, a beginning of it that only one incident has, or latest.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(IncidentCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Id { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var id in Id!)
            Try(id, () =>
            {
                var incident = Work("Reading an incident", (operation, _) => Task.FromResult(operation.Runtime.GetIncident(id)));
                var text = $"Go on with incident {incident.Id} of '{incident.Cluster}' ({incident.State}): {incident.Fault.Id} with runbook {incident.Runbook}. {incident.Summary}";
                if (!ShouldProcess(text, text + Environment.NewLine + "Go on?", $"Resume {incident.Id}"))
                    return;
                var now = Work("Recovering", (operation, token) =>
                    operation.Runtime.ResumeIncidentAsync(incident.Id, operation.Timeline, operation.Progress, token), IncidentAdvice.Unfinished);
                WriteObject(now);
                IncidentAdvice.Write(this, now);
            });
    }
}

/// <summary>Agrees to the plan that an incident waits with.</summary>
/// <remarks>The approval holds for that plan on that evidence, for a limited time. Resume-DbIncident then carries the plan out.</remarks>
/// <example><code>Get-DbIncident -Cluster app -Latest | Approve-DbIncident | Resume-DbIncident</code><para>Agrees and goes on.</para></example>
[Cmdlet(VerbsLifecycle.Approve, "DbIncident", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport))]
public sealed class ApproveDbIncidentCommand : DbCmdlet
{
    /// <summary>The id, a beginning of it that only one incident has, or latest.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(IncidentCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Id { get; set; }

    /// <summary>The hash of the plan that was read: another plan is then not approved. An incident from the pipeline brings its own.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? PlanHash { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var id in Id!)
            Try(id, () =>
            {
                var incident = Work("Reading an incident", (operation, _) => Task.FromResult(operation.Runtime.GetIncident(id)));
                var reasons = string.Join("; ", incident.ApprovalReasons);
                var text = $"Agree to the plan of incident {incident.Id} of '{incident.Cluster}': {incident.Fault.Id} with runbook {incident.Runbook}. An approval is needed because {(reasons.Length == 0 ? "its runbook asks for one" : reasons)}";
                if (ShouldProcess(text, text + Environment.NewLine + "Agree?", $"Approve {incident.Id}"))
                    WriteObject(Work("Approving", (operation, token) => operation.Runtime.ApproveIncidentAsync(incident.Id, PlanHash ?? incident.PlanHash, token)));
            });
    }
}

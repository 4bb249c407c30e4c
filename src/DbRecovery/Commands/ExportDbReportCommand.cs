using System.Management.Automation;
using DbRecovery.PowerShell.Completers;
using DbRecovery.Runtime;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Writes a report for people: one HTML page.</summary>
/// <remarks>Tells of clusters, incidents with their timelines, drills, backups with their proofs and coverage, and repositories, on one page that needs nothing else and works without a network. Without objects from the pipeline it reads what the state folder and the repositories hold; with them it tells of these alone.</remarks>
/// <example><code>Export-DbReport -Cluster app -Path report.html</code><para>Everything on record of the cluster app.</para></example>
/// <example><code>Get-DbIncident -Cluster app -Latest | Export-DbReport -Path incident.html -Force</code><para>The last incident alone, in the place of an older page.</para></example>
/// <example><code>Export-DbReport -Path month.html -Since 30d -Health -PassThru | Invoke-Item</code><para>The last 30 days of every cluster and a quick look at each, opened in the browser.</para></example>
[Cmdlet(VerbsData.Export, "DbReport", DefaultParameterSetName = ByCluster, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(FileInfo))]
public sealed class ExportDbReportCommand : DbCmdlet
{
    private const string ByCluster = "Cluster";
    private const string ByObject = "InputObject";
    private readonly List<object> _objects = [];

    /// <summary>The file that shall hold the page.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>The names of clusters; * and ? are wildcards. Without it: all, those without an inventory included.</summary>
    [Parameter(ParameterSetName = ByCluster, Position = 1)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }

    /// <summary>Only this incident: its id, a beginning of it that only one incident has, or latest.</summary>
    [Parameter(ParameterSetName = ByCluster)]
    [ArgumentCompleter(typeof(IncidentCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Incident { get; set; }

    /// <summary>Looks quickly at each cluster and tells how it is now, with a picture of who replicates from whom.</summary>
    [Parameter(ParameterSetName = ByCluster)]
    public SwitchParameter Health { get; set; }

    /// <summary>What to tell of: incidents, drill results, backups, health reports, repository reports or clusters, from the cmdlets that give them.</summary>
    [Parameter(ParameterSetName = ByObject, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>Leaves older incidents, backups and drills out, such as 30d.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Since { get; set; }

    /// <summary>Allows replacing a file that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Gives the file that was written.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (InputObject is null)
            return;
        var value = InputObject.BaseObject;
        Try(value, () =>
        {
            if (value is not (IncidentReport or DrillResult or BackupInfo or BackupTestResult or HealthReport or RepositoryReport or ClusterDefinition))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"a report cannot tell of an object of type {value.GetType().Name}",
                    "Pipe incidents, drill results, backups, health reports, repository reports or clusters.", value.GetType().Name);
            _objects.Add(value);
        });
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // an empty pipeline is no order to tell of everything
        var objects = ParameterSetName == ByObject || MyInvocation.ExpectingInput ? _objects : null;
        var path = Need(() => ResolvePath(Path!, nameof(Path)));
        Try(path, () =>
        {
            var there = File.Exists(path);
            if (there && !Force)
                throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"'{path}' exists", "Name another file, or use -Force to replace it.", path);
            if (!ShouldProcess(path, there ? "Write a report in the place of the file" : "Write a report"))
                return;
            Work("Writing the report", (operation, token) => operation.Runtime.ExportReportAsync(new ReportRequest
            {
                Path = path, Replace = Force, Clusters = Cluster ?? [], Incident = Incident, Since = Since, Health = Health, Objects = objects,
            }, problem => operation.Error(problem, problem.Target ?? path), operation.Progress, token));
            if (PassThru)
                WriteObject(new FileInfo(path));
        });
    }
}

using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets the faults of databases.</summary>
/// <remarks>Takes health reports from the pipeline and writes their faults, gravest first; or looks at the clusters named with -Cluster. Each fault carries its evidence, and can be piped to Get-DbRunbook and Invoke-DbRunbook.</remarks>
/// <example><code>Test-DbHealth -Cluster app | Get-DbFault</code><para>The faults that the report holds.</para></example>
/// <example><code>Get-DbFault -Cluster * -Level Quick</code><para>A quick look at every cluster of the inventory.</para></example>
[Cmdlet(VerbsCommon.Get, "DbFault", DefaultParameterSetName = ByCluster)]
[OutputType(typeof(Fault))]
public sealed class GetDbFaultCommand : DbCmdlet
{
    private const string ByReport = "Report";
    private const string ByCluster = "Cluster";

    /// <summary>A report from Test-DbHealth.</summary>
    [Parameter(ParameterSetName = ByReport, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public HealthReport? InputObject { get; set; }

    /// <summary>The names of clusters to look at; * and ? are wildcards. Without it: all.</summary>
    [Parameter(ParameterSetName = ByCluster, Position = 0)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }

    /// <summary>How much is looked at: Quick takes milliseconds, Standard reads the data once, Deep makes every cross-check.</summary>
    [Parameter(ParameterSetName = ByCluster)]
    public ObservationLevel Level { get; set; } = ObservationLevel.Standard;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ByReport)
        {
            WriteFaults(InputObject!);
            return;
        }
        foreach (var cluster in Clusters(Cluster))
            Try(cluster.Name, () => WriteFaults(Work("Looking for faults", (operation, token) =>
                operation.Runtime.TestHealthAsync(cluster, Level, operation.Progress, token))));
    }

    private void WriteFaults(HealthReport report)
    {
        foreach (var fault in report.Faults)
            WriteObject(fault.Definition is null ? fault with { Definition = report.Definition } : fault);
    }
}

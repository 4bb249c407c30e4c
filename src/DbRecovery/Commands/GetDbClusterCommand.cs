using System.Management.Automation;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets the clusters of the inventory.</summary>
/// <remarks>Reads the inventory and writes each cluster whose name matches. Nothing is contacted. The objects can be piped to Test-DbHealth and New-DbBackup.</remarks>
/// <example><code>Get-DbCluster</code><para>Every cluster of the inventory.</para></example>
/// <example><code>Get-DbCluster -Cluster app* | Test-DbHealth -Level Quick</code><para>A quick look at the clusters whose names begin with app.</para></example>
[Cmdlet(VerbsCommon.Get, "DbCluster")]
[OutputType(typeof(ClusterDefinition))]
public sealed class GetDbClusterCommand : ClustersCmdlet
{
    /// <inheritdoc/>
    protected override void ProcessRecord() => WriteObject(Clusters(Cluster), enumerateCollection: true);
}

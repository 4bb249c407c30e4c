using System.Management.Automation;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets who replicates from whom.</summary>
/// <remarks>Looks at every node of each cluster and works out from what they say of each other who is primary and who follows whom, with positions, lag in bytes and time, the part in synchronous replication and slots. It is shown as a tree; its Nodes are objects, each before those that follow it, and can be piped to Repair-DbReplica.</remarks>
/// <example><code>Get-DbTopology -Cluster orders</code><para>The tree of the cluster orders.</para></example>
/// <example><code>(Get-DbTopology orders).Nodes | Where-Object LagBytes -gt 16MB</code><para>The nodes that are more than 16 MiB behind.</para></example>
/// <example><code>Get-DbTopology -ConnectionString 'host=10.0.0.1,10.0.0.2 user=me'</code><para>Looks at servers that no inventory knows.</para></example>
[Cmdlet(VerbsCommon.Get, "DbTopology", DefaultParameterSetName = ByCluster)]
[OutputType(typeof(ClusterTopology))]
public sealed class GetDbTopologyCommand : TargetCmdlet
{
    /// <summary>How many clusters are looked at side by side.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 4;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var targets = Targets();
        Try(null, () => Work("Looking at the topology", async (operation, token) =>
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = ThrottleLimit, CancellationToken = token };
            await Parallel.ForEachAsync(targets, parallel, async (cluster, cancel) =>
            {
                try
                {
                    operation.Write(await operation.Runtime.GetTopologyAsync(cluster, cancel));
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    operation.Error(e, cluster.Name);
                }
            });
            return true;
        }));
    }
}

using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Observes databases and judges their health.</summary>
/// <remarks>Looks at every node of each cluster without disturbing who works with it, checks what it finds against thresholds and expectations, and names the faults. The report can be piped to Get-DbFault. -Quiet gives true for a healthy cluster and false for any other state.</remarks>
/// <example><code>Test-DbHealth -Cluster app</code><para>The health of the cluster app.</para></example>
/// <example><code>Test-DbHealth -Engine sqlite -Path ./other.db -Level Deep</code><para>Looks at everything in a database file that no inventory knows.</para></example>
/// <example><code>if (-not (Test-DbHealth app -Quiet)) { Test-DbHealth app | Get-DbFault }</code><para>Shows the faults where there are any.</para></example>
[Cmdlet(VerbsDiagnostic.Test, "DbHealth", DefaultParameterSetName = ByCluster)]
[OutputType(typeof(HealthReport), typeof(bool))]
public sealed class TestDbHealthCommand : TargetCmdlet
{
    /// <summary>How much is looked at: Quick takes milliseconds, Standard reads the data once, Deep makes every cross-check.</summary>
    [Parameter]
    public ObservationLevel Level { get; set; } = ObservationLevel.Standard;

    /// <summary>Gives true for healthy and false for any other state, in place of the report.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Shows only these nodes' part of the report. The cluster is judged as a whole all the same.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Node { get; set; }

    /// <summary>How many clusters are looked at side by side.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 4;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var targets = Targets();
        Try(null, () => Work("Testing health", async (operation, token) =>
        {
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = ThrottleLimit, CancellationToken = token };
            await Parallel.ForEachAsync(targets, parallel, async (cluster, cancel) => await TestOneAsync(operation, cluster, cancel));
            return true;
        }));
    }

    private async Task TestOneAsync(Operation operation, ClusterDefinition cluster, CancellationToken token)
    {
        try
        {
            foreach (var node in Node ?? [])
                cluster.Node(node);
            var report = await operation.Runtime.TestHealthAsync(cluster, Level, operation.Progress, token);
            if (Node is { Length: > 0 })
                report = Shells.HealthView.ForNodes(report, Node);
            // what would answer a fault may be among them
            if (report.Faults.Count > 0 && operation.Runtime.LeftOutRunbooks() is { } leftOut)
                operation.Warn(leftOut);
            operation.Write(Quiet ? report.Status == HealthStatus.Healthy : report);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            operation.Error(e, cluster.Name);
        }
    }
}

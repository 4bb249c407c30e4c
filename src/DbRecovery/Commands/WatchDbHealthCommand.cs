using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Watches databases and tells what changes.</summary>
/// <remarks>Watches every node of each cluster until Ctrl+C and writes an object for each change: a state, a fault, an incident's transition, why nothing was done. A broken connection is noticed at once; polling is only the fallback. With -Recover faults are recovered from by their runbooks, where the cluster's policy has 'autoRecover: true'; Ctrl+C lets a recovery come to a safe point first. -Listen answers load balancers over HTTP: /primary, /replica?lag=1MB, /CLUSTER/NODE/primary and /healthz give 200 or 503.</remarks>
/// <example><code>Watch-DbHealth -Cluster orders</code><para>Writes what changes, until Ctrl+C.</para></example>
/// <example><code>Watch-DbHealth -Recover -Listen 127.0.0.1:8009</code><para>Recovers from faults of all clusters and tells HAProxy which node is primary.</para></example>
/// <example><code>Watch-DbHealth -For 8h | Where-Object Kind -eq FaultRaised | ForEach-Object Fault</code><para>Gives the faults of a night.</para></example>
[Cmdlet("Watch", "DbHealth")]
[OutputType(typeof(WatchEvent))]
public sealed class WatchDbHealthCommand : ClustersCmdlet
{
    private readonly List<string> _names = [];

    /// <summary>Recovers from faults by their runbooks, where the cluster's policy has 'autoRecover: true'.</summary>
    [Parameter]
    public SwitchParameter Recover { get; set; }

    /// <summary>The time between two rounds, such as 250ms; at least 100ms. Without it: each cluster's own, or 1 s.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Every { get; set; }

    /// <summary>Where load balancers may ask, as host:port. Without it: nowhere.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Listen { get; set; }

    /// <summary>How long to go on. Without it: until Ctrl+C.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? For { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => _names.AddRange(Cluster ?? []);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // what came by the pipeline is watched together
        var clusters = Clusters(_names.Count == 0 ? null : _names);
        Try(null, () => Work("Watching", async (operation, token) =>
        {
            await foreach (var told in operation.Runtime.WatchAsync(clusters, Every, Recover, Listen, For, token).WithCancellation(CancellationToken.None))
                // one at a time: what a slow pipeline does not take waits in the watch, which bounds it
                await operation.AskAsync(() => Written(told), CancellationToken.None);
            return true;
        }, "A recovery may still be under way; Get-DbIncident shows it."));
    }

    private bool Written(WatchEvent told)
    {
        WriteObject(told);
        return true;
    }
}

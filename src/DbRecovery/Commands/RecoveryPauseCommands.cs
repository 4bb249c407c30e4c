using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Pauses recovery of clusters.</summary>
/// <remarks>While a cluster is paused no runbook is carried out for it, by nobody; looking and planning go on. The pause ends after -Duration or with Resume-DbRecovery.</remarks>
/// <example><code>Suspend-DbRecovery -Cluster app -Reason 'schema change' -Duration 2h</code><para>Nothing is recovered for two hours.</para></example>
[Cmdlet(VerbsLifecycle.Suspend, "DbRecovery", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RecoveryStatus))]
public sealed class SuspendDbRecoveryCommand : DbCmdlet
{
    /// <summary>The names of clusters; * and ? are wildcards.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }

    /// <summary>Why; it is shown to whoever meets the pause.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Reason { get; set; }

    /// <summary>When the pause ends by itself, such as 30m or 2h. Without it: never.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Duration { get; set; }

    /// <summary>Writes what holds recovery back now.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var cluster in Clusters(Cluster))
            Try(cluster.Name, () =>
            {
                if (!ShouldProcess(cluster.Name, $"Pause recovery{(Duration is { } d ? $" for {d}" : "")}"))
                    return;
                var status = Work("Pausing recovery", (operation, token) => operation.Runtime.SuspendRecoveryAsync(cluster.Name, Reason!, Duration, token));
                if (PassThru)
                    WriteObject(status);
            });
    }
}

/// <summary>Ends a pause of recovery, or a cooldown.</summary>
/// <remarks>Ends the pause that Suspend-DbRecovery began. With -Acknowledge it ends cooldowns and closes incidents that are halted or wait for a person instead: a person has looked, and recovery may act again.</remarks>
/// <example><code>Resume-DbRecovery -Cluster app</code><para>Recovery of the cluster app goes on.</para></example>
/// <example><code>Resume-DbRecovery -Cluster app -Acknowledge -PassThru</code><para>Ends the cooldown after an incident, and shows what still holds recovery back.</para></example>
[Cmdlet(VerbsLifecycle.Resume, "DbRecovery", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RecoveryStatus))]
public sealed class ResumeDbRecoveryCommand : DbCmdlet
{
    /// <summary>The names of clusters; * and ? are wildcards.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }

    /// <summary>A person has looked at what happened: cooldowns end and halted incidents are closed. A pause stays.</summary>
    [Parameter]
    public SwitchParameter Acknowledge { get; set; }

    /// <summary>Writes what holds recovery back now.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var cluster in Clusters(Cluster))
            Try(cluster.Name, () =>
            {
                if (!ShouldProcess(cluster.Name, Acknowledge ? "End cooldowns and close incidents that are halted or wait for a person" : "End the pause of recovery"))
                    return;
                var status = Work("Resuming recovery", (operation, token) => Acknowledge
                    ? operation.Runtime.AcknowledgeAsync(cluster.Name, token)
                    : operation.Runtime.ResumeRecoveryAsync(cluster.Name, token));
                if (PassThru)
                    WriteObject(status);
            });
    }
}

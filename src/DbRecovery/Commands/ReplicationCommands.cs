using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Makes a replica the primary, whatever the present primary's state.</summary>
/// <remarks>Fences the present primary by the strongest means at hand, picks the replica that has received most (or takes the one of -To), says what would be lost, promotes it, has the others follow, and leads the routes there. With -WhatIf every statement and command is shown, with the loss, and nothing is changed. What is more than the policy or -AllowDataLoss allows waits for an approval. Where the primary still works, Invoke-DbSwitchover loses nothing.</remarks>
/// <example><code>Invoke-DbFailover -Cluster orders -WhatIf</code><para>Shows who would take over, by which statements and commands, and what would be lost.</para></example>
/// <example><code>Invoke-DbFailover orders -To orders-2 -AllowDataLoss 16MB -Confirm:$false</code><para>Has orders-2 take over without asking, and accepts losing up to 16 MB of log.</para></example>
[Cmdlet(VerbsLifecycle.Invoke, "DbFailover", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport), typeof(RecoveryPlan))]
public sealed class InvokeDbFailoverCommand : ReplicationCmdlet
{
    /// <summary>The replica that takes over. Without it: the fittest.</summary>
    [Parameter(Position = 1)]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? To { get; set; }

    /// <summary>How much committed data may be lost: a size such as 0B or 10MB, or Any. Without it: what the cluster's policy allows.</summary>
    [Parameter]
    [SizeTransformation]
    [ValidateRange(0L, long.MaxValue)]
    public long? AllowDataLoss { get; set; }

    private protected override ReplicationAsk Ask => new("Failover") { Node = To, AllowedLoss = AllowDataLoss };
}

/// <summary>Hands the primary's part over to a replica without losing anything.</summary>
/// <remarks>Holds the routes, stops the primary cleanly, waits until the replica has everything, promotes it, has the others and the old primary follow, and lets the routes go on. Where the replica does not get everything in time, the old primary is opened again. With -WhatIf every statement and command is shown, and nothing is changed.</remarks>
/// <example><code>Invoke-DbSwitchover -Cluster orders -To orders-2</code><para>Makes orders-2 the primary, after asking.</para></example>
/// <example><code>Get-DbCluster orders | Invoke-DbSwitchover -WhatIf</code><para>Shows what would be done.</para></example>
[Cmdlet(VerbsLifecycle.Invoke, "DbSwitchover", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport), typeof(RecoveryPlan))]
public sealed class InvokeDbSwitchoverCommand : ReplicationCmdlet
{
    /// <summary>The replica that becomes primary. Without it: the fittest.</summary>
    [Parameter(Position = 1)]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? To { get; set; }

    /// <summary>How long writes may stop before the old primary is opened again, such as 15s. Without it: what the runbook says.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Window { get; set; }

    private protected override ReplicationAsk Ask => new("Switchover")
    {
        Node = To,
        Parameter = ("window", Window is { } window ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{window.TotalMilliseconds:0}ms") : null),
    };
}

/// <summary>When a node is copied anew.</summary>
public enum RebuildMode
{
    /// <summary>Never: where it cannot be rewound, nothing is done.</summary>
    Never,
    /// <summary>Where it cannot be rewound.</summary>
    WhenNeeded,
    /// <summary>In any case.</summary>
    Always,
}

/// <summary>Brings a former primary, or a broken replica, back as a replica.</summary>
/// <remarks>Compares the node with the present primary. What the node alone has is copied aside and listed as lost writes; then it is rewound, or copied anew where that cannot be, and follows. Its data folder is never deleted. With -WhatIf every statement and command is shown, with the writes that would be lost, and nothing is changed.</remarks>
/// <example><code>Repair-DbReplica -Cluster orders -Node orders-1</code><para>Brings the former primary back, after asking.</para></example>
/// <example><code>(Get-DbTopology orders).Nodes | Where-Object State -ne streaming | Where-Object Role -ne Primary | Repair-DbReplica -WhatIf</code><para>Shows what it would take to have every node follow again.</para></example>
[Cmdlet(VerbsDiagnostic.Repair, "DbReplica", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport), typeof(RecoveryPlan))]
public sealed class RepairDbReplicaCommand : ReplicationCmdlet
{
    /// <summary>The node.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Node { get; set; }

    /// <summary>Whether it is copied anew from the primary: WhenNeeded, where it cannot be rewound, is what is done without it.</summary>
    [Parameter]
    public RebuildMode? Rebuild { get; set; }

    /// <summary>How much of what only this node has may be lost: a size such as 0B or 10MB, or Any. Without it: what the cluster's policy allows.</summary>
    [Parameter]
    [SizeTransformation]
    [ValidateRange(0L, long.MaxValue)]
    public long? AllowDataLoss { get; set; }

    private protected override ReplicationAsk Ask => new("Rejoin")
    {
        Node = Node,
        AllowedLoss = AllowDataLoss,
        Parameter = ("rebuild", Rebuild switch { RebuildMode.Never => "never", RebuildMode.WhenNeeded => "when-needed", RebuildMode.Always => "always", _ => null }),
    };
}

/// <summary>Makes a node of the inventory, which has no data yet, a replica of its cluster.</summary>
/// <remarks>Copies the primary (or the node of -From) to the node's own machine by its own programs, writes how it follows, makes its slot and starts it. A data folder with something in it is refused. With -WhatIf every statement and command is shown, and nothing is changed.</remarks>
/// <example><code>New-DbReplica -Cluster orders -Node orders-3</code><para>Makes orders-3 a replica of the primary.</para></example>
/// <example><code>New-DbReplica orders orders-3 -From orders-2 -WhatIf</code><para>Shows how it would be copied from orders-2.</para></example>
[Cmdlet(VerbsCommon.New, "DbReplica", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport), typeof(RecoveryPlan))]
public sealed class NewDbReplicaCommand : ReplicationCmdlet
{
    /// <summary>The node.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Node { get; set; }

    /// <summary>The node that is copied. Without it: the primary.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? From { get; set; }

    private protected override ReplicationAsk Ask => new("NewReplica") { Node = Node, Parameter = ("source", From) };
}

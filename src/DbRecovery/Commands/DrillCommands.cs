using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Drills the recovery of databases.</summary>
/// <remarks>Copies the database into a sandbox (the original is only read, as a backup reads it), damages the copy in each way that is known, and recovers it as a user would: look, name the fault, carry out the runbook, verify. Each result says how long detection and recovery took, which rows were lost, what was missing or wrong, and a score: 25 points for the fault, 15 for the runbook, 20 for the recovery, 10 for its time, 20 for the data, 10 for the right actions and no others. Notifications and programs of runbooks are not carried out. Results are kept and compared with the five before; see Get-DbDrill. With -WhatIf it writes what would be inflicted, and where.</remarks>
/// <example><code>Invoke-DbDrill -Cluster app</code><para>Inflicts every damage once.</para></example>
/// <example><code>Invoke-DbDrill app -Damage data-page, missing-file -Rounds 3 | Where-Object -Not Passed</code><para>Inflicts two damages three times each, and shows what did not pass.</para></example>
/// <example><code>Invoke-DbDrill app -FromBackup -WhatIf</code><para>Shows what a drill with the newest proved backup would do.</para></example>
[Cmdlet(VerbsLifecycle.Invoke, "DbDrill", DefaultParameterSetName = ByCluster, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(DrillResult), typeof(DrillPlan))]
public sealed class InvokeDbDrillCommand : TargetCmdlet
{
    /// <summary>Only these damages. Without it: every one.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(DamageCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Damage { get; set; }

    /// <summary>The node whose data is copied. Without it: the one that backups are read from.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(NodeCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Node { get; set; }

    /// <summary>How often each damage is inflicted.</summary>
    [Parameter]
    [ValidateRange(1, 100)]
    public int Rounds { get; set; } = 1;

    /// <summary>The folder in which the copy is made and damaged. Without it: below the state folder.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Sandbox { get; set; }

    /// <summary>Copies and recovers from the newest proved backup of the cluster, so that its age and its repository's speed count.</summary>
    [Parameter]
    public SwitchParameter FromBackup { get; set; }

    /// <summary>Leaves the sandbox behind, to look at.</summary>
    [Parameter]
    public SwitchParameter Keep { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var cluster in Targets())
            Try(cluster.Name, () => Drill(cluster));
    }

    private void Drill(ClusterDefinition cluster)
    {
        var sandbox = Sandbox is null ? null : ResolvePath(Sandbox, nameof(Sandbox));
        var (request, plan) = Work("Planning the drill", async (operation, token) =>
        {
            var asked = new DrillRequest
            {
                Cluster = cluster, Node = Node, Damages = Damage ?? [], Rounds = Rounds, Keep = Keep, SandboxFolder = sandbox,
                FromBackup = FromBackup ? await operation.Runtime.GetDrillBackupAsync(cluster, token) : null,
            };
            return (asked, operation.Runtime.PlanDrill(asked));
        });
        var inflicted = plan.Damages.Where(d => d.Skipped is null).Select(d => d.Damage.Name).ToList();
        var what = $"Damage a copy of '{plan.Source}' in '{plan.SandboxFolder}' and recover it, {Counted.Of(plan.Rounds, "time")}: {string.Join(", ", inflicted)}";
        if (!ShouldProcess(what, what + "?", $"Drill {cluster.Name}", out var reason))
        {
            if (reason == ShouldProcessReason.WhatIf)
                WriteObject(plan);
            return;
        }
        Work($"Drilling {cluster.Name}", (operation, token) => operation.Runtime.DrillAsync(request, operation.Write, operation.Progress, token));
    }
}

/// <summary>Gets results of drills.</summary>
/// <remarks>Lists what earlier drills of clusters gave, newest first. Regression says what was worse than in the drills before.</remarks>
/// <example><code>Get-DbDrill app | Where-Object Regression</code><para>What had become worse.</para></example>
/// <example><code>Get-DbDrill app -Damage data-page -First 5 | ForEach-Object { $_.RecoveryTime.TotalSeconds }</code><para>The recovery time of the last five drills with one damage.</para></example>
[Cmdlet(VerbsCommon.Get, "DbDrill")]
[OutputType(typeof(DrillResult))]
public sealed class GetDbDrillCommand : ClustersCmdlet
{
    /// <summary>Only these damages.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(DamageCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Damage { get; set; }

    /// <summary>Only this many of each cluster, the newest.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int First { get; set; } = int.MaxValue;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var cluster in Clusters(Cluster))
            Try(cluster.Name, () => WriteObject(Work("Reading drills", (operation, _) => Task.FromResult(operation.Runtime.GetDrills(cluster.Name)))
                .Where(d => Damage is null || Damage.Contains(d.Damage)).Take(First), enumerateCollection: true));
    }
}

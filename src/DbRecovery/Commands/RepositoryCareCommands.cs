using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Checks backup repositories.</summary>
/// <remarks>Reads what no earlier check has read (with -Full every byte, with -Decode every blob, too) and names what is damaged with the backups and the tables that it hits. The repository is not changed, but for a list of what was checked when. Damage stays named until it is repaired.</remarks>
/// <example><code>Test-DbRepository main</code><para>Checks the repository main of the inventory.</para></example>
/// <example><code>Test-DbRepository main -Decode</code><para>Reads everything, and decodes every blob.</para></example>
/// <example><code>(Test-DbRepository /backup/dbrecovery -Full).Damage | Format-List</code><para>Reads everything and shows each damage with its remedy.</para></example>
[Cmdlet(VerbsDiagnostic.Test, "DbRepository")]
[OutputType(typeof(RepositoryReport))]
public sealed class TestDbRepositoryCommand : DbCmdlet
{
    /// <summary>The repositories: names in the inventory, or paths.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Repository { get; set; }

    /// <summary>Reads every byte of every pack, also what an earlier check has read.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>As -Full, and decodes every blob: slower, and finds what was wrong before it was written.</summary>
    [Parameter]
    public SwitchParameter Decode { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Repository ?? [])
            Try(name, () =>
            {
                var repository = ResolveRepository(name);
                WriteObject(Work($"Checking {name}", (operation, token) =>
                    operation.Runtime.TestRepositoryAsync(operation.Runtime.GetRepository(repository), Decode ? ScrubDepth.Decode : Full ? ScrubDepth.Full : ScrubDepth.New, operation.Progress, token)));
            });
    }
}

/// <summary>Repairs backup repositories.</summary>
/// <remarks>Stores unharmed blobs of damaged packs in new ones, fills in what is lost from another repository or from other backups, points the backups there, builds indexes and header again, and moves what is damaged to the folder quarantine/, where it stays until you delete it. Nothing is deleted. A backup whose manifest is damaged and that no other repository has cannot be mended, and stops every removal, for nobody knows what it needs: -GiveUp ends it. -WhatIf says what would be done. What could not be mended is in the result.</remarks>
/// <example><code>Repair-DbRepository main -WhatIf</code><para>Says what a repair would do, and changes nothing.</para></example>
/// <example><code>Repair-DbRepository main -From /mnt/other -Confirm:$false</code><para>Repairs with what another repository still has, without asking.</para></example>
/// <example><code>Repair-DbRepository main -GiveUp -WhatIf</code><para>Names the backups that would end because their manifests cannot be mended.</para></example>
[Cmdlet(VerbsDiagnostic.Repair, "DbRepository", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(RepositoryRepairResult))]
public sealed class RepairDbRepositoryCommand : DbCmdlet
{
    /// <summary>The repositories: names in the inventory, or paths.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Repository { get; set; }

    /// <summary>Another repository that may hold what this one lost: its name in the inventory, or its path. It is only read.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? From { get; set; }

    /// <summary>Ends the backups whose manifests cannot be mended, so that removals can go on: the manifests move to quarantine/, and what only those backups need goes with the next removal.</summary>
    [Parameter]
    public SwitchParameter GiveUp { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Repository ?? [])
            Try(name, () =>
            {
                var repository = ResolveRepository(name);
                var from = From is null ? null : ResolveRepository(From);
                var plan = Repair(repository, from, plan: true);
                if (plan.Actions.Count == 0)
                    WriteObject(plan);
                else if (ShouldProcess(Text(plan), Text(plan) + Environment.NewLine + "Repair?", "DbRecovery"))
                    WriteObject(Repair(repository, from, plan: false));
                else if (IsWhatIf)
                    WriteObject(plan);
            });
    }

    private RepositoryRepairResult Repair(string repository, string? from, bool plan) =>
        Work($"{(plan ? "Checking" : "Repairing")} {repository}", (operation, token) => operation.Runtime.RepairRepositoryAsync(
            operation.Runtime.GetRepository(repository), from is null ? null : operation.Runtime.GetRepository(from), plan, GiveUp, operation.Progress, token));

    private static string Text(RepositoryRepairResult plan) => string.Join(Environment.NewLine,
        plan.Actions.Select(a => $"{a.Kind}: {a.Key}: {a.Text}").Prepend($"Repair the repository '{plan.Location}' ({Counted.Of(plan.BlobsRescued, "blob")} rescued, {plan.BlobsRefilled} refilled, {plan.BlobsLost} lost):"));
}

/// <summary>Copies backups to another repository.</summary>
/// <remarks>Copies what the destination lacks, reads every file back and compares it with what was backed up, and only then lets the backup exist there, under the same id. One that is there already is skipped. The proofs stay behind: test the copy.</remarks>
/// <example><code>Get-DbBackup -Cluster app | Copy-DbBackup -Destination other</code><para>Copies every backup of the cluster app that the repository other lacks.</para></example>
/// <example><code>Copy-DbBackup -Id 20261121 -Cluster app -Destination /mnt/other</code><para>Copies one backup to a repository given by its path.</para></example>
[Cmdlet(VerbsCommon.Copy, "DbBackup", DefaultParameterSetName = ByBackup, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(BackupCopyResult))]
public sealed class CopyDbBackupCommand : BackupSelectionCmdlet
{
    /// <summary>The repository that gets the backups: its name in the inventory, or its path. It is made where there is none.</summary>
    [Parameter(Mandatory = true)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => ForEachBackup(backup =>
    {
        var destination = ResolveRepository(Destination!);
        if (ShouldProcess($"{backup.Id} of '{backup.Cluster}'", $"Copy to '{destination}'"))
            WriteObject(Work($"Copying {backup.Id}", (operation, token) =>
                operation.Runtime.CopyBackupAsync(backup, operation.Runtime.GetRepository(destination), operation.Progress, token)));
    });
}

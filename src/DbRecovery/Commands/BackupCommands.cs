using System.Management.Automation;
using DbRecovery.Engine.Backups;
using DbRecovery.PowerShell.Completers;
using DbRecovery.Shells;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets backups.</summary>
/// <remarks>Lists the backups of clusters, newest first, from their repositories or that of -Repository. A damaged manifest is reported as an error and does not end the list. Where the newest backup is without a file that belongs to the database, a warning names it; MissingFiles of each backup says the same.</remarks>
/// <example><code>Get-DbBackup -Cluster app -Latest | Test-DbBackup</code><para>Proves the newest backup.</para></example>
/// <example><code>Get-DbBackup -Repository /backup/dbrecovery -Proved</code><para>The backups in a repository whose last test passed.</para></example>
[Cmdlet(VerbsCommon.Get, "DbBackup")]
[OutputType(typeof(BackupInfo))]
public sealed class GetDbBackupCommand : ClustersCmdlet
{
    /// <summary>The id, or a beginning of it.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(BackupCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Id { get; set; }

    /// <summary>Only the newest of each cluster.</summary>
    [Parameter]
    public SwitchParameter Latest { get; set; }

    /// <summary>Only those whose last test passed.</summary>
    [Parameter]
    public SwitchParameter Proved { get; set; }

    /// <summary>The repository: its name in the inventory, or its path. Without it: each cluster's own.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Repository { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Repository ?? Id, () =>
    {
        var repository = Repository is null ? null : ResolveRepository(Repository);
        var found = Work("Reading backups", (operation, token) =>
            BackupLookup.FindAsync(operation, Cluster, repository, new BackupFilter { Id = Id, Latest = Latest, ProvedOnly = Proved }, token));
        if (found.Count == 0 && Id is not null && !Proved)
            throw BackupLookup.None(Id);
        WriteObject(found, enumerateCollection: true);
        foreach (var missing in BackupText.Missing(found))
            WriteWarning(missing);
    });
}

/// <summary>Proves backups by restoring them.</summary>
/// <remarks>Restores the backup into a scratch place, checks what came out against the manifest (structure, keys, row counts, check sums of tables), and remembers the proof and how long it took. The database itself is not touched.</remarks>
/// <example><code>Get-DbBackup -Cluster app -Latest | Test-DbBackup</code><para>Proves the newest backup of the cluster app.</para></example>
/// <example><code>(Test-DbBackup -Id 20261121 -Cluster app).Proof.Checks</code><para>What was checked, check by check.</para></example>
[Cmdlet(VerbsDiagnostic.Test, "DbBackup", DefaultParameterSetName = ByBackup)]
[OutputType(typeof(BackupTestResult))]
public sealed class TestDbBackupCommand : BackupSelectionCmdlet
{
    /// <inheritdoc/>
    protected override void ProcessRecord() => ForEachBackup(backup =>
        WriteObject(Work($"Testing backup {backup.Id}", (operation, token) => operation.Runtime.TestBackupAsync(backup, operation.Progress, token))));
}

/// <summary>Restores a backup.</summary>
/// <remarks>With -Table only a table, or chosen rows of one: into a new file with -Destination, else they are compared with the live database, and with -Apply written into it; a script that undoes it is written first. Without -Table: restores to the path of -Destination, or to where the cluster's database is. A file that is there is replaced only with -Force, after a question, and is kept beside the new one. Every part of the backup is checked on the way.</remarks>
/// <example><code>Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Destination ./copy.db</code><para>Restores to a new file.</para></example>
/// <example><code>Get-DbBackup -Cluster app -Latest -Proved | Restore-DbBackup -Force -Confirm:$false</code><para>Puts the newest proved backup in the place of the database without asking.</para></example>
/// <example><code>Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Table orders -Where 'id in (1,2)'</code><para>How these rows differ from the backup.</para></example>
/// <example><code>Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Table orders -Apply Missing,Changed -WhatIf</code><para>What would be written to bring lost and changed rows back.</para></example>
/// <example><code>Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Destination ./copy.db -IncludeFiles -FilesTo ./copy-files</code><para>Brings the application's configuration back, too, into another folder.</para></example>
[Cmdlet(VerbsData.Restore, "DbBackup", DefaultParameterSetName = ByBackup, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(RestoreResult), typeof(RowDifference), typeof(RowRestoreResult), typeof(RowRestorePlan))]
public sealed partial class RestoreDbBackupCommand : BackupSelectionCmdlet
{
    /// <summary>The path that shall hold the data. Without it: where the cluster's database is.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    /// <summary>Allows replacing a file that is there; it is kept beside the new one. With -Table: writes rows though the table has triggers, which do not fire.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Restores the files that belong to the database, too; what is at their places is kept beside them.</summary>
    [Parameter]
    public SwitchParameter IncludeFiles { get; set; }

    /// <summary>The folder that gets those files. Without it: where they were.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? FilesTo { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => ForEachBackup(backup =>
    {
        var filesTo = FilesTo is null ? null : ResolvePath(FilesTo, nameof(FilesTo));
        var destination = Destination is null ? null : ResolvePath(Destination, nameof(Destination));
        if (RowsWanted())
        {
            RestoreRows(backup, destination);
            return;
        }
        var place = destination ?? backup.Definition?.Nodes.FirstOrDefault(n => n.Name == backup.Node)?.Path;
        if (File.Exists(place) && !Force)
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"'{place}' exists", "Use another -Destination, or -Force to replace it (it is kept beside the new file).", place);
        var shown = place ?? $"the place of {backup.Cluster}/{backup.Node}";
        var there = destination is null || File.Exists(destination) || (IncludeFiles && filesTo is null);
        var text = $"Restore backup {backup.Id} of '{backup.Cluster}' (data of {Shells.SizeText.Moment(backup.FinishedAt)}, {Shells.SizeText.Size(backup.SizeBytes)}) to '{shown}'{(there ? ", in the place of what is there" : "")}{(IncludeFiles ? $"; its files to {(filesTo is null ? "where they were" : $"'{filesTo}'")}" : "")}";
        if (ShouldProcessAt(there ? ConfirmImpact.High : ConfirmImpact.Medium, text, text + Environment.NewLine + "Restore?"))
            WriteObject(Work($"Restoring {backup.Id}", (operation, token) => operation.Runtime.RestoreBackupAsync(backup, destination, Force, IncludeFiles, filesTo, operation.Progress, token)));
    });
}

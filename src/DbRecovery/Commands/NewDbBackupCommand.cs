using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Takes backups.</summary>
/// <remarks>Takes a consistent backup of each cluster while it is in use, into the cluster's repository or that of -Repository. An incremental stores what changed since the last backup, a differential since the last full; each restores like a full and stands by itself. With -Continuous it goes on until Ctrl+C and takes an increment whenever something was committed. A backup is worth something when it was proved: pipe it to Test-DbBackup.</remarks>
/// <example><code>New-DbBackup -Cluster app | Test-DbBackup</code><para>Takes a backup and proves it by restoring it.</para></example>
/// <example><code>New-DbBackup -Cluster app -Kind Incremental</code><para>Stores only the pages that changed since the last backup.</para></example>
/// <example><code>New-DbBackup -Cluster app -Continuous -Every 10s</code><para>Loses at most ten seconds, until Ctrl+C.</para></example>
/// <example><code>New-DbBackup -Engine sqlite -Path ./other.db -Repository /backup/dbrecovery</code><para>Backs up a file that no inventory knows.</para></example>
[Cmdlet(VerbsCommon.New, "DbBackup", DefaultParameterSetName = ByCluster, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(BackupInfo))]
public sealed class NewDbBackupCommand : TargetCmdlet
{
    /// <summary>The repository: its name in the inventory, or its path. Without it: the cluster's own.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Repository { get; set; }

    /// <summary>What it is compared with: Full (nothing), Incremental (the last backup) or Differential (the last full). Without a backup to compare with it becomes a full, and its Notes say why.</summary>
    [Parameter]
    public BackupKind Kind { get; set; } = BackupKind.Full;

    /// <summary>Uses only codecs that standard tools read (gzip).</summary>
    [Parameter]
    public SwitchParameter Portable { get; set; }

    /// <summary>Goes on until Ctrl+C, or the end of -For or -Count: an increment whenever something was committed. An error costs its round and is written.</summary>
    [Parameter]
    public SwitchParameter Continuous { get; set; }

    /// <summary>The interval of -Continuous, such as 10s. Without it: the inventory's, or 10 s.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Every { get; set; }

    /// <summary>How long -Continuous goes on.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? For { get; set; }

    /// <summary>How many backups of each cluster -Continuous takes.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? Count { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        base.BeginProcessing();
        var stray = Continuous ? new[] { nameof(Kind), nameof(Portable) } : [nameof(Every), nameof(For), nameof(Count)];
        if (stray.FirstOrDefault(MyInvocation.BoundParameters.ContainsKey) is { } name)
            Need<object?>(() => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                Continuous ? $"-{name} has no place with -Continuous, which takes increments" : $"-{name} needs -Continuous", "Leave one of them out.", name));
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var targets = Targets();
        var agreed = new List<(ClusterDefinition Cluster, RepositoryDefinition Repository)>();
        foreach (var cluster in targets)
            Try(cluster.Name, () =>
            {
                var named = Repository is null ? null : ResolveRepository(Repository);
                var repository = Work("Reading the repository", (operation, _) =>
                    Task.FromResult(named is null ? operation.Runtime.GetRepository(cluster) : operation.Runtime.GetRepository(named)));
                WriteVerbose($"Repository '{repository.Name}' ({repository.Path}): {(named is null ? "the cluster's own" : "named with -Repository")}.");
                if (!ShouldProcess(cluster.Name, $"{(Continuous ? "Back up continuously" : $"Take a backup ({Kind})")} to '{repository.Path}'"))
                    return;
                if (Continuous)
                    agreed.Add((cluster, repository));
                else
                    Write(Work($"Backing up {cluster.Name}", (operation, token) =>
                        operation.Runtime.NewBackupAsync(cluster, repository, Kind, Portable, operation.Progress, token)), cluster, repository);
            });
        if (agreed.Count > 0)
            Try(agreed[0].Cluster.Name, () => Protect(agreed));
    }

    private void Protect(List<(ClusterDefinition Cluster, RepositoryDefinition Repository)> clusters) =>
        Work("Protecting", (operation, token) => Task.WhenAll(clusters.Select(c => operation.Runtime.ProtectAsync(c.Cluster, c.Repository, Every, For, Count,
            backup => operation.Do(() => Write(backup, c.Cluster, c.Repository)), error => operation.Error(error, c.Cluster.Name), token))));

    private void Write(BackupInfo backup, ClusterDefinition cluster, RepositoryDefinition repository)
    {
        foreach (var note in backup.Notes)
            WriteWarning(note);
        WriteObject(backup with { Definition = backup.Definition ?? cluster, RepositoryDefinition = backup.RepositoryDefinition ?? repository });
    }
}

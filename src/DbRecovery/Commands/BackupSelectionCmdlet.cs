using System.Management.Automation;
using DbRecovery.Engine.Backups;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>A cmdlet that works on backups: from the pipeline, or by cluster, id and repository.</summary>
public abstract class BackupSelectionCmdlet : DbCmdlet
{
    internal const string ByBackup = "Backup";
    internal const string ById = "Id";

    /// <summary>A backup, from Get-DbBackup or New-DbBackup, or a result that has one, from Copy-DbBackup or Test-DbBackup.</summary>
    [Parameter(ParameterSetName = ByBackup, Mandatory = true, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Backup")]
    [ValidateNotNull]
    public BackupInfo? InputObject { get; set; }

    /// <summary>The id, or a beginning of it that only one backup has.</summary>
    [Parameter(ParameterSetName = ById, Mandatory = true, Position = 0)]
    [ArgumentCompleter(typeof(BackupCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Id { get; set; }

    /// <summary>The cluster whose backups are meant.</summary>
    [Parameter(ParameterSetName = ById)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Cluster { get; set; }

    /// <summary>The repository: its name in the inventory, or its path.</summary>
    [Parameter(ParameterSetName = ById)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Repository { get; set; }

    /// <summary>Does the cmdlet's part for each backup that is meant.</summary>
    private protected void ForEachBackup(Action<BackupInfo> part)
    {
        if (InputObject is not null)
        {
            Try(InputObject.Id, () => Begin(InputObject, part));
            return;
        }
        foreach (var id in Id ?? [])
            Try(id, () => Begin(BackupLookup.One(this, Cluster, Repository, id), part));
    }

    private void Begin(BackupInfo backup, Action<BackupInfo> part)
    {
        WriteVerbose($"Backup {backup.Id} of '{backup.Cluster}' in '{backup.RepositoryDefinition?.Path ?? backup.Repository}', taken {backup.FinishedAt:u}, {(backup.Proof is null ? "never tested" : backup.Proof.Passed ? "proved" : "not passed when it was tested")}.");
        part(backup);
    }
}

/// <summary>Finds backups for cmdlets and completers.</summary>
internal static class BackupLookup
{
    /// <summary>The one backup whose id begins so.</summary>
    public static BackupInfo One(DbCmdlet cmdlet, string? cluster, string? repository, string id)
    {
        var resolved = repository is null ? null : cmdlet.ResolveRepository(repository);
        var found = cmdlet.Work("Looking for the backup", (operation, token) =>
            FindAsync(operation, cluster is null ? null : [cluster], resolved, new BackupFilter { Id = id }, token));
        return found.Count switch
        {
            1 => found[0],
            0 => throw None(id),
            _ => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"'{id}' is the beginning of {found.Count} backups: {string.Join(", ", found.Take(5).Select(b => b.Id))}", "Write more of the id.", id),
        };
    }

    /// <summary>The error of an id that no backup has.</summary>
    public static DbRecoveryException None(string id) => new(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"there is no backup '{id}'", "List them with Get-DbBackup.", id);

    /// <summary>Backups of clusters in their own repositories or in one that is named; without clusters, all.</summary>
    public static async Task<IReadOnlyList<BackupInfo>> FindAsync(Operation operation, string[]? clusters, string? repository, BackupFilter filter, CancellationToken token)
    {
        var found = new List<BackupInfo>();
        if (repository is not null && (clusters is null || clusters.Length == 0))
        {
            found.AddRange(await ListAsync(operation, operation.Runtime.GetRepository(repository), filter, null, token));
            return found;
        }
        var named = clusters is { Length: > 0 };
        foreach (var cluster in operation.Runtime.GetClusters(clusters))
        {
            if (repository is null && cluster.Backups is null && !named)
                continue;
            var at = repository is null ? operation.Runtime.GetRepository(cluster) : operation.Runtime.GetRepository(repository);
            found.AddRange(await ListAsync(operation, at, filter with { Cluster = cluster.Name }, cluster, token));
        }
        return found;
    }

    private static async Task<IEnumerable<BackupInfo>> ListAsync(Operation operation, RepositoryDefinition repository, BackupFilter filter, ClusterDefinition? cluster, CancellationToken token)
    {
        var backups = await operation.Runtime.GetBackupsAsync(repository, filter, damaged => operation.Error(damaged, repository.Path), token);
        return backups.Select(b => b with { RepositoryDefinition = b.RepositoryDefinition ?? repository, Definition = b.Definition ?? cluster });
    }
}

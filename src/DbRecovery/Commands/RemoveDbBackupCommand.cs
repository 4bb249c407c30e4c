using System.Management.Automation;
using DbRecovery.Engine.Backups;
using DbRecovery.PowerShell.Completers;
using DbRecovery.Shells;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Removes backups.</summary>
/// <remarks>Removes the backups that are named, or those of a cluster that a retention rule does not keep: that of -Retention, or the inventory's 'keep'. The newest backup and the last proved one stay whatever the rule says; one of them that is named is an error, and the others go, unless -Force is given. What is removed lies in the repository's trash until the grace is over and can be taken back with -Undo until then. Other backups never depend on a removed one.</remarks>
/// <example><code>Remove-DbBackup -Cluster app -Retention last=7,daily=30 -WhatIf</code><para>What would go, and why the others stay.</para></example>
/// <example><code>Get-DbBackup -Cluster app | Where-Object Status -eq Suspect | Remove-DbBackup -Confirm:$false</code><para>Removes backups from the pipeline without asking.</para></example>
/// <example><code>Get-DbBackup -Cluster app | Remove-DbBackup -WhatIf</code><para>Which of them would go, and which must stay and why.</para></example>
/// <example><code>Remove-DbBackup -Id 20261121T101500Z-1a2b3c -Cluster app -Undo</code><para>Takes a removed backup back.</para></example>
[Cmdlet(VerbsCommon.Remove, "DbBackup", DefaultParameterSetName = ByRule, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(RetentionDecision), typeof(PruneResult), typeof(BackupInfo))]
public sealed class RemoveDbBackupCommand : DbCmdlet
{
    private const string ByRule = "Retention";
    private const string ByBackup = "Backup";
    private const string ById = "Id";
    private readonly List<BackupInfo> _named = [];

    /// <summary>A backup, from Get-DbBackup.</summary>
    [Parameter(ParameterSetName = ByBackup, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public BackupInfo? InputObject { get; set; }

    /// <summary>The id, or a beginning of it that only one backup has.</summary>
    [Parameter(ParameterSetName = ById, Mandatory = true, Position = 0)]
    [ArgumentCompleter(typeof(BackupCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Id { get; set; }

    /// <summary>The cluster whose backups are meant.</summary>
    [Parameter(ParameterSetName = ByRule, Mandatory = true)]
    [Parameter(ParameterSetName = ById)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Cluster { get; set; }

    /// <summary>What is kept: last, full, days, hours, daily, weekly, monthly, yearly, as in last=7,days=30,full=4. Without it: the inventory's 'keep'.</summary>
    [Parameter(ParameterSetName = ByRule)]
    [ValidateNotNull]
    public string[]? Retention { get; set; }

    /// <summary>The repository: its name in the inventory, or its path. Without it: the cluster's own.</summary>
    [Parameter(ParameterSetName = ByRule)]
    [Parameter(ParameterSetName = ById)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Repository { get; set; }

    /// <summary>How long what is removed stays in the trash (default: 24h). 0s frees the space at once, also from under a restore that runs.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Grace { get; set; }

    /// <summary>Takes removed backups back, while their grace lasts.</summary>
    [Parameter(ParameterSetName = ById)]
    public SwitchParameter Undo { get; set; }

    /// <summary>Removes even the newest or the last proved backup, if it is named.</summary>
    [Parameter(ParameterSetName = ByBackup)]
    [Parameter(ParameterSetName = ById)]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (InputObject is not null)
            _named.Add(InputObject);
        foreach (var id in Id ?? [])
            Try(id, () =>
            {
                if (Undo)
                    TakeBack(id);
                else
                    _named.Add(BackupLookup.One(this, Cluster, Repository, id));
            });
    }

    /// <summary>All that the pipeline names is judged together: one may be the newest only as long as another is not removed.</summary>
    protected override void EndProcessing()
    {
        if (ParameterSetName == ByRule)
            Try(Cluster, () =>
            {
                var (repository, decisions) = Work("Deciding", async (operation, token) =>
                {
                    var at = Repository is null ? operation.Runtime.GetRepository(operation.Runtime.GetCluster(Cluster!)) : operation.Runtime.GetRepository(ResolveRepository(Repository));
                    var rule = Retention is null ? null : string.Join(',', Retention);
                    return (at, await operation.Runtime.DecideRetentionAsync(Cluster!, at, rule, new UpkeepOptions(), token));
                });
                Remove(repository, decisions);
            });
        foreach (var group in _named.GroupBy(b => b.RepositoryDefinition?.Path))
            Try(group.Key, () =>
            {
                var plan = IsWhatIf;
                // what must stay is an error of its own, and the others go; a plan says it with the decisions
                var decisions = Work("Deciding", (operation, token) => operation.Runtime.DecideRemovalAsync([.. group], Force,
                    refused => { if (!plan) operation.Error(refused, refused.Target); }, token));
                if (plan || decisions.Any(d => !d.Keep))
                    Remove(group.First().RepositoryDefinition!, decisions);
                else
                    WriteObject(decisions, enumerateCollection: true);
            });
    }

    private void Remove(RepositoryDefinition repository, IReadOnlyList<RetentionDecision> decisions)
    {
        var plan = IsWhatIf;
        var confirmed = decisions.Select(d => d.Keep || Confirmed(d, repository) || plan ? d : d with { Keep = true, Reasons = ["not confirmed"] }).ToList();
        var grace = Grace;
        var (done, result) = Work("Removing backups", (operation, token) =>
        {
            var options = new UpkeepOptions { Plan = plan };
            return operation.Runtime.RemoveBackupsAsync(repository, confirmed, grace is { } given ? options with { Grace = given } : options, operation.Progress, token);
        });
        WriteObject(done, enumerateCollection: true);
        WriteObject(result);
    }

    private bool Confirmed(RetentionDecision decision, RepositoryDefinition repository)
    {
        var backup = decision.Backup;
        var why = decision.Reasons.Count == 0 ? ParameterSetName == ByRule ? "no rule keeps it" : "named" : string.Join(", ", decision.Reasons);
        var text = $"Remove backup {backup.Id} of '{backup.Cluster}' (data of {SizeText.Moment(backup.FinishedAt)}, {SizeText.Size(backup.SizeBytes)}; {why}) from '{repository.Path}'";
        return ShouldProcess(text, text + Environment.NewLine + "Remove?", "DbRecovery");
    }

    private void TakeBack(string id)
    {
        var repository = Work("Reading the repository", (operation, _) => Task.FromResult(
            Repository is not null ? operation.Runtime.GetRepository(ResolveRepository(Repository))
            : Cluster is not null ? operation.Runtime.GetRepository(operation.Runtime.GetCluster(Cluster))
            : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a removed backup does not say where it was", "Give -Cluster or -Repository.", id)));
        var text = $"Take the removed backup {id} in '{repository.Path}' back";
        if (ShouldProcessAt(ConfirmImpact.Medium, text, text + "?"))
            WriteObject(Work("Taking back", (operation, token) => operation.Runtime.RestoreRemovedBackupAsync(repository, id, token)));
    }
}

using System.Management.Automation;
using DbRecovery.Engine.Backups;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Removes what no backup of a repository needs.</summary>
/// <remarks>Moves packs that no backup refers to into the trash, and deletes from the trash what has been there longer than the grace and what no writer can need any more. With -Repack, packs that are less than half needed are written anew, without the database. It stops, and deletes nothing, where a backup in the repository is damaged.</remarks>
/// <example><code>Optimize-DbRepository -Repository main -WhatIf</code><para>How much would go.</para></example>
/// <example><code>Optimize-DbRepository -Repository /backup/dbrecovery -Repack -Confirm:$false</code><para>Frees space without asking.</para></example>
[Cmdlet(VerbsCommon.Optimize, "DbRepository", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(PruneResult))]
public sealed class OptimizeDbRepositoryCommand : DbCmdlet
{
    /// <summary>The repository: its name in the inventory, or its path.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Repository { get; set; }

    /// <summary>Writes packs anew that are less than half needed, and gathers many small ones.</summary>
    [Parameter]
    public SwitchParameter Repack { get; set; }

    /// <summary>Puts files together again that lie in many small pieces after increments: a full backup without the database.</summary>
    [Parameter]
    public SwitchParameter FullRuns { get; set; }

    /// <summary>Writes what an older data key sealed anew with the current one, after a change of an encrypted repository's keys.</summary>
    [Parameter]
    public SwitchParameter RotateEpochs { get; set; }

    /// <summary>How long what is removed stays in the trash (default: 24h). 0s frees the space at once, also from under a restore that runs.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Grace { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Repository ?? [])
            Try(name, () =>
            {
                var resolved = ResolveRepository(name);
                var repository = Work("Reading the repository", (operation, _) => Task.FromResult(operation.Runtime.GetRepository(resolved)));
                var plan = IsWhatIf;
                if (!ShouldProcess(repository.Path, "Remove what no backup needs") && !plan)
                    return;
                var (repack, merge, rotate, grace) = (Repack.IsPresent, FullRuns.IsPresent, RotateEpochs.IsPresent, Grace);
                WriteObject(Work($"Keeping up {repository.Name}", (operation, token) =>
                {
                    var options = new UpkeepOptions { Plan = plan, Repack = repack, MergeRuns = merge, RotateEpochs = rotate };
                    return operation.Runtime.PruneRepositoryAsync(repository, grace is { } given ? options with { Grace = given } : options, operation.Progress, token);
                }));
            });
    }
}

using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>A cmdlet that lists what clusters have: those that are named, or all.</summary>
public abstract class ClustersCmdlet : DbCmdlet
{
    /// <summary>The names of clusters; * and ? are wildcards. Without it: all.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }
}

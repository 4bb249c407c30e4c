using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>A cmdlet whose target is a cluster: by name, by the object, or a database without an inventory.</summary>
public abstract class TargetCmdlet : DbCmdlet
{
    internal const string ByCluster = "Cluster";
    internal const string ByPath = "Path";
    internal const string ByConnection = "ConnectionString";
    internal const string ByObject = "InputObject";

    /// <summary>The names of clusters in the inventory; * and ? are wildcards.</summary>
    [Parameter(ParameterSetName = ByCluster, Position = 0, ValueFromPipeline = true)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Cluster { get; set; }

    /// <summary>The engine of a database that is given without an inventory. Without it: sqlite for a path, postgresql for a connection text.</summary>
    [Parameter(ParameterSetName = ByPath)]
    [Parameter(ParameterSetName = ByConnection)]
    [ArgumentCompleter(typeof(EngineCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Engine { get; set; }

    /// <summary>The database file that is meant, without an inventory. Characters such as [ ] stand for themselves.</summary>
    [Parameter(ParameterSetName = ByPath, Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("LiteralPath", "FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>Servers that no inventory knows, as the engine's own tools take them: "host=a,b port=5432 user=me" or postgresql://me@a,b. A password in it is refused: it is read from PGPASSWORD or a password file.</summary>
    [Parameter(ParameterSetName = ByConnection, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? ConnectionString { get; set; }

    /// <summary>A cluster from Get-DbCluster.</summary>
    [Parameter(ParameterSetName = ByObject, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public ClusterDefinition? InputObject { get; set; }

    /// <summary>The clusters that are meant. The command ends where a name is not in the inventory.</summary>
    internal IReadOnlyList<ClusterDefinition> Targets() => ParameterSetName switch
    {
        ByObject => [InputObject!],
        ByPath => Need(() =>
        {
            var path = ResolvePath(Path!, nameof(Path));
            return Work("Reading the target", (operation, _) => Task.FromResult<IReadOnlyList<ClusterDefinition>>([operation.Runtime.GetTarget(Engine ?? "sqlite", path)]));
        }),
        ByConnection => Need(() => Work("Reading the target", (operation, _) =>
            Task.FromResult<IReadOnlyList<ClusterDefinition>>([operation.Runtime.GetServerTarget(Engine ?? "postgresql", ConnectionString!)]))),
        _ => Clusters(Cluster),
    };
}

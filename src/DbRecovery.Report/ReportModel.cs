namespace DbRecovery.Report;

/// <summary>All that a report is made of. The same model gives the same page, byte for byte.</summary>
public sealed record ReportModel
{
    /// <summary>When the report is made (UTC): ages are counted from here.</summary>
    public required DateTimeOffset MadeAt { get; init; }
    /// <summary>The version of DbRecovery that made it.</summary>
    public string Version { get; init; } = "";
    /// <summary>What is older is left out of the lists; null for no limit. The newest backup and proof of a cluster are always told.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>The clusters; those that only an incident, backup or drill names need not be here.</summary>
    public IReadOnlyList<ClusterDefinition> Clusters { get; init; } = [];
    /// <summary>Incidents, in any order.</summary>
    public IReadOnlyList<IncidentReport> Incidents { get; init; } = [];
    /// <summary>Backups, in any order.</summary>
    public IReadOnlyList<BackupInfo> Backups { get; init; } = [];
    /// <summary>Results of drills, in any order.</summary>
    public IReadOnlyList<DrillResult> Drills { get; init; } = [];
    /// <summary>Checks of repositories, in any order; the last of each repository is told.</summary>
    public IReadOnlyList<RepositoryReport> Repositories { get; init; } = [];
    /// <summary>The health of clusters now; empty where nobody looked.</summary>
    public IReadOnlyList<HealthReport> Health { get; init; } = [];
    /// <summary>Who replicates from whom in clusters that were looked at; one without other nodes is not drawn.</summary>
    public IReadOnlyList<ClusterTopology> Topologies { get; init; } = [];
    /// <summary>Rows that an incident read from the damaged database, by the incident's id: the first of them, in the order of their list.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<SalvagedRow>> SalvagedRows { get; init; } = new Dictionary<string, IReadOnlyList<SalvagedRow>>();
    /// <summary>What could not be read and is therefore missing, each in one sentence.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}

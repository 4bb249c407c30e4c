namespace DbRecovery.Runtime;

/// <summary>What a report shall tell, and where it shall be.</summary>
public sealed record ReportRequest
{
    /// <summary>The file that shall hold the page.</summary>
    public required string Path { get; init; }
    /// <summary>Whether a file that is there may be replaced.</summary>
    public bool Replace { get; init; }
    /// <summary>Names of clusters, wildcards allowed; empty: every cluster of the inventory and every one that has an incident.</summary>
    public IReadOnlyList<string> Clusters { get; init; } = [];
    /// <summary>Only this incident, with the backups and drills of its cluster: its id, a unique beginning of it, or <c>latest</c>.</summary>
    public string? Incident { get; init; }
    /// <summary>Leaves older incidents, backups and drills out of the lists.</summary>
    public TimeSpan? Since { get; init; }
    /// <summary>Whether each cluster is looked at quickly.</summary>
    public bool Health { get; init; }
    /// <summary>
    /// Only these, and nothing is read: <see cref="IncidentReport"/>, <see cref="DrillResult"/>, <see cref="BackupInfo"/>, <see cref="BackupTestResult"/>,
    /// <see cref="HealthReport"/>, <see cref="RepositoryReport"/> and <see cref="ClusterDefinition"/>. Null: what the state folder and the repositories hold.
    /// </summary>
    public IReadOnlyList<object>? Objects { get; init; }
}

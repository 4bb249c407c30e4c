namespace DbRecovery;

/// <summary>A report that was written.</summary>
public sealed record ReportResult
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }
    /// <summary>Its size in bytes.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>The moment that it tells of (UTC).</summary>
    public required DateTimeOffset MadeAt { get; init; }
    /// <summary>Clusters in it.</summary>
    public required int Clusters { get; init; }
    /// <summary>Incidents in it.</summary>
    public required int Incidents { get; init; }
    /// <summary>Backups in it.</summary>
    public required int Backups { get; init; }
    /// <summary>Results of drills in it.</summary>
    public required int Drills { get; init; }
    /// <summary>What could not be read and is therefore missing, each in one sentence; the page says so too.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}

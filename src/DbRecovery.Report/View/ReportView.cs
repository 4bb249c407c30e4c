namespace DbRecovery.Report.View;

/// <summary>A model put in order for the page: newest first, by cluster, within the asked time.</summary>
internal sealed class ReportView
{
    public ReportView(ReportModel model)
    {
        Model = model;
        Incidents = [.. model.Incidents.DistinctBy(i => i.Id).Where(i => InTime(i.StartedAt)).OrderByDescending(i => i.StartedAt).ThenByDescending(i => i.Id, StringComparer.Ordinal)];
        AllBackups = [.. model.Backups.DistinctBy(b => (b.Cluster, b.Id, b.Repository)).OrderByDescending(b => b.FinishedAt).ThenByDescending(b => b.Id, StringComparer.Ordinal)];
        Backups = [.. AllBackups.Where(b => InTime(b.FinishedAt))];
        Drills = [.. model.Drills.Where(d => InTime(d.InflictedAt)).OrderByDescending(d => d.InflictedAt).ThenBy(d => d.DrillId, StringComparer.Ordinal).ThenBy(d => d.Damage, StringComparer.Ordinal)];
        Repositories = [.. model.Repositories.GroupBy(r => r.Location, StringComparer.Ordinal).Select(g => g.MaxBy(r => r.TestedAt)!).OrderBy(r => r.Repository, StringComparer.Ordinal)];
        var incidents = Incidents.ToLookup(i => i.Cluster, StringComparer.Ordinal);
        var backups = AllBackups.ToLookup(b => b.Cluster, StringComparer.Ordinal);
        var drills = Drills.ToLookup(d => d.Cluster, StringComparer.Ordinal);
        Clusters = [.. model.Clusters.Select(c => c.Name).Concat(model.Health.Select(h => h.Cluster)).Concat(incidents.Select(g => g.Key)).Concat(backups.Select(g => g.Key)).Concat(drills.Select(g => g.Key))
            .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Select(name => new ClusterView(name, model, incidents, backups, drills))];
    }

    public ReportModel Model { get; }
    public IReadOnlyList<ClusterView> Clusters { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<IncidentReport> Incidents { get; }
    /// <summary>Those of the asked time, newest first.</summary>
    public IReadOnlyList<BackupInfo> Backups { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<BackupInfo> AllBackups { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<DrillResult> Drills { get; }
    /// <summary>The last check of each repository.</summary>
    public IReadOnlyList<RepositoryReport> Repositories { get; }

    /// <summary>The page's heading.</summary>
    public string Title => Clusters.Count == 1 ? $"Recovery report: {Clusters[0].Name}" : "Recovery report";

    private bool InTime(DateTimeOffset at) => Model.Since is not { } since || at >= since;
}

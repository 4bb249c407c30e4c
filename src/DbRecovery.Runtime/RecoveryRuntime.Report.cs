using System.Net;
using System.Text;
using System.Text.Json;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Topology;
using DbRecovery.Report;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    private const int MostSalvagedRows = 1000;

    /// <summary>Writes a report for people: one HTML page. What cannot be read is left out, told to <paramref name="problem"/> and said on the page.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.TargetExists"/>: the file is there and may not be replaced; <see cref="ErrorIds.ParameterInvalid"/>, <see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.OutOfSpace"/>: it cannot be written; <see cref="ErrorIds.ClusterNotFound"/>, <see cref="ErrorIds.IncidentNotFound"/>.</exception>
    public async Task<ReportResult> ExportReportAsync(ReportRequest request, Action<DbRecoveryException>? problem, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var path = Locations.Resolve(_options, request.Path);
        ReportFile.Check(path, request.Replace);
        var now = _options.Clock.GetUtcNow();
        var model = new ReportModel
        {
            MadeAt = now,
            Since = request.Since is not { } since ? null : now - DateTimeOffset.MinValue > since ? now - since : DateTimeOffset.MinValue,
            Version = typeof(RecoveryRuntime).Assembly.GetName().Version?.ToString(3) ?? "",
        };
        model = request.Objects is { } objects ? OfObjects(model, objects) : await GatherAsync(model, request, problem, progress, cancellationToken).ConfigureAwait(false);
        var page = ReportWriter.Write(model);
        await ReportFile.SaveAsync(path, page, request.Replace, cancellationToken).ConfigureAwait(false);
        bool InTime(DateTimeOffset at) => model.Since is not { } from || at >= from;
        return new ReportResult
        {
            Path = path, SizeBytes = Encoding.UTF8.GetByteCount(page), MadeAt = now, Clusters = model.Clusters.Count, Problems = model.Problems,
            Incidents = model.Incidents.Count(i => InTime(i.StartedAt)), Backups = model.Backups.Count(b => InTime(b.FinishedAt)), Drills = model.Drills.Count(d => InTime(d.InflictedAt)),
        };
    }

    private static ReportModel OfObjects(ReportModel model, IReadOnlyList<object> objects)
    {
        var incidents = objects.OfType<IncidentReport>().ToList();
        var health = objects.OfType<HealthReport>().ToList();
        var backups = objects.OfType<BackupInfo>().Concat(objects.OfType<BackupTestResult>().Select(t => t.Backup with { Proof = t.Proof })).ToList();
        var clusters = objects.OfType<ClusterDefinition>().Concat(health.Select(h => h.Definition)).Concat(backups.Select(b => b.Definition).OfType<ClusterDefinition>())
            .Concat(incidents.Select(i => i.Definition).OfType<ClusterDefinition>());
        return model with
        {
            Clusters = [.. clusters.Where(c => c is not null).DistinctBy(c => c.Name, StringComparer.Ordinal)], Incidents = incidents, Health = health, Backups = backups,
            Topologies = [.. objects.OfType<ClusterTopology>(), .. health.Where(h => h.Observations.Count > 1).Select(h => TopologyBuilder.Build(h, new NodeAddresses(h.Definition, new Dictionary<string, IReadOnlyList<IPAddress>>())))],
            Drills = [.. objects.OfType<DrillResult>()], Repositories = [.. objects.OfType<RepositoryReport>()],
        };
    }

    private async Task<ReportModel> GatherAsync(ReportModel model, ReportRequest request, Action<DbRecoveryException>? problem, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var (clusters, incidents) = Scope(request);
        var problems = new List<string>();
        void Missing(DbRecoveryException error)
        {
            // one repository that cannot be read is one problem, however many clusters it serves
            if (problems.Contains(error.Message))
                return;
            problems.Add(error.Message);
            problem?.Invoke(error);
        }
        var health = request.Health ? await HealthOfAsync(clusters, Missing, progress, cancellationToken).ConfigureAwait(false) : [];
        var topologies = await Task.WhenAll(health.Where(h => h.Observations.Count > 1).Select(h => GetTopologyAsync(h, cancellationToken))).ConfigureAwait(false);
        return model with
        {
            Clusters = clusters,
            Incidents = incidents,
            Topologies = topologies,
            SalvagedRows = SalvagedRowsOf(incidents, Missing),
            Backups = await BackupsOfAsync(clusters, Missing, cancellationToken).ConfigureAwait(false),
            Drills = await DrillsOfAsync(clusters, Missing).ConfigureAwait(false),
            Repositories = await LastChecksAsync(clusters, Missing, cancellationToken).ConfigureAwait(false),
            Health = health,
            Problems = problems,
        };
    }

    private static Dictionary<string, IReadOnlyList<SalvagedRow>> SalvagedRowsOf(IReadOnlyList<IncidentReport> incidents, Action<DbRecoveryException> missing)
    {
        var found = new Dictionary<string, IReadOnlyList<SalvagedRow>>(StringComparer.Ordinal);
        foreach (var incident in incidents)
        {
            var list = incident.Steps.Select(s => s.Outputs.TryGetValue("rowList", out var value) && value.Type == FactType.Text ? value.AsText() : "").FirstOrDefault(t => t.Length > 0);
            if (list is null)
                continue;
            try
            {
                found[incident.Id] = [.. File.ReadLines(list).Take(MostSalvagedRows).Select(line => JsonSerializer.Deserialize<SalvagedRow>(line, DbRecoveryJson.Compact)).OfType<SalvagedRow>()];
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
            {
                missing(new DbRecoveryException(ErrorIds.IncidentNotFound, ErrorKind.NotFound, $"the list of the rows that incident {incident.Id} salvaged, '{list}', cannot be read: {e.Message}", target: list, inner: e));
            }
        }
        return found;
    }

    private (IReadOnlyList<ClusterDefinition> Clusters, IReadOnlyList<IncidentReport> Incidents) Scope(ReportRequest request)
    {
        if (request.Incident is { } id)
        {
            var only = GetIncident(id, request.Clusters.Count == 1 ? GetCluster(request.Clusters[0]).Name : null);
            var of = Model?.Clusters.FirstOrDefault(c => c.Name == only.Cluster) ?? only.Definition;
            return (of is null ? [] : [of], [only]);
        }
        if (request.Clusters.Count > 0)
        {
            var named = GetClusters(request.Clusters);
            return (named, [.. named.SelectMany(c => GetIncidents(c.Name))]);
        }
        // a target without an inventory is known by its journals alone
        var incidents = GetIncidents();
        var known = Model is null && incidents.Count > 0 ? [] : Inventory.Clusters;
        return ([.. known.Concat(incidents.Select(i => i.Definition).OfType<ClusterDefinition>()).DistinctBy(c => c.Name, StringComparer.Ordinal)], incidents);
    }

    // a cluster of an old journal may name a repository that the inventory does not have any more
    private Task<IReadOnlyList<BackupInfo>> BackupsOfAsync(IReadOnlyList<ClusterDefinition> clusters, Action<DbRecoveryException> missing, CancellationToken cancellationToken) =>
        OfEachAsync(clusters.Where(c => c.Backups is not null), missing, async cluster =>
            (await GetBackupsAsync(GetRepository(cluster), new BackupFilter { Cluster = cluster.Name }, missing, cancellationToken).ConfigureAwait(false))
                .Select(b => b with { Definition = b.Definition ?? cluster }));

    private Task<IReadOnlyList<RepositoryReport>> LastChecksAsync(IReadOnlyList<ClusterDefinition> clusters, Action<DbRecoveryException> missing, CancellationToken cancellationToken)
    {
        var looked = new HashSet<string>(StringComparer.Ordinal);
        return OfEachAsync<RepositoryReport>(clusters.Where(c => c.Backups is not null), missing, async cluster =>
        {
            var repository = GetRepository(cluster);
            return looked.Add(repository.Path) && await Care.LastReportAsync(repository, cancellationToken).ConfigureAwait(false) is { } report ? [report] : [];
        });
    }

    private Task<IReadOnlyList<DrillResult>> DrillsOfAsync(IReadOnlyList<ClusterDefinition> clusters, Action<DbRecoveryException> missing) =>
        OfEachAsync(clusters, missing, cluster => Task.FromResult<IEnumerable<DrillResult>>(GetDrills(cluster.Name)));

    private Task<IReadOnlyList<HealthReport>> HealthOfAsync(IReadOnlyList<ClusterDefinition> clusters, Action<DbRecoveryException> missing, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        OfEachAsync<HealthReport>(clusters, missing, async cluster => [await TestHealthAsync(cluster, ObservationLevel.Quick, progress, cancellationToken).ConfigureAwait(false)]);

    /// <summary>What each cluster gives. What one of them cannot give is told, and hides nothing of the others.</summary>
    private static async Task<IReadOnlyList<T>> OfEachAsync<T>(IEnumerable<ClusterDefinition> clusters, Action<DbRecoveryException> missing, Func<ClusterDefinition, Task<IEnumerable<T>>> part)
    {
        var found = new List<T>();
        foreach (var cluster in clusters)
        {
            try
            {
                found.AddRange(await part(cluster).ConfigureAwait(false));
            }
            catch (DbRecoveryException e) when (e.Id is not ErrorIds.Cancelled)
            {
                missing(e);
            }
        }
        return found;
    }
}

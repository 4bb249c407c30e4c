using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Drills;

namespace DbRecovery.Runtime;

// Drills: damage to copies in a sandbox, and what the recovery makes of it.
public sealed partial class RecoveryRuntime
{
    /// <summary>The names of the damages that drills of an engine can inflict; none where it has no drills.</summary>
    public IReadOnlyList<DrillDamage> GetDamages(string engine) => Provider(engine).TryGet<IFaultInjector>(out var injector) ? injector.Damages : [];

    /// <summary>Works out what a drill would do. Changes nothing.</summary>
    public DrillPlan PlanDrill(DrillRequest request) => Drills(readOnly: true).Plan(Resolved(request));

    /// <summary>Carries a drill out on a copy; the original is only read. Each result is given as it comes, and kept.</summary>
    public Task<IReadOnlyList<DrillResult>> DrillAsync(DrillRequest request, Action<DrillResult>? each, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Drills().RunAsync(Resolved(request), each, progress, cancellationToken);

    /// <summary>The newest proved backup of a cluster in its own repository, for a drill that recovers from it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.BackupNotFound"/>: there is none.</exception>
    public async Task<BackupInfo> GetDrillBackupAsync(ClusterDefinition cluster, CancellationToken cancellationToken)
    {
        var repository = GetRepository(cluster);
        var found = await _backups.Value.ListAsync(repository, new BackupFilter { Cluster = cluster.Name, ProvedOnly = true, CompleteOnly = true, Latest = true }, null, cancellationToken).ConfigureAwait(false);
        return found.Count > 0
            ? found[0] with { RepositoryDefinition = repository, Definition = cluster }
            : throw new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"'{repository.Path}' has no proved backup of '{cluster.Name}'",
                "Take one and test it, or drill without a backup: then the copy is backed up.", cluster.Name);
    }

    /// <summary>Results of a cluster's drills, newest first.</summary>
    public IReadOnlyList<DrillResult> GetDrills(string cluster) => Drills(readOnly: true).History(Known(cluster));

    private DrillRequest Resolved(DrillRequest request) =>
        request.SandboxFolder is { } folder ? request with { SandboxFolder = Locations.Resolve(_options, folder) } : request;

    private DrillService Drills(bool readOnly = false) => new(new DrillServices
    {
        Incidents = ServicesOfIncidents(readOnly),
        MakeBackups = scratch => new BackupService(Provider, _options.Clock, new BackupServiceOptions { ScratchFolder = scratch }, new SecretResolver(_options)),
    });
}

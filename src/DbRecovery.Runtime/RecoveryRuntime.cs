using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime;

/// <summary>What a shell gives the runtime.</summary>
public sealed record RuntimeOptions
{
    /// <summary>The inventory's path; null: <c>DBRECOVERY_INVENTORY</c>, <c>./dbrecovery.yml</c>, the user's config folder, in this order, and none is no error until a cluster is named.</summary>
    public string? InventoryPath { get; init; }
    /// <summary>The folder against which relative paths are resolved (PowerShell's location differs from the process's).</summary>
    public string WorkingFolder { get; init; } = Environment.CurrentDirectory;
    /// <summary>The state folder; null: <c>DBRECOVERY_STATE</c>, the inventory's <c>state</c>, the user's default.</summary>
    public string? StateFolder { get; init; }
    /// <summary>Extra folders with runbooks.</summary>
    public IReadOnlyList<string> RunbookFolders { get; init; } = [];
    /// <summary>Reads secrets of SecretManagement; null outside PowerShell. Environment and files are always there.</summary>
    public Func<string, CancellationToken, ValueTask<SecretValue>>? SecretManagement { get; init; }
    /// <summary>PowerShell; null outside it.</summary>
    public IPowerShellHost? PowerShell { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// Engine, databases and repositories put together: each operation of a shell is one call here.
/// An instance is cheap; it reads the inventory when it is first needed and keeps nothing open.
/// </summary>
public sealed class RecoveryRuntime
{
    /// <summary>Makes a runtime.</summary>
    public RecoveryRuntime(RuntimeOptions options) => throw new NotImplementedException();

    /// <summary>The engines that this build knows.</summary>
    public IReadOnlyList<string> Engines => throw new NotImplementedException();

    /// <summary>The clusters whose names match one of the wildcard patterns (<c>*</c>, <c>?</c>); all for none.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.InventoryNotFound"/>, <see cref="ErrorIds.InventoryInvalid"/>; <see cref="ErrorIds.ClusterNotFound"/> for a name without wildcards that is not there (near names suggested).</exception>
    public IReadOnlyList<ClusterDefinition> GetClusters(IReadOnlyList<string>? names = null) => throw new NotImplementedException();

    /// <summary>The one cluster of that name.</summary>
    public ClusterDefinition GetCluster(string name) => throw new NotImplementedException();

    /// <summary>A cluster of one node for a target given without an inventory. Its name is the file's name and a short hash of its path.</summary>
    public ClusterDefinition GetTarget(string engine, string path) => throw new NotImplementedException();

    /// <summary>What the linter says of the inventory.</summary>
    public LintResult LintInventory() => throw new NotImplementedException();

    /// <summary>A repository by its name in the inventory, or by its path.</summary>
    public RepositoryDefinition GetRepository(string nameOrPath) => throw new NotImplementedException();

    /// <summary>The repository that a cluster backs up to.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>: none is configured.</exception>
    public RepositoryDefinition GetRepository(ClusterDefinition cluster) => throw new NotImplementedException();

    /// <summary>Observes and judges a cluster.</summary>
    public Task<HealthReport> TestHealthAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Runbooks whose name matches a wildcard pattern, or that answer a fault.</summary>
    public IReadOnlyList<RunbookInfo> GetRunbooks(string? name = null, Fault? fault = null) => throw new NotImplementedException();

    /// <summary>Lints a runbook file, a folder of them, or (null) every runbook at hand.</summary>
    public IReadOnlyList<LintResult> LintRunbooks(string? path) => throw new NotImplementedException();

    /// <summary>Works out what a runbook would do. Changes nothing.</summary>
    /// <param name="fault">The fault; its definition says which cluster.</param>
    /// <param name="runbook">A runbook's name or file; null: the best match.</param>
    /// <param name="parameters">Values for its parameters.</param>
    /// <param name="allowDataLossBytes">Bytes that the caller accepts losing.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public Task<RecoveryPlan> PlanAsync(Fault fault, string? runbook, IReadOnlyDictionary<string, string>? parameters, long? allowDataLossBytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Carries a runbook out.</summary>
    public Task<IncidentReport> RecoverAsync(Fault fault, string? runbook, IReadOnlyDictionary<string, string>? parameters, long? allowDataLossBytes, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Incidents, newest first.</summary>
    public IReadOnlyList<IncidentReport> GetIncidents(string? cluster = null) => throw new NotImplementedException();

    /// <summary>One incident: an id, a unique beginning of it, or <c>latest</c>.</summary>
    public IncidentReport GetIncident(string id, string? cluster = null) => throw new NotImplementedException();

    /// <summary>Goes on with an incident.</summary>
    public Task<IncidentReport> ResumeIncidentAsync(string id, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Agrees to an incident's plan.</summary>
    public Task<IncidentReport> ApproveIncidentAsync(string id, string? planHash, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Lifts the cooldowns of a cluster.</summary>
    public Task<RecoveryStatus> AcknowledgeAsync(string cluster, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Pauses recovery of a cluster.</summary>
    public Task<RecoveryStatus> SuspendRecoveryAsync(string cluster, string reason, TimeSpan? duration, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Ends a pause.</summary>
    public Task<RecoveryStatus> ResumeRecoveryAsync(string cluster, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>What holds recovery of a cluster back.</summary>
    public RecoveryStatus GetRecoveryStatus(string cluster) => throw new NotImplementedException();

    /// <summary>Takes a backup into the cluster's repository, or into another.</summary>
    public Task<BackupInfo> NewBackupAsync(ClusterDefinition cluster, RepositoryDefinition? repository, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Backups in a repository.</summary>
    public Task<IReadOnlyList<BackupInfo>> GetBackupsAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Proves a backup by restoring it into a scratch place.</summary>
    public Task<BackupTestResult> TestBackupAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Restores a backup to a path; null: to where the cluster's node is.</summary>
    public Task<RestoreResult> RestoreBackupAsync(BackupInfo backup, string? destination, bool replace, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();
}

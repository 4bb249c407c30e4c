using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Yaml;

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
    /// <summary>Databases that several runtimes share, with the connections that they keep open; null: the runtime has its own and disposes of them with itself.</summary>
    public ProviderSet? Providers { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// Engine, databases and repositories put together: each operation of a shell is one call here.
/// An instance is cheap; it reads the inventory when it is first needed and keeps nothing open but what <see cref="RuntimeOptions.Providers"/> keeps.
/// </summary>
public sealed partial class RecoveryRuntime : IAsyncDisposable
{
    /// <summary>The engines that this build knows.</summary>
    public IReadOnlyList<string> Engines => _providers.Select(p => p.Engine).ToArray();

    /// <summary>The clusters whose names match one of the wildcard patterns (<c>*</c>, <c>?</c>); all for none.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.InventoryNotFound"/>, <see cref="ErrorIds.InventoryInvalid"/>; <see cref="ErrorIds.ClusterNotFound"/> for a name without wildcards that is not there (near names suggested).</exception>
    public IReadOnlyList<ClusterDefinition> GetClusters(IReadOnlyList<string>? names = null)
    {
        if (names is not { Count: > 0 })
            return Inventory.Clusters;
        var chosen = new List<ClusterDefinition>();
        foreach (var name in names)
            chosen.AddRange(name.AsSpan().IndexOfAny('*', '?') < 0 ? [GetCluster(name)] : Inventory.Clusters.Where(c => FileSystemName.MatchesSimpleExpression(name, c.Name)));
        return chosen.DistinctBy(c => c.Name).ToArray();
    }

    /// <summary>The one cluster of that name.</summary>
    public ClusterDefinition GetCluster(string name) => Inventory.Clusters.FirstOrDefault(c => c.Name == name)
        ?? throw new DbRecoveryException(ErrorIds.ClusterNotFound, ErrorKind.NotFound, $"the inventory has no cluster '{name}'",
            NearNames.Suggest(name, [.. Inventory.Clusters.Select(c => c.Name)]), name);

    /// <summary>A cluster of one node for a target given without an inventory. Its name is the file's name and a short hash of its path.</summary>
    public ClusterDefinition GetTarget(string engine, string path)
    {
        if (!Provider(engine).Embedded)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{engine} is not a file: a path does not name a node of it", "Give a connection text, or describe it in an inventory.", path);
        var absolute = Locations.Resolve(_options, path);
        var safe = string.Concat(Path.GetFileName(absolute).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(absolute)))[..8].ToLowerInvariant();
        var name = $"{(safe.Length > 50 ? safe[..50] : safe)}-{hash}";
        return new ClusterDefinition { Name = name, Engine = engine, Nodes = [new NodeDefinition { Name = name, Path = absolute }] };
    }

    /// <summary>A cluster of servers given without an inventory, by a connection text of the engine's own tools. A password in it is refused.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: the text, or the engine's nodes are files.</exception>
    public ClusterDefinition GetServerTarget(string engine, string connectionText) => Provider(engine).TryGet<ITargetReader>(out var reader)
        ? reader.Read(connectionText)
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"a node of {engine} is a file: a connection text does not name one", "Give its path.", engine);

    /// <summary>What the linter says of the inventory.</summary>
    public LintResult LintInventory()
    {
        if (_inventory.Value.Path is { } path)
            return new LintResult { File = path, Findings = _inventory.Value.Findings };
        _ = Inventory;
        return new LintResult { File = "", Findings = [] };
    }

    /// <summary>A repository by its name in the inventory, or by its path.</summary>
    public RepositoryDefinition GetRepository(string nameOrPath)
    {
        if (Model?.Repositories.GetValueOrDefault(nameOrPath) is { } named)
            return named;
        if (nameOrPath.Contains(Path.DirectorySeparatorChar) || nameOrPath.Contains('/') || Path.IsPathRooted(nameOrPath))
            return RepositoryAt(Locations.Resolve(_options, nameOrPath));
        throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.NotFound, $"the inventory has no repository '{nameOrPath}'",
            $"{NearNames.Suggest(nameOrPath, [.. Model?.Repositories.Keys ?? []])} A path has a slash in it, such as ./{nameOrPath}.", nameOrPath);
    }

    /// <summary>The repositories of the inventory.</summary>
    public IReadOnlyList<RepositoryDefinition> GetRepositories() => [.. Model?.Repositories.Values ?? []];

    /// <summary>The repository that a cluster backs up to.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>: none is configured.</exception>
    public RepositoryDefinition GetRepository(ClusterDefinition cluster) => RepositoryOf(cluster)
        ?? throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.NotFound, $"no backup repository is configured for the cluster '{cluster.Name}'",
            "Name one, or add 'backups: { repository: ... }' to the cluster in the inventory.", cluster.Name);

    /// <summary>Observes and judges a cluster.</summary>
    public Task<HealthReport> TestHealthAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => _health.Value.ExamineAsync(cluster, level, progress, cancellationToken);

    /// <summary>Runbooks whose name matches a wildcard pattern, or that answer a fault.</summary>
    public IReadOnlyList<RunbookInfo> GetRunbooks(string? name = null, Fault? fault = null) => (fault is null ? _library.Value.All : _library.Value.Match(fault))
        .Where(r => name is null || FileSystemName.MatchesSimpleExpression(name, r.Name)).Select(Describe).ToArray();

    /// <summary>Which runbook files errors keep from use, and why, in a sentence; null where none is. It reads every runbook.</summary>
    public string? LeftOutRunbooks() => LeftOut.Sentence(_library.Value.Invalid);

    /// <summary>Lints a runbook file, a folder of them, or (null) every runbook at hand.</summary>
    public IReadOnlyList<LintResult> LintRunbooks(string? path)
    {
        if (path is null)
            return _runbookFolders.Value.Where(Directory.Exists).SelectMany(LintFolder).ToArray();
        var absolute = Locations.Resolve(_options, path);
        if (Directory.Exists(absolute))
            return LintFolder(absolute);
        return File.Exists(absolute)
            ? [LintFile(absolute)]
            : throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound, $"there is no file or folder '{absolute}'", "Give the path of a runbook or of a folder of them.", absolute);
    }

    private IReadOnlyList<LintResult> LintFolder(string folder) => RunbookLibrary.Lint(folder, _lintContext.Value);

    /// <summary>Works out what a runbook would do. Changes nothing.</summary>
    /// <param name="fault">The fault; its definition says which cluster.</param>
    /// <param name="runbook">A runbook's name or file; null: the best match.</param>
    /// <param name="parameters">Values for its parameters.</param>
    /// <param name="allowDataLossBytes">Bytes that the caller accepts losing.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public Task<RecoveryPlan> PlanAsync(Fault fault, string? runbook, IReadOnlyDictionary<string, string>? parameters, long? allowDataLossBytes, CancellationToken cancellationToken)
        => Incidents(readOnly: true).PlanAsync(Request(fault, runbook, parameters, allowDataLossBytes), cancellationToken);

    /// <summary>Carries a runbook out.</summary>
    public Task<IncidentReport> RecoverAsync(Fault fault, string? runbook, IReadOnlyDictionary<string, string>? parameters, long? allowDataLossBytes, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => Incidents().RecoverAsync(Request(fault, runbook, parameters, allowDataLossBytes), timeline, progress, cancellationToken);

    /// <summary>Incidents, newest first.</summary>
    public IReadOnlyList<IncidentReport> GetIncidents(string? cluster = null) => Incidents(readOnly: true).List(cluster);

    /// <summary>One incident: an id, a unique beginning of it, or <c>latest</c>.</summary>
    public IncidentReport GetIncident(string id, string? cluster = null) => Incidents(readOnly: true).Get(id, cluster);

    /// <summary>Goes on with an incident.</summary>
    public Task<IncidentReport> ResumeIncidentAsync(string id, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var incidents = Incidents();
        var incident = incidents.Get(id);
        // the inventory of today stands; a target without one is known by its journal
        var cluster = Model?.Clusters.FirstOrDefault(c => c.Name == incident.Cluster) ?? incident.Definition ?? GetCluster(incident.Cluster);
        return incidents.ResumeAsync(incident.Id, cluster, timeline, progress, cancellationToken);
    }

    /// <summary>Agrees to an incident's plan.</summary>
    public Task<IncidentReport> ApproveIncidentAsync(string id, string? planHash, CancellationToken cancellationToken) => Incidents().ApproveAsync(id, planHash, Environment.UserName, cancellationToken);

    /// <summary>Lifts the cooldowns of a cluster.</summary>
    public Task<RecoveryStatus> AcknowledgeAsync(string cluster, CancellationToken cancellationToken) => Incidents().AcknowledgeAsync(Known(cluster), Environment.UserName, cancellationToken);

    /// <summary>Pauses recovery of a cluster.</summary>
    public Task<RecoveryStatus> SuspendRecoveryAsync(string cluster, string reason, TimeSpan? duration, CancellationToken cancellationToken) => Incidents().SuspendAsync(Known(cluster), reason, duration, Environment.UserName, cancellationToken);

    /// <summary>Ends a pause.</summary>
    public Task<RecoveryStatus> ResumeRecoveryAsync(string cluster, CancellationToken cancellationToken) => Incidents().ResumeRecoveryAsync(Known(cluster), Environment.UserName, cancellationToken);

    /// <summary>What holds recovery of a cluster back.</summary>
    public RecoveryStatus GetRecoveryStatus(string cluster) => Incidents(readOnly: true).Status(cluster);

    /// <summary>Backups in a repository.</summary>
    public Task<IReadOnlyList<BackupInfo>> GetBackupsAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
        => _backups.Value.ListAsync(repository, filter, damaged, cancellationToken);

    /// <summary>Proves a backup by restoring it into a scratch place.</summary>
    public Task<BackupTestResult> TestBackupAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
        => _backups.Value.TestAsync(backup, progress, cancellationToken);

    // a pause of a misspelt cluster would hold nothing back; a target without an inventory is known by its journal alone
    private string Known(string cluster) => Model is { } inventory && inventory.Clusters.All(c => c.Name != cluster) && Incidents(readOnly: true).List(cluster).Count == 0
        ? GetCluster(cluster).Name
        : cluster;
}

using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Incidents;

/// <summary>The process dies: nothing in the engine may catch it.</summary>
internal sealed class Died : Exception;

internal sealed class Observer : IJournalObserver
{
    public int DieAfter { get; set; } = int.MaxValue;
    public int FailAt { get; set; } = int.MaxValue;
    public int Count { get; private set; }
    public Action<JournalKind>? OnWritten { get; set; }

    public void Writing(long seq, JournalKind kind)
    {
        if (Count + 1 >= FailAt)
            throw new IOException("No space left on device", 28);
    }

    public void Written(long seq, JournalKind kind)
    {
        Count++;
        if (Count == DieAfter)
            throw new Died();
        OnWritten?.Invoke(kind);
    }
}

/// <summary>A database that is a text file: a line a row, BAD at its beginning means damaged. Every effect on it is counted.</summary>
internal sealed class World : IDatabaseProvider, IFileSwap, IDataInspector, IMaintenance, ISqlSession, IBackupSource, IRestoreTarget,
    IBackupService, IHealthService, ISecretResolver, IRunbookLibrary, IDisposable
{
    private static readonly SourcePosition At = new(1, 1);
    private readonly List<(BackupInfo Info, string Content)> _backups = [];

    public World()
    {
        Folder = Directory.CreateTempSubdirectory("dbr-world-").FullName;
        Database = Path.Combine(Folder, "data", "app.db");
        Directory.CreateDirectory(Path.GetDirectoryName(Database)!);
        Cluster = new ClusterDefinition { Name = "app", Engine = "sqlite", Nodes = [new NodeDefinition { Name = "n1", Path = Database }] };
        Runbook = CorruptRunbook();
        AddBackup("a\nb\n", proved: true);
        File.WriteAllText(Database, "BAD\na\nb\nc\n");
    }

    public string Folder { get; }
    public string Database { get; }
    public string State => Path.Combine(Folder, "state");
    public ClusterDefinition Cluster { get; set; }
    public Runbook Runbook { get; set; }
    public MovedTime Clock { get; } = new();
    public Observer Observer { get; set; } = new();
    public bool ProvedUnwritten { get; set; } = true;
    public List<string> Effects { get; } = [];
    public Func<string, Exception?> Fail { get; set; } = _ => null;
    public Func<HealthReport, HealthReport> Seen { get; set; } = r => r;
    public Func<CancellationToken, Task>? DuringSwap { get; set; }
    public Func<CancellationToken, Task>? AfterSwap { get; set; }
    public IReadOnlyList<RecoveryAction> ExtraActions { get; set; } = [];

    public IncidentService Service() => new(new IncidentServices
    {
        StateFolder = State,
        Provider = _ => this,
        Backups = this,
        Repository = _ => new RepositoryDefinition { Name = "main", Path = Path.Combine(Folder, "repo") },
        Health = this,
        Runbooks = this,
        Actions = new ActionCatalogue([.. ActionCatalogue.Standard().Descriptors.Where(d => !ExtraActions.Any(e => e.Descriptor.Name == d.Name)).Select(d => ActionCatalogue.Standard().Get(d.Name)), .. ExtraActions]),
        Secrets = this,
        Clock = Clock,
        JournalObserver = Observer,
        PollInterval = TimeSpan.FromMilliseconds(5),
    });

    public Fault Fault() => new()
    {
        Id = "sqlite.corrupt",
        Severity = FaultSeverity.DataAtRisk,
        Confidence = FaultConfidence.Certain,
        Cluster = "app",
        Engine = "sqlite",
        Node = "n1",
        Summary = "pages are damaged",
        DetectedAt = Clock.GetUtcNow(),
        Evidence = [new Evidence { Fact = "data.size", Value = new FileInfo(Database) is { Exists: true } f ? f.Length : 0L, Node = "n1", At = Clock.GetUtcNow(), Shows = "size" }],
    };

    public RecoverRequest Request(long? allow = null) => new() { Cluster = Cluster, Fault = Fault(), AllowDataLossBytes = allow, RequestedBy = "tester" };

    public Task<IncidentReport> RecoverAsync(long? allow = null, CancellationToken token = default) => Service().RecoverAsync(Request(allow), null, null, token);

    public void Damage() => File.WriteAllText(Database, "BAD\na\nb\nc\n");

    public void AddBackup(string content, bool proved) => _backups.Insert(0, (new BackupInfo
    {
        Id = $"backup-{_backups.Count + 1}",
        Cluster = "app", Node = "n1", Engine = "sqlite", EngineVersion = "3", SystemId = "s", Kind = BackupKind.Full, Status = BackupStatus.Complete,
        StartedAt = DateTimeOffset.UnixEpoch, FinishedAt = DateTimeOffset.UnixEpoch, SizeBytes = content.Length, StoredBytes = 1, Repository = "main",
        Proof = proved ? Proof($"backup-{_backups.Count + 1}") : null,
    }, content));

    public static RunbookStep Step(string id, string action, FailurePolicy onFailure = FailurePolicy.Stop, int attempts = 1, params (string, RunbookValue)[] with) => new()
    {
        At = At, Id = id, Action = action, OnFailure = onFailure, Retry = new RetryPolicy(attempts, TimeSpan.FromMilliseconds(1), true),
        With = with.ToDictionary(w => w.Item1, w => w.Item2),
    };

    public static RunbookValue Text(string text) => new LiteralValue(At, text);

    public static Runbook CorruptRunbook() => new()
    {
        Name = "corrupt", Version = "1.0.0", Description = "d", Path = "/nowhere/corrupt.yml", ContentHash = "abc",
        Match = new RunbookMatch { Engines = ["sqlite"], Faults = ["sqlite.corrupt"] },
        Guards = [new FactCondition(At, "backup.provedCount", Comparison.AtLeast, Text("1"))],
        Steps =
        [
            Step("evidence", "snapshot-evidence"),
            Step("restore", "restore"),
            Step("swap", "swap-file", with: ("newFile", new LookupValue(At, "steps.restore.path"))),
        ],
        Verify = [new RunbookCheck { At = At, Check = VerifyChecks.FaultGone, Within = TimeSpan.FromSeconds(5) }, new RunbookCheck { At = At, Check = VerifyChecks.Writable, Holds = TimeSpan.FromMilliseconds(20) }],
        Escalate = [Step("tell", "notify", with: ("message", Text("look at ${cluster.name}")))],
    };

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    // provider
    public string Engine => "sqlite";
    public string DisplayName => "SQLite";
    public bool Embedded => true;
    public IReadOnlyList<FactDefinition> Facts => [];
    public bool TryGet<T>([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? capability) where T : class => (capability = this as T) is not null;
    public IReadOnlyList<string> DatabaseFiles(NodeDefinition node) => [Database, Database + "-wal"];
    public IReadOnlyList<PlannedAct> PlanSwap(NodeDefinition node, string newFile, string keepFolder) => File.Exists(newFile)
        ? [new(ActKind.Replace, Database, $"{newFile} -> {Database}, old to {keepFolder}")]
        : throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, "the new file is not there");

    public async Task<string?> SwapAsync(NodeDefinition node, string newFile, string keepFolder, TimeSpan lockTimeout, Func<CancellationToken, Task>? lockedOut, CancellationToken cancellationToken)
    {
        Act("swap");
        if (DuringSwap is not null)
            await DuringSwap(cancellationToken);
        Directory.CreateDirectory(keepFolder);
        var kept = Path.Combine(keepFolder, Path.GetFileName(Database));
        var had = File.Exists(Database);
        if (had)
            File.Move(Database, kept);
        File.Move(newFile, Database);
        if (AfterSwap is not null)
            await AfterSwap(cancellationToken);
        return had ? kept : null;
    }

    public Task<IReadOnlyList<ProofCheck>> CheckRestoredAsync(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ProofCheck>>([new("content", File.ReadAllText(path) == ((Content)backup).Text, "compared with the backup")]);

    public Task<IReadOnlyList<TableCount>> CountRowsAsync(string path, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<TableCount>>([new("t", File.ReadAllLines(path).Count(l => l != "BAD"), Complete: true)]);

    public PlannedAct PlanReindex(NodeDefinition node) => new(ActKind.Modify, node.Address, "reindex");
    public PlannedAct PlanCheckpoint(NodeDefinition node) => new(ActKind.Modify, node.Address, "checkpoint");

    public Task ReindexAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Act("reindex");
        return Task.CompletedTask;
    }

    public Task<string> CheckpointAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Act("checkpoint");
        return Task.FromResult("done");
    }

    public Task<SqlResult> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken) =>
        Fail("sql") is { } e ? throw e : Task.FromResult(new SqlResult(1L, 0));

    public Task<BackupSourceInfo> ReadAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSink sink, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IRestoreSession> BeginAsync(IBackupContent backup, string destination, bool replace, CancellationToken cancellationToken) => throw new NotSupportedException();

    // backups
    public Task<BackupInfo> CreateAsync(BackupRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Act("backup");
        AddBackup(File.ReadAllText(Database), proved: false);
        return Task.FromResult(_backups[0].Info);
    }

    public Task<IReadOnlyList<BackupInfo>> ListAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        var found = _backups.Select(b => b.Info).Where(b => (!filter.ProvedOnly || b.Proof is { Passed: true }) && (filter.Id is null || b.Id == filter.Id));
        return Task.FromResult<IReadOnlyList<BackupInfo>>([.. filter.Latest ? found.Take(1) : found]);
    }

    public Task<IBackupContent> OpenAsync(BackupInfo backup, CancellationToken cancellationToken) =>
        Task.FromResult<IBackupContent>(new Content(backup, _backups.Single(b => b.Info.Id == backup.Id).Content));

    public Task<BackupTestResult> TestAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Act("test");
        var at = _backups.FindIndex(b => b.Info.Id == backup.Id);
        _backups[at] = (backup with { Proof = Proof(backup.Id) }, _backups[at].Content);
        return Task.FromResult(new BackupTestResult { Backup = _backups[at].Info, Proof = _backups[at].Info.Proof! });
    }

    public Task<RestoreResult> RestoreAsync(RestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Act("restore");
        var content = _backups.Single(b => b.Info.Id == request.Backup.Id).Content;
        File.WriteAllText(request.Destination, content);
        return Task.FromResult(new RestoreResult { BackupId = request.Backup.Id, Cluster = "app", Path = request.Destination, SizeBytes = 1, Duration = TimeSpan.Zero, DataAsOf = DateTimeOffset.UnixEpoch });
    }

    // health
    public Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var bad = !File.Exists(Database) || File.ReadAllText(Database).StartsWith("BAD", StringComparison.Ordinal);
        var facts = new FactSet();
        facts.Set(CommonFacts.BackupProvedCount, (long)_backups.Count(b => b.Info.Proof is { Passed: true }));
        facts.Set(CommonFacts.BackupId, _backups.Count > 0 ? _backups[0].Info.Id : "");
        if (ProvedUnwritten)
            facts.Set(SqliteFacts.UnwrittenSinceBackup, true);
        return Task.FromResult(Seen(new HealthReport
        {
            Cluster = "app", Engine = "sqlite", ObservedAt = Clock.GetUtcNow(), Duration = TimeSpan.Zero, Level = level,
            Status = bad ? HealthStatus.Failed : HealthStatus.Healthy, Nodes = [], Checks = [], Faults = bad ? [Fault()] : [], Definition = cluster,
            Observations = [new NodeObservation { Node = "n1", ObservedAt = Clock.GetUtcNow(), Duration = TimeSpan.Zero, Level = level, Reachability = Reachability.Reachable, Facts = facts }],
        }));
    }

    public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) => new(new SecretValue("canary-" + reference.Name));

    // runbooks
    public IReadOnlyList<Runbook> All => [Runbook];
    public IReadOnlyList<LintResult> Invalid => [];
    public Runbook Get(string name) => Runbook;
    public IReadOnlyList<Runbook> Match(Fault fault) => [Runbook];

    private void Act(string what)
    {
        if (Fail(what) is { } e)
            throw e;
        Effects.Add(what);
    }

    private static BackupProof Proof(string id) => new() { BackupId = id, TestedAt = DateTimeOffset.UnixEpoch, Passed = true, RestoreDuration = TimeSpan.Zero, CheckDuration = TimeSpan.Zero, Checks = [] };

    private sealed record Content(BackupInfo Info, string Text) : IBackupContent
    {
        public BackupSourceInfo Source => new()
        {
            EngineVersion = "3", SystemId = "s", DataAsOf = DateTimeOffset.UnixEpoch,
            Objects = [new DataObject { Name = "t", Type = "table", Rows = Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length }],
        };
        public IReadOnlyList<BackupEntry> Entries => [];
        public Task<PageHashList?> ReadPageHashesAsync(string path, CancellationToken cancellationToken) => Task.FromResult<PageHashList?>(null);

        public Task<IBackupFileReader> OpenFileAsync(string path, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("an incident restores whole backups");
    }
}

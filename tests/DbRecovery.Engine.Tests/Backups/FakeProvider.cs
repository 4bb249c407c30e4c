using System.Diagnostics.CodeAnalysis;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>A database that is a folder of files in memory: what a backup reads, restores and checks, without a database.</summary>
internal sealed class FakeProvider : IDatabaseProvider, IBackupSource, IRestoreTarget, IDataInspector
{
    public SortedDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);
    public int PageSize { get; set; } = 4096;
    public string SystemId { get; set; } = "fake-1";
    public List<string> Problems { get; } = [];
    /// <summary>Called before each piece of a file is given, with the bytes given so far.</summary>
    public Func<long, CancellationToken, Task>? OnPiece { get; set; }
    /// <summary>Paths without content.</summary>
    public List<BackupEntry> Extra { get; } = [];
    public Func<BackupEntry, BackupEntry> Describe { get; set; } = e => e;
    public bool ForgetToComplete { get; set; }
    public bool InspectionFails { get; set; }
    /// <summary>Called while a restored copy is inspected.</summary>
    public Func<Task>? OnInspect { get; set; }
    public List<string> Inspected { get; } = [];

    public string Engine => "fake";
    public string DisplayName => "Fake";
    public bool Embedded => true;
    public IReadOnlyList<FactDefinition> Facts => [];

    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class => (capability = this as T) is not null;

    public async Task<BackupSourceInfo> ReadAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSink sink, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        long given = 0;
        foreach (var entry in Extra)
        {
            await using var writer = await sink.BeginAsync(entry, cancellationToken);
            await writer.CompleteAsync(cancellationToken);
        }
        foreach (var (path, content) in Files)
        {
            var writer = await sink.BeginAsync(Describe(new BackupEntry { Path = path, ExpectedSize = content.Length, PageSize = PageSize }), cancellationToken);
            await using (writer)
            {
                for (var at = 0; at < content.Length; at += 300_000)
                {
                    if (OnPiece is not null)
                        await OnPiece(given, cancellationToken);
                    var piece = content.AsMemory(at, Math.Min(300_000, content.Length - at));
                    await writer.WriteAsync(piece, cancellationToken);
                    given += piece.Length;
                }
                if (!ForgetToComplete)
                    await writer.CompleteAsync(cancellationToken);
            }
        }
        return new BackupSourceInfo
        {
            EngineVersion = "1.0",
            SystemId = SystemId,
            DataAsOf = DateTimeOffset.UnixEpoch,
            Position = new LogPosition("fake", "7"),
            State = new Dictionary<string, string> { ["counter"] = "7" },
            Problems = Problems,
        };
    }

    public Task<IRestoreSession> BeginAsync(IBackupContent backup, string destination, bool replace, CancellationToken cancellationToken)
    {
        if (Path.Exists(destination) && !replace)
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"'{destination}' exists");
        return Task.FromResult<IRestoreSession>(new Session(destination));
    }

    public async Task<IReadOnlyList<ProofCheck>> CheckRestoredAsync(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Inspected.Add(path);
        await (OnInspect?.Invoke() ?? Task.CompletedTask);
        return [new ProofCheck("inspect", !InspectionFails, "by the fake")];
    }

    public Task<IReadOnlyList<TableCount>> CountRowsAsync(string path, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<TableCount>>([]);

    private sealed class Session(string destination) : IRestoreSession
    {
        private readonly string _staging = destination + ".staging";

        public string StagingPath(BackupEntry entry) => Path.Combine(_staging, entry.Path);

        public Task<string?> CommitAsync(CancellationToken cancellationToken)
        {
            string? previous = null;
            if (Directory.Exists(destination))
                Directory.Move(destination, previous = destination + ".old");
            Directory.Move(_staging, destination);
            return Task.FromResult(previous);
        }

        public ValueTask DisposeAsync()
        {
            if (Directory.Exists(_staging))
                Directory.Delete(_staging, recursive: true);
            return ValueTask.CompletedTask;
        }
    }
}

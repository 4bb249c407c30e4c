namespace DbRecovery.Sqlite.Tests;

/// <summary>A backup as a restore sees it.</summary>
internal sealed class BackupOf(long size, BackupEntry entry, byte[]? content = null) : IBackupContent
{
    public BackupEntry Entry { get; } = entry;

    public BackupInfo Info { get; } = new()
    {
        Id = "20261121T100000Z-1",
        Cluster = "app",
        Node = "app-db",
        Engine = "sqlite",
        EngineVersion = "3",
        SystemId = "1",
        Kind = BackupKind.Full,
        Status = BackupStatus.Complete,
        StartedAt = DateTimeOffset.UnixEpoch,
        FinishedAt = DateTimeOffset.UnixEpoch,
        SizeBytes = size,
        StoredBytes = size,
        Repository = "main",
    };

    public BackupSourceInfo Source { get; init; } = new() { EngineVersion = "3", SystemId = "1", DataAsOf = DateTimeOffset.UnixEpoch };

    public IReadOnlyList<BackupEntry> Entries => [Entry];

    public Task<PageHashList?> ReadPageHashesAsync(string path, CancellationToken cancellationToken) => Task.FromResult<PageHashList?>(null);

    public Task<IBackupFileReader> OpenFileAsync(string path, CancellationToken cancellationToken) => Task.FromResult<IBackupFileReader>(new InMemory(content ?? []));
}

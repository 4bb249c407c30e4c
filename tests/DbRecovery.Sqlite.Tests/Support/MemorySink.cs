namespace DbRecovery.Sqlite.Tests;

/// <summary>Keeps what a backup source gives.</summary>
internal sealed class MemorySink : IBackupSink
{
    public Dictionary<string, (BackupEntry Entry, MemoryStream Content)> Files { get; } = [];

    public int Completed { get; private set; }

    /// <summary>Called before each write.</summary>
    public Action? OnWrite { get; init; }

    public ValueTask<IBackupFileWriter> BeginAsync(BackupEntry entry, CancellationToken cancellationToken)
    {
        var content = new MemoryStream();
        Files.Add(entry.Path, (entry, content));
        return ValueTask.FromResult<IBackupFileWriter>(new Writer(this, entry, content));
    }

    private sealed class Writer(MemorySink sink, BackupEntry entry, MemoryStream content) : IBackupFileWriter
    {
        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            sink.OnWrite?.Invoke();
            await Task.Yield();
            content.Write(data.Span);
        }

        public ValueTask<PageHashList> CompleteAsync(CancellationToken cancellationToken)
        {
            if (entry.Part == BackupEntryPart.Data)
                sink.Completed++;
            return ValueTask.FromResult(Hash(content.ToArray(), entry.PageSize));
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    public static PageHashList Hash(byte[] bytes, int pageSize)
    {
        if (pageSize == 0)
            return new PageHashList(0, ReadOnlyMemory<byte>.Empty);
        var hashes = new byte[bytes.Length / pageSize * PageHashList.HashSize];
        for (var page = 0; page < bytes.Length / pageSize; page++)
            PageHashList.Hash(bytes.AsSpan(page * pageSize, pageSize), hashes.AsSpan(page * PageHashList.HashSize));
        return new PageHashList(pageSize, hashes);
    }
}

namespace DbRecovery.Sqlite.Tests;

/// <summary>Takes a backup that may take over what an earlier one has, and counts what is given and what is taken over.</summary>
internal sealed class ParentSink(TakenBackup? parent) : IBackupSink
{
    private readonly Dictionary<string, (BackupEntry Entry, MemoryStream Content)> _files = [];

    public IBackupContent? Parent => parent;
    public long Given { get; private set; }
    public long Reused { get; private set; }

    public ValueTask<IBackupFileWriter> BeginAsync(BackupEntry entry, CancellationToken cancellationToken)
    {
        var content = new MemoryStream();
        _files.Add(entry.Path, (entry, content));
        return ValueTask.FromResult<IBackupFileWriter>(new Writer(this, entry, content));
    }

    public TakenBackup Taken(BackupSourceInfo source) => new(source, _files.ToDictionary(f => f.Key, f => (f.Value.Entry with { ExpectedSize = f.Value.Content.Length }, f.Value.Content.ToArray())));

    private sealed class Writer(ParentSink sink, BackupEntry entry, MemoryStream content) : IBackupFileWriter
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            content.Write(data.Span);
            if (entry.Part == BackupEntryPart.Data)
                sink.Given += data.Length;
            return ValueTask.CompletedTask;
        }

        public ValueTask ReuseAsync(long length, CancellationToken cancellationToken)
        {
            content.Write(((TakenBackup)sink.Parent!).Files[entry.Path].Content.AsSpan((int)content.Length, (int)length));
            if (entry.Part == BackupEntryPart.Data)
                sink.Reused += length;
            return ValueTask.CompletedTask;
        }

        public ValueTask<PageHashList> CompleteAsync(CancellationToken cancellationToken) => ValueTask.FromResult(MemorySink.Hash(content.ToArray(), entry.PageSize));

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>A backup in memory.</summary>
internal sealed class TakenBackup(BackupSourceInfo source, Dictionary<string, (BackupEntry Entry, byte[] Content)> files) : IBackupContent
{
    public IReadOnlyDictionary<string, (BackupEntry Entry, byte[] Content)> Files => files;
    public byte[] Database => files["database"].Content;
    public BackupInfo Info => throw new NotSupportedException();
    public BackupSourceInfo Source => source;
    public IReadOnlyList<BackupEntry> Entries => [.. files.Values.Select(f => f.Entry)];
    public Task<PageHashList?> ReadPageHashesAsync(string path, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<IBackupFileReader> OpenFileAsync(string path, CancellationToken cancellationToken) => throw new NotSupportedException();
}

namespace DbRecovery.Engine.Backups;

/// <summary>
/// A storage that is only read: what is written to it is dropped. A plan goes the same way as what it plans, over this; a check writes
/// its list and nothing else.
/// </summary>
/// <param name="storage">The storage.</param>
/// <param name="writable">The beginning of the keys that are written all the same; null for none.</param>
internal sealed class DryStorage(IRepositoryStorage storage, string? writable = null) : IRepositoryStorage
{
    public string Location => storage.Location;

    public async Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) =>
        new Writer(writable is null ? null : await storage.CreateAsync(cancellationToken).ConfigureAwait(false), writable);

    public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => storage.ReadAsync(key, offset, buffer, cancellationToken);

    public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => storage.StatAsync(key, cancellationToken);

    public IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken) => storage.ListAsync(prefix, cancellationToken);

    public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => storage.HasForeignContentAsync(ownNames, cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => Task.CompletedTask;

    private sealed class Writer(IStorageWriter? real, string? writable) : IStorageWriter
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => real?.WriteAsync(data, cancellationToken) ?? ValueTask.CompletedTask;

        public Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken) =>
            real is not null && key.StartsWith(writable!, StringComparison.Ordinal) ? real.CommitAsync(key, mode, cancellationToken) : Task.FromResult(true);

        public ValueTask DisposeAsync() => real?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}

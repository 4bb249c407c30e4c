namespace DbRecovery.Engine.Backups;

/// <summary>
/// repo.copy.json: the bytes of repo.json once more, written when a repository is opened for writing. The header is the one object without
/// which nothing else can be read.
/// </summary>
internal static class HeaderCopy
{
    public const string Key = "repo.copy.json";
    private const long MaxSize = 1 << 20;

    /// <summary>Writes the copy where it is missing or says something else than the header, which was just read and found good.</summary>
    public static async Task EnsureAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        if (await storage.GetAsync(BackupRepository.HeaderKey, MaxSize, cancellationToken).ConfigureAwait(false) is not { } header)
            return;
        if ((await TryGetAsync(storage, Key, cancellationToken).ConfigureAwait(false))?.AsSpan().SequenceEqual(header) != true)
            await storage.PutAsync(Key, header, PutMode.Replace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a small object; null also where it is far too long, or the disk cannot read it.</summary>
    public static async Task<byte[]?> TryGetAsync(IRepositoryStorage storage, string key, CancellationToken cancellationToken)
    {
        try
        {
            return await storage.GetAsync(key, MaxSize, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt)
        {
            return null;
        }
    }
}

/// <summary>A storage whose repo.json is another object: the copy, or a header that was worked out. Everything else is the storage's own.</summary>
internal sealed class HeaderStorage(IRepositoryStorage storage, byte[] header) : IRepositoryStorage
{
    public string Location => storage.Location;

    /// <summary>The storage itself.</summary>
    public IRepositoryStorage Inner => storage;

    public Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) => storage.CreateAsync(cancellationToken);

    public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (key != BackupRepository.HeaderKey)
            return storage.ReadAsync(key, offset, buffer, cancellationToken);
        var part = header.AsMemory((int)Math.Min(offset, header.Length));
        part = part[..Math.Min(part.Length, buffer.Length)];
        part.CopyTo(buffer);
        return ValueTask.FromResult<int?>(part.Length);
    }

    public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => key == BackupRepository.HeaderKey
        ? Task.FromResult<StorageObject?>(new StorageObject(key, header.Length, default))
        : storage.StatAsync(key, cancellationToken);

    public IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken) => storage.ListAsync(prefix, cancellationToken);

    public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => storage.HasForeignContentAsync(ownNames, cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken) => storage.DeleteAsync(key, cancellationToken);

    public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => storage.MoveAsync(from, to, cancellationToken);
}

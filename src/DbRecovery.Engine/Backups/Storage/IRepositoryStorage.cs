namespace DbRecovery.Engine.Backups;

/// <summary>An object in a repository. Its time is the storage's own clock, which is the only one that deleting may trust.</summary>
/// <param name="Key">The key, with slashes.</param>
/// <param name="Size">The size in bytes.</param>
/// <param name="ModifiedAt">When the storage took it (UTC, the storage's clock).</param>
internal sealed record StorageObject(string Key, long Size, DateTimeOffset ModifiedAt);

/// <summary>What happens when the key of a new object is taken.</summary>
internal enum PutMode
{
    /// <summary>The one that is there stays; the new one is dropped.</summary>
    IfAbsent,
    /// <summary>The new one takes its place in one step.</summary>
    Replace,
}

/// <summary>
/// Where a repository is kept. Shaped so that object stores fit: whole objects that appear in one step or not at all, range reads,
/// listing by prefix; no appending, no locks, no renaming of folders. Every method throws <see cref="DbRecoveryException"/>.
/// </summary>
internal interface IRepositoryStorage
{
    /// <summary>How people name the place.</summary>
    string Location { get; }

    /// <summary>Begins an object whose key is known only when its bytes are.</summary>
    Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken);

    /// <summary>Reads from a place in an object until <paramref name="buffer"/> is full or the object ends; null where there is no such object.</summary>
    ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>An object's size and time; null where there is none.</summary>
    Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken);

    /// <summary>The objects whose keys begin with a prefix that ends with a slash, in no order; all of them for an empty one.</summary>
    IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Whether anything at all is at the place; false where the place itself is missing.</summary>
    Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken);

    /// <summary>Deletes an object; one that is not there is no error.</summary>
    Task DeleteAsync(string key, CancellationToken cancellationToken);

    /// <summary>Gives an object another key.</summary>
    Task MoveAsync(string from, string to, CancellationToken cancellationToken);
}

/// <summary>An object on its way into the storage. Disposing it without a commit leaves nothing.</summary>
internal interface IStorageWriter : IAsyncDisposable
{
    /// <summary>Appends.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Makes the object durable and visible under its key. False: the key was taken and <see cref="PutMode.IfAbsent"/> asked to leave it.</summary>
    Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken);
}

/// <summary>Whole objects in one call.</summary>
internal static class RepositoryStorageExtensions
{
    /// <summary>Writes a whole object.</summary>
    public static async Task<bool> PutAsync(this IRepositoryStorage storage, string key, ReadOnlyMemory<byte> data, PutMode mode, CancellationToken cancellationToken)
    {
        var writer = await storage.CreateAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(data, cancellationToken).ConfigureAwait(false);
            return await writer.CommitAsync(key, mode, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads a whole object; null where there is none. One that is replaced meanwhile is read as it was or as it is, never a part of it.</summary>
    public static async Task<byte[]?> GetAsync(this IRepositoryStorage storage, string key, long limit, CancellationToken cancellationToken)
    {
        const int most = 16;
        for (var attempt = 0; attempt < most; attempt++)
        {
            var stat = await storage.StatAsync(key, cancellationToken).ConfigureAwait(false);
            if (stat is null)
                return null;
            if (stat.Size > limit)
                throw RepositoryErrors.Corrupt(storage, key, $"it is {stat.Size} bytes long, more than the {limit} that it may have");
            // room for a byte more than there should be: where it is used, too, another object has taken the place since
            var data = new byte[stat.Size + 1];
            if (await storage.ReadAsync(key, 0, data, cancellationToken).ConfigureAwait(false) is not { } read)
                return null;
            if (read == stat.Size)
                return data[..read];
        }
        throw RepositoryErrors.Corrupt(storage, key, "it has never as many bytes as its size says");
    }
}

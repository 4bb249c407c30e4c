using System.Collections.Concurrent;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Packs of a repository that a writer may rely on: those whose every byte was read and has the hash that is their name. Each is read
/// once, by the first who asks.
/// </summary>
internal sealed class PackTrust(IRepositoryStorage storage)
{
    private readonly ConcurrentDictionary<string, Lazy<Task<bool>>> _known = new(StringComparer.Ordinal);

    /// <summary>A pack that holds a blob and can be relied on; null where there is none.</summary>
    /// <param name="index">Where blobs are.</param>
    /// <param name="blob">The blob.</param>
    /// <param name="portable">Whether standard tools must be able to read it there.</param>
    /// <param name="cancellationToken">Cancels; the same for all who ask.</param>
    /// <param name="unread">Packs that are relied on without being read; null for none.</param>
    public async Task<string?> FindAsync(BlobIndex index, BlobId blob, bool portable, CancellationToken cancellationToken, IReadOnlySet<string>? unread = null)
    {
        foreach (var location in index.Find(blob).Where(l => !portable || l.Entry.IsPortable))
        {
            if (unread?.Contains(location.Pack) == true)
                return location.Pack;
            var known = _known.GetOrAdd(location.Pack, name => new Lazy<Task<bool>>(async () =>
                await PackReader.VerifyNameAsync(storage, name, cancellationToken).ConfigureAwait(false) == true));
            if (await known.Value.ConfigureAwait(false))
                return location.Pack;
        }
        return null;
    }
}

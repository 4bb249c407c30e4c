namespace DbRecovery.Engine.Backups;

/// <summary>What writers that were killed left outside of packs, and indexes that name packs which are gone.</summary>
internal sealed class Leftovers(BackupRepository repository, PruneRun run, TimeSpan grace)
{
    private const int ManyIndexes = 16;
    private const long MaxIndexSize = 1L << 30;
    // who only reads writes an index, a proof or a list without a session
    private static readonly TimeSpan LeastAge = TimeSpan.FromHours(1);
    private readonly IRepositoryStorage _storage = repository.Storage;

    /// <summary>Deletes temporary objects, and proofs of backups that are not there, where nobody writes and they are old enough to be nobody's.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        var now = await StorageClock.NowAsync(_storage, cancellationToken).ConfigureAwait(false);
        var candidates = await FindAsync(cancellationToken).ConfigureAwait(false);
        // looked at after the candidates: a writer that begins later has none of them
        if ((await run.WritersAsync(cancellationToken).ConfigureAwait(false)).Count > 0)
            return;
        var age = grace > LeastAge ? grace : LeastAge;
        foreach (var left in candidates.Where(c => c.ModifiedAt + age < now))
            await run.DeleteAsync(left, counts: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes one index in the place of many, or of those that name packs which are gone.</summary>
    public async Task MergeIndexesAsync(CancellationToken cancellationToken)
    {
        var present = await RepositoryMark.PresentAsync(_storage, cancellationToken).ConfigureAwait(false);
        var thrown = await Trash.PacksAsync(_storage, cancellationToken).ConfigureAwait(false);
        var (packs, old, stale) = (new Dictionary<string, PackContents>(StringComparer.Ordinal), new List<StorageObject>(), false);
        await foreach (var found in _storage.ListAsync("index/", cancellationToken).ConfigureAwait(false))
        {
            if (found.Size > MaxIndexSize || await _storage.GetAsync(found.Key, MaxIndexSize, cancellationToken).ConfigureAwait(false) is not { } bytes
                || BlobIndex.Open(repository, found.Key, bytes, out _) is not { } named)
                continue;
            old.Add(found);
            foreach (var pack in named)
            {
                // one in the trash is still read, and may come back
                if (present.ContainsKey(pack.Name) || thrown.ContainsKey(pack.Name))
                    packs[pack.Name] = pack;
                else
                    stale = true;
            }
        }
        if (stale || old.Count > ManyIndexes)
            await ReplaceAsync([.. packs.Values.OrderBy(p => p.Name, StringComparer.Ordinal)], old, cancellationToken).ConfigureAwait(false);
    }

    private async Task ReplaceAsync(IReadOnlyList<PackContents> packs, List<StorageObject> old, CancellationToken cancellationToken)
    {
        var merged = repository.Documents.Seal(IndexFormat.SealName, IndexFormat.Write(packs));
        var key = IndexFormat.Key(merged);
        try
        {
            if (packs.Count > 0)
                await _storage.PutAsync(key, merged, PutMode.Replace, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.OutOfSpace)
        {
            // an index only saves time, and the old ones are still right for what is there
            return;
        }
        // only now that the new one is durable
        foreach (var superseded in old.Where(o => packs.Count == 0 || o.Key != key))
            await run.DeleteAsync(superseded, counts: true, cancellationToken).ConfigureAwait(false);
    }

    private async Task<List<StorageObject>> FindAsync(CancellationToken cancellationToken)
    {
        var found = new List<StorageObject>();
        await foreach (var left in _storage.ListAsync("tmp/", cancellationToken).ConfigureAwait(false))
            found.Add(left);
        var folders = new Dictionary<string, List<StorageObject>>(StringComparer.Ordinal);
        await foreach (var item in _storage.ListAsync("backups/", cancellationToken).ConfigureAwait(false))
        {
            // what lies elsewhere was put there by somebody
            if (item.Key.Split('/').Length != 5)
                continue;
            var folder = item.Key[..item.Key.LastIndexOf('/')];
            if (!folders.TryGetValue(folder, out var items))
                folders[folder] = items = [];
            items.Add(item);
        }
        var there = folders.Where(f => f.Value.Any(i => BackupPaths.IsManifest(i.Key))).Select(f => f.Key).ToHashSet(StringComparer.Ordinal);
        found.AddRange(folders.Where(f => !there.Contains(f.Key)).SelectMany(f => f.Value));
        var ids = there.Select(f => f[(f.LastIndexOf('/') + 1)..]).ToHashSet(StringComparer.Ordinal);
        await foreach (var proof in _storage.ListAsync("tests/", cancellationToken).ConfigureAwait(false))
        {
            var parts = proof.Key.Split('/');
            if (parts.Length == 3 && !ids.Contains(parts[1]))
                found.Add(proof);
        }
        return found;
    }
}

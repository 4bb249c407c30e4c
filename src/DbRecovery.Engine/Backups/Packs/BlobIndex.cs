namespace DbRecovery.Engine.Backups;

/// <summary>
/// Where the blobs are. Loaded from index/, and from pack trailers for whatever no good index covers, so that a missing or damaged
/// index costs time and nothing else.
/// </summary>
internal sealed class BlobIndex
{
    private const long MaxIndexSize = 1L << 30;
    private readonly Dictionary<BlobId, int> _first = [];
    private readonly List<(BlobLocation Location, int Next)> _all = [];
    private readonly Dictionary<string, long> _packs = [];

    /// <summary>What was found damaged while loading: indexes and packs.</summary>
    public List<DbRecoveryException> Damaged { get; } = [];

    /// <summary>The packs that no good index covers: their trailers were read.</summary>
    public IReadOnlyList<PackContents> Unindexed { get; private set; } = [];

    /// <summary>Every pack in the repository: for a backup, which looks for blobs that it need not store again.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="repair">Whether what is missing or damaged in index/ is written anew; not by those who only look.</param>
    public static async Task<BlobIndex> LoadAsync(BackupRepository repository, CancellationToken cancellationToken, bool repair = true)
    {
        var index = new BlobIndex();
        var present = new HashSet<string>();
        await foreach (var found in repository.Storage.ListAsync("packs/", cancellationToken).ConfigureAwait(false))
        {
            if (PackFormat.NameOf(found.Key) is { } name)
                present.Add(name);
        }
        await index.LoadAsync(repository, present, cancellationToken, repair).ConfigureAwait(false);
        return index;
    }

    /// <summary>Only some packs: for a restore, which knows what it needs.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="packs">The packs.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="repair">Whether what is missing or damaged in index/ is written anew; not by those who only look.</param>
    public static async Task<BlobIndex> LoadAsync(BackupRepository repository, IEnumerable<string> packs, CancellationToken cancellationToken, bool repair = true)
    {
        var index = new BlobIndex();
        await index.LoadAsync(repository, packs.ToHashSet(), cancellationToken, repair).ConfigureAwait(false);
        return index;
    }

    /// <summary>The places of a blob, those in <paramref name="preferredPack"/> first. All hold the same bytes unless one is damaged.</summary>
    public IEnumerable<BlobLocation> Find(BlobId id, string? preferredPack = null)
    {
        if (!_first.TryGetValue(id, out var at))
            return [];
        var found = new List<BlobLocation>(1);
        for (; at >= 0; at = _all[at].Next)
        {
            if (_all[at].Location.Pack == preferredPack)
                found.Insert(0, _all[at].Location);
            else
                found.Add(_all[at].Location);
        }
        return found;
    }

    /// <summary>The blobs of a pack; none where neither an index nor its trailer names them.</summary>
    public IEnumerable<BlobLocation> In(string pack) => _all.Select(a => a.Location).Where(l => l.Pack == pack);

    /// <summary>The size that a pack must have; null for a pack that is not there or whose trailer cannot be read.</summary>
    public long? SizeOf(string pack) => _packs.TryGetValue(pack, out var size) ? size : null;

    private async Task LoadAsync(BackupRepository repository, HashSet<string> wanted, CancellationToken cancellationToken, bool repair = true)
    {
        var damagedKeys = new List<string>();
        await foreach (var found in repository.Storage.ListAsync("index/", cancellationToken).ConfigureAwait(false))
        {
            if (await ReadAsync(repository, found, cancellationToken).ConfigureAwait(false) is not { } bytes)
                continue;
            if (Open(repository, found.Key, bytes, out var locked) is { } packs)
            {
                // an index may name packs that were removed since, and packs that nobody asked for
                foreach (var pack in packs.Where(p => wanted.Contains(p.Name)))
                    Add(pack);
                continue;
            }
            if (locked)
                continue; // of packs that the key at hand does not open: whoever can needs it
            damagedKeys.Add(found.Key);
            Damaged.Add(RepositoryErrors.Corrupt(repository.Storage, found.Key, "its bytes are not those that its name promises; it is built again from the packs"));
        }
        var rebuilt = await ReadTrailersAsync(repository, wanted, cancellationToken).ConfigureAwait(false);
        Unindexed = rebuilt;
        if (repair && (rebuilt.Count > 0 || damagedKeys.Count > 0))
            await RepairAsync(repository, rebuilt, damagedKeys, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>An index's bytes; none where they cannot be had, null where it went away.</summary>
    private static async Task<byte[]?> ReadAsync(BackupRepository repository, StorageObject index, CancellationToken cancellationToken)
    {
        try
        {
            return index.Size > MaxIndexSize ? [] : await repository.Storage.GetAsync(index.Key, MaxIndexSize, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt)
        {
            return [];
        }
    }

    /// <summary>The packs that an index names; null where it is damaged, or of a key that is not at hand.</summary>
    public static IReadOnlyList<PackContents>? Open(BackupRepository repository, string key, byte[] stored, out bool locked)
    {
        locked = false;
        if (IndexFormat.Key(stored) != key)
            return null;
        try
        {
            return repository.Documents.Open(IndexFormat.SealName, stored) is { } opened ? IndexFormat.Read(opened.Span) : null;
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryLocked)
        {
            locked = true;
            return null;
        }
    }

    private async Task<List<PackContents>> ReadTrailersAsync(BackupRepository repository, HashSet<string> wanted, CancellationToken cancellationToken)
    {
        var rebuilt = new List<PackContents>();
        foreach (var name in wanted.Where(name => !_packs.ContainsKey(name)).ToList())
        {
            try
            {
                var contents = await PackReader.ReadContentsAsync(repository, name, cancellationToken).ConfigureAwait(false);
                Add(contents);
                rebuilt.Add(contents);
            }
            catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryLocked)
            {
                Damaged.Add(e);
            }
        }
        return rebuilt;
    }

    private static async Task RepairAsync(BackupRepository repository, List<PackContents> rebuilt, List<string> damagedKeys, CancellationToken cancellationToken)
    {
        try
        {
            if (rebuilt.Count > 0)
                await repository.WriteIndexAsync(rebuilt, cancellationToken).ConfigureAwait(false);
            foreach (var key in damagedKeys)
                await repository.Storage.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // the index only saves time: a repository that cannot be written can still be restored from
        }
    }

    /// <summary>Adds a pack that is in it not yet.</summary>
    public void Add(PackContents pack)
    {
        if (!_packs.TryAdd(pack.Name, pack.Size))
            return;
        for (var i = 0; i < pack.Entries.Count; i++)
        {
            var id = pack.Entries[i].Id;
            _all.Add((new BlobLocation(pack.Name, i, pack.Entries[i]), _first.TryGetValue(id, out var next) ? next : -1));
            _first[id] = _all.Count - 1;
        }
    }
}

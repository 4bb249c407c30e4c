namespace DbRecovery.Engine.Backups;

/// <summary>A file of the parent with its page hashes.</summary>
/// <param name="Entry">The file.</param>
/// <param name="Hashes">The hashes.</param>
/// <param name="KeepsLists">Whether the blobs that hold them are good, so that this backup may refer to them, too.</param>
internal sealed record ParentPages(ManifestEntry Entry, PageHashList Hashes, bool KeepsLists);

/// <summary>
/// The backup with which an increment is compared. Its packs must be there with the size that the index says; their content is read by
/// tests and scrubs, not by every increment; only where the last test of it failed, or the last check of the repository found a pack
/// damaged, are they read here, too. What lies in a pack that is missing, cut or altered is stored anew.
/// </summary>
internal sealed class ParentBackup
{
    private readonly BlobIndex _index;
    private readonly HashSet<int> _missing;

    private ParentBackup(BackupContent content, BlobIndex index, ZstdLibrary? zstd, HashSet<int> missing) => (Content, _index, Zstd, _missing) = (content, index, zstd, missing);

    public BackupContent Content { get; }
    public ZstdLibrary? Zstd { get; }
    public BackupManifest Manifest => Content.Manifest;
    public BackupRepository Repository => Content.Repository;
    public IReadOnlyList<string> Packs => Manifest.Packs;

    /// <summary>Whether its content may be taken over unread: every pack is there, and what was read for it was whole.</summary>
    public bool Reusable => _missing.Count == 0 && Manifest.Status == BackupStatus.Complete;

    /// <summary>Whether a pack is there.</summary>
    public bool IsUsable(int pack) => !_missing.Contains(pack);

    /// <summary>The packs that are there.</summary>
    public IReadOnlySet<string> UsablePacks => Packs.Where((_, i) => IsUsable(i)).ToHashSet();

    public ManifestEntry? EntryOf(string path) => Manifest.Entries.FirstOrDefault(e => e.Entry.Path == path);

    /// <summary>A file's pages; null where it has none of that size or their hashes are gone.</summary>
    public async ValueTask<ParentPages?> PagesOfAsync(string path, int pageSize, CancellationToken cancellationToken)
    {
        if (EntryOf(path) is not { PageHashes: { } section } entry || section.PageSize != pageSize || entry.HashUnit != pageSize)
            return null;
        var (hashes, elsewhere) = await PageHashStore.ReadAsync(Repository, _index, section, Zstd, cancellationToken).ConfigureAwait(false);
        return hashes is null ? null : new ParentPages(entry, hashes, !elsewhere && section.Blobs.All(b => IsUsable(b.Pack)));
    }

    /// <summary>Finds what to compare with: the newest backup of the same cluster, node and origin; for a differential the newest full.</summary>
    /// <returns>The parent; or null, and why there is none.</returns>
    public static async Task<(ParentBackup? Parent, string? WhyNot)> FindAsync(BackupRepository repository, BlobIndex index, ZstdLibrary? zstd, BackupRequest request,
        NodeDefinition node, string? systemId, CancellationToken cancellationToken)
    {
        var damaged = 0;
        var keys = await ManifestStore.ListAsync(repository.Storage, cancellationToken).ConfigureAwait(false);
        foreach (var second in BackupPaths.NewestFirst(keys.Where(k => IsOf(k, request.Cluster.Engine, systemId))))
        {
            var found = new List<(BackupManifest Manifest, long Bytes)>();
            foreach (var key in second)
            {
                if (await TryReadAsync(repository, key, cancellationToken).ConfigureAwait(false) is not { } read)
                    damaged++;
                else if (Fits(read.Manifest, request, node))
                    found.Add(read);
            }
            if (found.Count == 0)
                continue;
            var (manifest, bytes) = found.MaxBy(f => f.Manifest.StartedAt);
            if (request.Portable && !manifest.Portable)
                return (null, $"backup {manifest.Id} is not portable");
            var content = new BackupContent(repository, manifest, manifest.ToInfo(request.Repository, bytes), zstd);
            return (new ParentBackup(content, index, zstd, await MissingAsync(repository, index, manifest, cancellationToken).ConfigureAwait(false)), null);
        }
        var wanted = request.Kind == BackupKind.Differential ? "full" : "backup";
        return (null, $"there is no {wanted} of '{request.Cluster.Name}' from this database to compare with{(damaged > 0 ? $" ({Counted.Of(damaged, "manifest")} cannot be read)" : "")}");
    }

    private static bool IsOf(string key, string engine, string? systemId) => systemId is null || key == BackupPaths.Manifest(engine, systemId, BackupPaths.IdOf(key));

    private static bool Fits(BackupManifest manifest, BackupRequest request, NodeDefinition node) =>
        manifest.Cluster == request.Cluster.Name && manifest.Node == node.Name && manifest.Engine == request.Cluster.Engine
        && (request.Kind != BackupKind.Differential || manifest.Kind == BackupKind.Full);

    private static async Task<(BackupManifest Manifest, long Bytes)?> TryReadAsync(BackupRepository repository, string key, CancellationToken cancellationToken)
    {
        try
        {
            return await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid or ErrorIds.BackupNotFound)
        {
            return null; // an older one may do; lists and tests name the damage
        }
    }

    private static async Task<HashSet<int>> MissingAsync(BackupRepository repository, BlobIndex index, BackupManifest manifest, CancellationToken cancellationToken)
    {
        var missing = new HashSet<int>();
        // a failed test says that something is damaged: then the packs are read; so are those that a check of the repository found damaged
        var known = await ScrubLedger.DamagedPacksAsync(repository, cancellationToken).ConfigureAwait(false);
        var doubted = await ProofStore.LatestAsync(repository, manifest.Id, null, cancellationToken).ConfigureAwait(false) is { Passed: false };
        for (var i = 0; i < manifest.Packs.Count; i++)
        {
            var there = await repository.Storage.StatAsync(PackFormat.Key(manifest.Packs[i]), cancellationToken).ConfigureAwait(false);
            if (there is null || index.SizeOf(manifest.Packs[i]) != there.Size
                || ((doubted || known.Contains(manifest.Packs[i])) && await PackReader.VerifyNameAsync(repository.Storage, manifest.Packs[i], cancellationToken).ConfigureAwait(false) != true))
                missing.Add(i);
        }
        return missing;
    }
}

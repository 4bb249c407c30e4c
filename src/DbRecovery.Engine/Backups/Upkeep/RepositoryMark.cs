namespace DbRecovery.Engine.Backups;

/// <summary>What every manifest of a repository refers to, read just now. A manifest that cannot be read ends it: what it refers to is unknown.</summary>
internal sealed class RepositoryMark
{
    private const int MostLooks = 5;
    private readonly HashSet<string> _data;

    private RepositoryMark(IReadOnlyList<(string Key, BackupManifest Manifest)> manifests)
    {
        Manifests = manifests;
        Packs = manifests.SelectMany(m => m.Manifest.Packs).ToHashSet(StringComparer.Ordinal);
        _data = manifests.SelectMany(m => m.Manifest.References(data: true)).Select(r => r.Pack).ToHashSet(StringComparer.Ordinal);
    }

    public IReadOnlyList<(string Key, BackupManifest Manifest)> Manifests { get; }

    /// <summary>The packs that some manifest names.</summary>
    public IReadOnlySet<string> Packs { get; }

    public DateTimeOffset? NewestBackup => Manifests.Count == 0 ? null : Manifests.Max(m => m.Manifest.StartedAt);

    /// <summary>Reads every manifest but those of backups that are about to go.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/> or <see cref="ErrorIds.RepositoryInvalid"/> names the manifest.</exception>
    public static async Task<RepositoryMark> ReadAsync(BackupRepository repository, IReadOnlySet<string>? without, CancellationToken cancellationToken)
    {
        var manifests = new List<(string, BackupManifest)>();
        foreach (var key in await ManifestStore.ListAsync(repository.Storage, cancellationToken).ConfigureAwait(false))
        {
            if (without?.Contains(key) == true)
                continue;
            try
            {
                manifests.Add((key, (await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false)).Manifest));
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.BackupNotFound)
            {
                // removed since it was listed
            }
            catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid)
            {
                throw Wounded(repository.Storage, key, e.Message, e);
            }
        }
        return new RepositoryMark(manifests);
    }

    /// <summary>
    /// Makes sure that every pack and blob that a restore needs is there, taking back from the trash, on demand, what a killed process left
    /// there; gives what holds now, and how many packs were taken back. Where something is missing it looks again at what is needed: another machine that wrongly
    /// holds this one for dead may have removed or rewritten a backup since.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: a pack or a blob is missing; nothing may be deleted.</exception>
    public async Task<(RepositoryMark Mark, int TakenBack)> AssertWholeAsync(
        BackupRepository repository, IReadOnlySet<string>? without, bool takeBack, CancellationToken cancellationToken)
    {
        var mark = this;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return (mark, await mark.AssertWholeAsync(repository, takeBack, cancellationToken).ConfigureAwait(false));
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt && attempt < MostLooks)
            {
                var now = await ReadAsync(repository, without, cancellationToken).ConfigureAwait(false);
                if (now.IsSameAs(mark))
                    throw;
                mark = now;
            }
        }
    }

    private async Task<int> AssertWholeAsync(BackupRepository repository, bool takeBack, CancellationToken cancellationToken)
    {
        var storage = repository.Storage;
        var present = await PresentAsync(storage, cancellationToken).ConfigureAwait(false);
        var taken = 0;
        Dictionary<string, string>? trash = null;
        foreach (var pack in Packs.Where(p => !present.ContainsKey(p)))
        {
            trash ??= await Trash.PacksAsync(storage, cancellationToken).ConfigureAwait(false);
            var there = trash.TryGetValue(pack, out var thrown);
            if (there && !takeBack)
                continue;
            if (there && await Trash.TryTakeBackAsync(storage, thrown!, PackFormat.Key(pack), cancellationToken).ConfigureAwait(false))
                taken++;
            else if (_data.Contains(pack))
                throw Wounded(storage, PackFormat.Key(pack), $"the pack is missing, and backup {NeededBy(pack)} needs it");
        }
        await AssertBlobsAsync(repository, cancellationToken).ConfigureAwait(false);
        return taken;
    }

    /// <summary>The packs in their places.</summary>
    public static async Task<Dictionary<string, StorageObject>> PresentAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var present = new Dictionary<string, StorageObject>(StringComparer.Ordinal);
        await foreach (var found in storage.ListAsync("packs/", cancellationToken).ConfigureAwait(false))
        {
            if (PackFormat.NameOf(found.Key) is { } name)
                present[name] = found;
        }
        return present;
    }

    private async Task AssertBlobsAsync(BackupRepository repository, CancellationToken cancellationToken)
    {
        // hashes of pages may be lost: a restore needs none, and a test builds them again
        var index = await BlobIndex.LoadAsync(repository, _data, cancellationToken).ConfigureAwait(false);
        if (index.Damaged.FirstOrDefault(d => d.Target?.StartsWith("packs/", StringComparison.Ordinal) == true) is { } damaged)
            throw Wounded(repository.Storage, damaged.Target!, damaged.Message, damaged);
        var seen = new HashSet<(string, BlobId)>();
        foreach (var (_, manifest) in Manifests)
        {
            var own = manifest.Packs.ToHashSet(StringComparer.Ordinal);
            foreach (var reference in manifest.References(data: true))
            {
                // a restore looks for a blob in any pack that its manifest names
                if (seen.Add(reference) && !index.Find(reference.Blob, reference.Pack).Any(l => own.Contains(l.Pack)))
                    throw Wounded(repository.Storage, PackFormat.Key(reference.Pack), $"the blob {reference.Blob} of backup {manifest.Id} is not in it");
            }
        }
    }

    private bool IsSameAs(RepositoryMark other) =>
        Manifests.Count == other.Manifests.Count && Manifests.Zip(other.Manifests).All(p => p.First.Key == p.Second.Key && p.First.Manifest.Packs.SequenceEqual(p.Second.Manifest.Packs));

    private string NeededBy(string pack) => Manifests.First(m => m.Manifest.Packs.Contains(pack)).Manifest.Id;

    private static DbRecoveryException Wounded(IRepositoryStorage storage, string key, string what, Exception? inner = null) =>
        new(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, $"nothing is removed from the repository '{storage.Location}' while '{key}' is damaged: {what}",
            "Check the repository and repair it. Else remove the backups that cannot be restored; of one whose manifest is damaged, repair with give-up. Then prune again.", key, inner);
}

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Writes the live blobs of wasteful packs to new ones, in the order in which a restore reads them, and lets the manifests refer to those.
/// The database is not needed. The old packs are left to the two-phase removal; killed anywhere, a backup refers to packs that are there.
/// </summary>
internal sealed class Repack(BackupRepository repository, RepositoryMark mark, ZstdLibrary? zstd, int packSize, WriterSession? session)
{
    private const int ManySmall = 8;
    private readonly IRepositoryStorage _storage = repository.Storage;
    private readonly Dictionary<BlobId, PackReference> _moved = [];
    private readonly HashSet<BlobId> _lost = [];
    /// <summary>Blobs that standard tools must be able to read, for a backup was made so.</summary>
    private readonly HashSet<BlobId> _portable = [.. mark.Manifests.Where(m => m.Manifest.Portable).SelectMany(m => m.Manifest.References()).Select(r => r.Blob)];
    private readonly byte[] _data = GC.AllocateUninitializedArray<byte>(PackFormat.MaxBlobSize);
    private readonly byte[] _payload = GC.AllocateUninitializedArray<byte>(PackFormat.MaxBlobSize);
    private readonly byte[] _check = GC.AllocateUninitializedArray<byte>(PackFormat.MaxBlobSize);

    public int RewrittenBackups { get; private set; }
    public long WrittenBytes { get; private set; }

    /// <summary>The packs worth writing anew: less than half live, or many that are less than a quarter full.</summary>
    public async Task<IReadOnlySet<string>> ChooseAsync(BlobIndex index, CancellationToken cancellationToken)
    {
        var live = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (pack, blob) in mark.Manifests.SelectMany(m => m.Manifest.References()).Distinct())
        {
            if (index.Find(blob, pack).FirstOrDefault(l => l.Pack == pack) is { Pack: not null } location)
                live[pack] = live.GetValueOrDefault(pack) + location.Entry.StoredLength + PackFormat.EntrySize;
        }
        var present = await RepositoryMark.PresentAsync(_storage, cancellationToken).ConfigureAwait(false);
        var chosen = live.Where(l => present.TryGetValue(l.Key, out var pack) && l.Value * 2 < pack.Size).Select(l => l.Key).ToHashSet(StringComparer.Ordinal);
        var small = live.Keys.Where(p => present.TryGetValue(p, out var pack) && pack.Size < packSize / 4).ToList();
        if (small.Count >= ManySmall)
            chosen.UnionWith(small);
        return chosen;
    }

    /// <summary>The packs that an older data key sealed.</summary>
    public async Task<IReadOnlySet<string>> OfOldEpochsAsync(CancellationToken cancellationToken)
    {
        var old = new HashSet<string>(StringComparer.Ordinal);
        var header = new byte[PackFormat.HeaderSize];
        foreach (var pack in mark.Packs)
        {
            if (await _storage.ReadAsync(PackFormat.Key(pack), 0, header, cancellationToken).ConfigureAwait(false) == header.Length
                && PackFormat.ReadHeader(header) is { } known && known.Epoch != repository.Sealer.CurrentEpoch)
                old.Add(pack);
        }
        return old;
    }

    /// <summary>Moves the live blobs of the chosen packs.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: a blob cannot be read; no manifest was changed for it.</exception>
    public async Task ExecuteAsync(BlobIndex index, IReadOnlySet<string> chosen, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var packs = new PackWriter(repository, packSize);
        await using (packs.ConfigureAwait(false))
        {
            using var codec = new CodecContext(zstd);
            long done = 0;
            // the newest backup is the one that will be restored: its blobs come together
            foreach (var (_, manifest) in mark.Manifests.OrderByDescending(m => m.Manifest.StartedAt))
            {
                var data = manifest.References(data: true).ToHashSet();
                foreach (var (pack, blob) in manifest.References())
                {
                    if (!chosen.Contains(pack) || _moved.ContainsKey(blob))
                        continue;
                    var to = await ElsewhereAsync(index, chosen, blob, codec, cancellationToken).ConfigureAwait(false)
                        ?? await CopyAsync(index, pack, blob, packs, codec, cancellationToken).ConfigureAwait(false);
                    if (to is not null)
                        _moved[blob] = to;
                    else if (data.Contains((pack, blob)))
                        throw RepositoryErrors.Corrupt(_storage, PackFormat.Key(pack), $"the blob {blob} of backup {manifest.Id} cannot be read; nothing was changed");
                    else
                        _lost.Add(blob);
                    progress?.Report(new OperationProgress("Repacking", manifest.Id, ++done, null));
                }
            }
            await packs.FinishAsync(cancellationToken).ConfigureAwait(false);
            if (packs.Sealed.Count > 0)
                WrittenBytes = packs.Sealed.Sum(p => p.Size) + await repository.WriteIndexAsync(packs.Sealed, cancellationToken).ConfigureAwait(false);
        }
        foreach (var (key, manifest) in mark.Manifests.Where(m => m.Manifest.Packs.Any(chosen.Contains)))
            await RewriteAsync(key, manifest, Redirect(manifest, chosen), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts a manifest in the place of the old one, and reads it back.</summary>
    public async Task RewriteAsync(string key, BackupManifest old, BackupManifest rewritten, CancellationToken cancellationToken)
    {
        if (session is not null)
            await session.AssertOpenAsync(cancellationToken).ConfigureAwait(false);
        await PackReclaim.EnsureAsync(_storage, rewritten, cancellationToken).ConfigureAwait(false);
        // one that was removed meanwhile stays removed
        if (await _storage.StatAsync(key, cancellationToken).ConfigureAwait(false) is null)
            return;
        var read = await ManifestStore.ReplaceAsync(repository, rewritten, cancellationToken).ConfigureAwait(false);
        if (!read.References().SequenceEqual(rewritten.References()))
        {
            await ManifestStore.WriteAsync(repository, old, CancellationToken.None, PutMode.Replace).ConfigureAwait(false);
            throw RepositoryErrors.Corrupt(_storage, key, "what was read back is not what was written; the old manifest was written again");
        }
        await PackReclaim.EnsureAsync(_storage, rewritten, CancellationToken.None).ConfigureAwait(false);
        RewrittenBackups++;
    }

    /// <summary>A good copy in a pack that stays: what a run that was killed has moved already.</summary>
    private async Task<PackReference?> ElsewhereAsync(BlobIndex index, IReadOnlySet<string> chosen, BlobId blob, CodecContext codec, CancellationToken cancellationToken)
    {
        foreach (var location in index.Find(blob))
        {
            if (!chosen.Contains(location.Pack) && mark.Packs.Contains(location.Pack) && (location.Entry.IsPortable || !_portable.Contains(blob))
                && await PackReader.TryReadBlobAsync(repository, location, codec, _data.AsMemory(0, location.Entry.RawLength), cancellationToken).ConfigureAwait(false))
                return new PackReference(location.Pack);
        }
        return null;
    }

    private async Task<PackReference?> CopyAsync(BlobIndex index, string pack, BlobId blob, PackWriter packs, CodecContext codec, CancellationToken cancellationToken)
    {
        foreach (var location in index.Find(blob, pack))
        {
            var entry = location.Entry;
            var data = _data.AsMemory(0, entry.RawLength);
            if (!await PackReader.TryReadBlobAsync(repository, location, codec, data, cancellationToken).ConfigureAwait(false))
                continue;
            var kind = _portable.Contains(blob) ? BlobCodec.Gzip : entry.Codec;
            var length = entry.Codec == BlobCodec.Raw ? null : codec.CompressChecked(kind, data.Span, _payload, _check);
            return length is { } good
                ? await packs.AppendAsync(blob, _payload.AsMemory(0, good), data.Length, entry.PageSize, kind, cancellationToken).ConfigureAwait(false)
                : await packs.AppendAsync(blob, data, data.Length, entry.PageSize, BlobCodec.Raw, cancellationToken).ConfigureAwait(false);
        }
        return null;
    }

    private BackupManifest Redirect(BackupManifest manifest, IReadOnlySet<string> chosen) =>
        manifest.WithoutHashes(_lost).WithPacks((pack, blob) => chosen.Contains(pack) ? _moved[blob].Name! : pack);
}

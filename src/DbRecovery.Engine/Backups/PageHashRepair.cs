namespace DbRecovery.Engine.Backups;

/// <summary>Stores page hashes again that were lost, and lets the manifest refer to them, so that upkeep keeps them as all else.</summary>
internal sealed class PageHashRepair(BackupRepository repository, TimeProvider clock)
{
    private static readonly TimeSpan SessionLimit = new UpkeepOptions().SessionLimit;

    /// <summary>Stores whole lists by path.</summary>
    /// <returns>The manifest as it is now; null where the backup was removed, or the repository is just being kept up: then nothing was changed.</returns>
    public async Task<BackupManifest?> ExecuteAsync(BackupManifest manifest, IReadOnlyDictionary<string, byte[]> lists, CancellationToken cancellationToken)
    {
        try
        {
            var hold = await UpkeepLock.TakeAsync(repository.Storage, "a repair of page hashes", SessionLimit, clock, cancellationToken).ConfigureAwait(false);
            await using (hold.ConfigureAwait(false))
            {
                var session = await WriterSession.BeginAsync(repository, $"page hashes of {manifest.Id}", clock, cancellationToken).ConfigureAwait(false);
                await using (session.ConfigureAwait(false))
                    return await StoreAsync(BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id), lists, session, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.BackupNotFound or ErrorIds.RepositoryBusy)
        {
            return null;
        }
    }

    private async Task<BackupManifest> StoreAsync(string key, IReadOnlyDictionary<string, byte[]> lists, WriterSession session, CancellationToken cancellationToken)
    {
        // read again: it may have been rewritten since
        var (manifest, _) = await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
        var stored = new Dictionary<string, List<(PackReference Pack, string Blob, int Length)>>(StringComparer.Ordinal);
        var writer = new PackWriter(repository, PackFormat.TargetSize);
        await using (writer.ConfigureAwait(false))
        {
            foreach (var (path, list) in lists)
            {
                stored[path] = [];
                foreach (var piece in PageHashStore.Pieces(list))
                {
                    var id = PageHashStore.IdOf(repository.Identity, piece.Span);
                    var pack = await writer.AppendAsync(id, piece, piece.Length, BackupWriter.DefaultUnit, BlobCodec.Raw, cancellationToken).ConfigureAwait(false);
                    stored[path].Add((pack, id.ToString(), piece.Length));
                }
            }
            await writer.FinishAsync(cancellationToken).ConfigureAwait(false);
            await repository.WriteIndexAsync(writer.Sealed, cancellationToken).ConfigureAwait(false);
        }
        var rewritten = Refer(manifest, lists, stored);
        await session.AssertOpenAsync(cancellationToken).ConfigureAwait(false);
        await PackReclaim.EnsureAsync(repository.Storage, rewritten, cancellationToken).ConfigureAwait(false);
        await ManifestStore.ReplaceAsync(repository, rewritten, cancellationToken).ConfigureAwait(false);
        await PackReclaim.EnsureAsync(repository.Storage, rewritten, CancellationToken.None).ConfigureAwait(false);
        return rewritten;
    }

    private static BackupManifest Refer(BackupManifest manifest, IReadOnlyDictionary<string, byte[]> lists, Dictionary<string, List<(PackReference Pack, string Blob, int Length)>> stored)
    {
        var packs = manifest.Packs.ToList();
        var entries = manifest.Entries.Select(e => e.PageHashes is { } h && lists.TryGetValue(e.Entry.Path, out var list) && PageHashStore.IsList(h, list)
            ? e with { PageHashes = h with { Base = [.. stored[e.Entry.Path].Select(s => new HashBlob(NumberOf(s.Pack.Name!), s.Blob, s.Length))], Deltas = [] } }
            : e).ToList();
        // the packs that only the lost lists were in are named no more
        return (manifest with { Packs = packs, Entries = entries }).WithPacks((pack, _) => pack);

        int NumberOf(string pack)
        {
            var at = packs.IndexOf(pack);
            if (at >= 0)
                return at;
            packs.Add(pack);
            return packs.Count - 1;
        }
    }
}

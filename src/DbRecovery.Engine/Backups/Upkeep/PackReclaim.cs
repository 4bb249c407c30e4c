namespace DbRecovery.Engine.Backups;

/// <summary>A writer's last looks at the packs that its manifest names: one that went to the trash meanwhile is taken back.</summary>
internal static class PackReclaim
{
    /// <summary>Makes sure that every pack is in its place. One that holds hashes of pages and no data may be lost: it costs a full some day.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: one is neither there nor in the trash.</exception>
    public static async Task EnsureAsync(IRepositoryStorage storage, BackupManifest manifest, CancellationToken cancellationToken)
    {
        Dictionary<string, string>? trash = null;
        HashSet<string>? data = null;
        foreach (var pack in manifest.Packs)
        {
            var key = PackFormat.Key(pack);
            if (await storage.StatAsync(key, cancellationToken).ConfigureAwait(false) is not null)
                continue;
            trash ??= await Trash.PacksAsync(storage, cancellationToken).ConfigureAwait(false);
            if (trash.TryGetValue(pack, out var thrown) && await Trash.TryTakeBackAsync(storage, thrown, key, cancellationToken).ConfigureAwait(false))
                continue;
            data ??= manifest.References(data: true).Select(r => r.Pack).ToHashSet();
            if (data.Contains(pack))
                throw RepositoryErrors.Corrupt(storage, key, "the pack went away while the backup was taken");
        }
    }

    /// <summary>
    /// The look after a manifest was written: a removal that moved a pack after the last look, and read the manifests before this one
    /// was among them, has missed it. Where a pack is gone after all, the backup ends to exist, and that is said. A storage that fails
    /// now does not unmake the backup: the next removal takes the pack back, and readers find it in the trash.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: a pack is gone, and the manifest too.</exception>
    public static async Task ConfirmManifestAsync(IRepositoryStorage storage, BackupManifest manifest)
    {
        try
        {
            // also when the writer was cancelled: the backup exists by now
            await EnsureAsync(storage, manifest, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id != ErrorIds.RepositoryCorrupt)
        {
            // see above
        }
        catch (DbRecoveryException)
        {
            await storage.DeleteAsync(BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id), CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }
}

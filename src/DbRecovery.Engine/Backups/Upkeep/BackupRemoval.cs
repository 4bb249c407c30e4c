namespace DbRecovery.Engine.Backups;

/// <summary>Takes backups out of a repository, and back in while their trash is not swept.</summary>
internal sealed class BackupRemoval(BackupRepository repository, PruneRun run)
{
    private readonly IRepositoryStorage _storage = repository.Storage;

    /// <summary>The key of a backup's manifest.</summary>
    public static string KeyOf(BackupInfo backup) => BackupPaths.Manifest(backup.Engine, backup.SystemId, backup.Id);

    /// <summary>Moves the manifest to the trash, which ends the backup, then what lies beside it. False: it was gone already.</summary>
    public async Task<bool> RemoveAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        var key = KeyOf(backup);
        var name = NameOf(key);
        var removed = await run.ThrowAsync(key, TrashKind.Manifest, name, cancellationToken).ConfigureAwait(false);
        var proofs = new List<string>();
        await foreach (var proof in _storage.ListAsync(BackupPaths.Proofs(backup.Id), cancellationToken).ConfigureAwait(false))
            proofs.Add(proof.Key);
        foreach (var proof in proofs)
            await run.ThrowAsync(proof, TrashKind.Proof, $"{backup.Id}~{proof[(proof.LastIndexOf('/') + 1)..]}", cancellationToken).ConfigureAwait(false);
        return removed;
    }

    /// <summary>Takes a removed backup back. The manifest comes first: from then on nothing that it refers to is deleted.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.BackupNotFound"/>: it is not in the trash; <see cref="ErrorIds.RepositoryCorrupt"/>: a part of it is deleted already.</exception>
    public async Task<string> UndoAsync(string id, CancellationToken cancellationToken)
    {
        var trash = await Trash.ListAsync(_storage, cancellationToken).ConfigureAwait(false);
        var found = trash.Where(t => t.Kind == TrashKind.Manifest && IdOf(t.Name).StartsWith(id, StringComparison.Ordinal)).ToList();
        if (found is not [var manifest])
            throw found.Count == 0
                ? new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"the trash of '{_storage.Location}' has no backup '{id}'", "A removed backup can be taken back until its grace is over.", id)
                : new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{id}' is the beginning of {found.Count} removed backups: {string.Join(", ", found.Select(t => IdOf(t.Name)).Take(5))}", "Give more of the id.", id);
        var key = KeyOf(manifest.Name);
        if (!await Trash.TryTakeBackAsync(_storage, manifest.Object.Key, key, cancellationToken).ConfigureAwait(false))
            throw new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"backup {IdOf(manifest.Name)} was deleted from the trash just now", null, id);
        try
        {
            var (restored, _) = await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
            await PackReclaim.EnsureAsync(_storage, restored, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            await Trash.TryMoveAsync(_storage, key, manifest.Object.Key, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        foreach (var proof in trash.Where(t => t.Kind == TrashKind.Proof && t.Name.StartsWith(IdOf(manifest.Name) + "~", StringComparison.Ordinal)))
            await Trash.TryTakeBackAsync(_storage, proof.Object.Key, $"tests/{proof.Name.Replace('~', '/')}", cancellationToken).ConfigureAwait(false);
        return IdOf(manifest.Name);
    }

    /// <summary>engine~system~id of <c>backups/engine/system/id/manifest.json</c>: escaped segments have no tilde.</summary>
    private static string NameOf(string key) => string.Join('~', key.Split('/')[1..4]);

    private static string IdOf(string name) => name[(name.LastIndexOf('~') + 1)..];

    private static string KeyOf(string name) => $"backups/{name.Replace('~', '/')}/manifest.json";
}

using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>Reads and writes manifests and what lies beside them.</summary>
internal static class ManifestStore
{
    private const long MaxManifestSize = 1L << 30;

    /// <summary>Writes a manifest and gives its size. From here on the backup exists.</summary>
    public static async Task<long> WriteAsync(BackupRepository repository, BackupManifest manifest, CancellationToken cancellationToken, PutMode mode = PutMode.IfAbsent)
    {
        var key = BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id);
        var bytes = repository.Documents.Seal(key, SealedDocument.Write(manifest));
        if (!await repository.Storage.PutAsync(key, bytes, mode, cancellationToken).ConfigureAwait(false))
            throw new DbRecoveryException(ErrorIds.BackupFailed, ErrorKind.Failed, $"a backup with the id {manifest.Id} is there already", "Try again.", manifest.Id);
        return bytes.Length;
    }

    /// <summary>Puts a manifest in the place of the one that is there, in one step, and gives what is read back.</summary>
    public static async Task<BackupManifest> ReplaceAsync(BackupRepository repository, BackupManifest manifest, CancellationToken cancellationToken)
    {
        await WriteAsync(repository, manifest, cancellationToken, PutMode.Replace).ConfigureAwait(false);
        return (await ReadAsync(repository, BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id), cancellationToken).ConfigureAwait(false)).Manifest;
    }

    /// <summary>Reads one manifest.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.BackupNotFound"/>, <see cref="ErrorIds.RepositoryCorrupt"/>.</exception>
    public static async Task<(BackupManifest Manifest, long Bytes)> ReadAsync(BackupRepository repository, string key, CancellationToken cancellationToken)
    {
        var storage = repository.Storage;
        var bytes = await storage.GetAsync(key, MaxManifestSize, cancellationToken).ConfigureAwait(false)
            ?? throw new DbRecoveryException(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"the repository '{storage.Location}' has no '{key}'", "List the backups that there are.", key);
        var opened = repository.Documents.Open(key, bytes) ?? throw RepositoryErrors.Corrupt(storage, key, "the manifest is not what was sealed under that name");
        var manifest = SealedDocument.Read<BackupManifest>(opened.Span) ?? throw RepositoryErrors.Corrupt(storage, key, "the manifest's bytes are not those that were written");
        if (manifest.Format > RepositoryHeader.CurrentFormat)
            throw RepositoryErrors.Invalid(storage, $"'{key}' has format {manifest.Format}; this version reads up to {RepositoryHeader.CurrentFormat}", "Use a newer version of DbRecovery.");
        if (manifest.Defect() is { } defect)
            throw RepositoryErrors.Corrupt(storage, key, defect);
        if (BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id) != key || manifest.RepoId != repository.Header.RepoId)
            throw RepositoryErrors.Corrupt(storage, key, $"it is the manifest of backup {manifest.Id} in repository {manifest.RepoId}, not of this one");
        return (manifest, bytes.Length);
    }

    /// <summary>The keys of every manifest.</summary>
    public static async Task<IReadOnlyList<string>> ListAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var keys = new List<string>();
        await foreach (var found in storage.ListAsync("backups/", cancellationToken).ConfigureAwait(false))
        {
            if (BackupPaths.IsManifest(found.Key))
                keys.Add(found.Key);
        }
        return keys;
    }
}

/// <summary>Proofs under tests/&lt;backup&gt;/: one file a test, never changed.</summary>
internal static class ProofStore
{
    private const long MaxProofSize = 16 << 20;

    /// <summary>Remembers a proof.</summary>
    public static Task WriteAsync(BackupRepository repository, BackupProof proof, CancellationToken cancellationToken)
    {
        var name = $"{proof.TestedAt.UtcDateTime.ToString("yyyyMMdd'T'HHmmss.fffffff'Z'", System.Globalization.CultureInfo.InvariantCulture)}-{Convert.ToHexString(RandomNumberGenerator.GetBytes(3)).ToLowerInvariant()}.json";
        var key = BackupPaths.Proofs(proof.BackupId) + name;
        return repository.Storage.PutAsync(key, repository.Documents.Seal(key, SealedDocument.Write(proof)), PutMode.IfAbsent, cancellationToken);
    }

    /// <summary>Whether a proof is what was written. One that went away meanwhile is none, and no damage.</summary>
    public static async Task<bool> IsReadableAsync(BackupRepository repository, string key, CancellationToken cancellationToken)
    {
        var (there, proof) = await SideDocument.ReadAsync<BackupProof>(repository, key, MaxProofSize, cancellationToken).ConfigureAwait(false);
        return !there || proof?.BackupId == key.Split('/')[1];
    }

    /// <summary>The latest proof of a backup. A damaged latest one counts as none: an older one may say what is no longer true.</summary>
    public static async Task<BackupProof?> LatestAsync(BackupRepository repository, string backupId, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        string? latest = null;
        await foreach (var found in repository.Storage.ListAsync(BackupPaths.Proofs(backupId), cancellationToken).ConfigureAwait(false))
        {
            if (found.Key.EndsWith(".json", StringComparison.Ordinal) && string.CompareOrdinal(found.Key, latest) > 0)
                latest = found.Key;
        }
        if (latest is null)
            return null;
        try
        {
            if (await repository.Storage.GetAsync(latest, MaxProofSize, cancellationToken).ConfigureAwait(false) is not { } bytes)
                return null;
            if (repository.Documents.Open(latest, bytes) is { } opened && SealedDocument.Read<BackupProof>(opened.Span) is { } proof && proof.BackupId == backupId)
                return proof;
            damaged?.Invoke(RepositoryErrors.Corrupt(repository.Storage, latest, "the proof's bytes are not those that were written"));
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryLocked or ErrorIds.RepositoryCorrupt)
        {
            damaged?.Invoke(e);
        }
        return null;
    }
}

using System.Buffers.Binary;

namespace DbRecovery.Engine.Backups;

/// <summary>A header that was lost or damaged and what can stand in for it.</summary>
/// <param name="Bytes">The bytes for repo.json.</param>
/// <param name="Origin">Where they come from, for people.</param>
/// <param name="Damage">What is wrong with repo.json.</param>
internal sealed record RecoveredHeader(byte[] Bytes, string Origin, RepositoryDamage Damage);

/// <summary>
/// Opens a repository whose repo.json is missing or damaged: by its copy, or, where there is no cipher, by what manifests and packs say
/// of it. Where neither is sure it is refused: a wrong id would make every good manifest look like another repository's.
/// </summary>
internal static class HeaderRecovery
{
    private const int PacksRead = 64;

    /// <summary>Opens a repository that must be there, around a damaged header.</summary>
    public static async Task<(BackupRepository Repository, RecoveredHeader? Header)> OpenAsync(RepositoryOpener opener, RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        DbRecoveryException problem;
        try
        {
            return (await opener.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false), null);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt && e.Target == BackupRepository.HeaderKey)
        {
            problem = e;
        }
        var storage = opener.StorageOf(definition);
        var damage = new RepositoryDamage
        {
            Key = BackupRepository.HeaderKey, Kind = RepositoryObjectKind.Header, Problem = problem.Message,
            Backups = [.. (await ManifestStore.ListAsync(storage, cancellationToken).ConfigureAwait(false)).Select(BackupPaths.IdOf).Distinct().Order(StringComparer.Ordinal)],
            Remedy = "Repair writes it again. Until then no backup in it can be restored.",
        };
        if (await RecoverAsync(storage, cancellationToken).ConfigureAwait(false) is not { } found)
            throw new DbRecoveryException(problem.Id, problem.Kind,
                $"{problem.Message}; its copy '{HeaderCopy.Key}' is no help, and what it said cannot be known safely from the rest",
                "Put repo.json back from a copy of the repository's folder. It is small, never changes, and holds no data.", problem.Target, problem);
        var repository = await opener.Over(_ => new HeaderStorage(storage, found.Bytes)).OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
        return (repository, new RecoveredHeader(found.Bytes, found.Origin, damage));
    }

    private static async Task<(byte[] Bytes, string Origin)?> RecoverAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var ids = await ManifestIdsAsync(storage, cancellationToken).ConfigureAwait(false);
        if (await HeaderCopy.TryGetAsync(storage, HeaderCopy.Key, cancellationToken).ConfigureAwait(false) is { } copy
            && SealedDocument.Read<RepositoryHeader>(copy) is { } header && (ids.Count == 0 || ids.Contains(header.RepoId)))
            return (copy, $"its copy '{HeaderCopy.Key}'");
        if (ids.Count != 1 || !await IsPlainAsync(storage, cancellationToken).ConfigureAwait(false))
            return null;
        var derived = new RepositoryHeader
        {
            Format = RepositoryHeader.CurrentFormat, MinReader = RepositoryHeader.CurrentFormat, RepoId = ids.Single(), Cipher = PlainSealer.Name, Codec = "zstd", CreatedAt = DateTimeOffset.UnixEpoch,
        };
        return (SealedDocument.Write(derived), "the repository's id in its manifests and the headers of its packs");
    }

    /// <summary>The repositories that the manifests say they are of; sealed ones say nothing without a key.</summary>
    private static async Task<HashSet<Guid>> ManifestIdsAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var ids = new HashSet<Guid>();
        await foreach (var found in storage.ListAsync("backups/", cancellationToken).ConfigureAwait(false))
        {
            if (found.Size <= 1 << 30 && BackupPaths.IsManifest(found.Key)
                && await storage.GetAsync(found.Key, 1 << 30, cancellationToken).ConfigureAwait(false) is { } bytes && SealedDocument.Read<BackupManifest>(bytes) is { } manifest)
                ids.Add(manifest.RepoId);
        }
        return ids;
    }

    private static async Task<bool> IsPlainAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        await foreach (var _ in storage.ListAsync("keys/", cancellationToken).ConfigureAwait(false))
            return false;
        var (plain, read) = (0, 0);
        var header = new byte[PackFormat.HeaderSize];
        await foreach (var found in storage.ListAsync("packs/", cancellationToken).ConfigureAwait(false))
        {
            if (PackFormat.NameOf(found.Key) is null || ++read > PacksRead)
                continue;
            if (await storage.ReadAsync(found.Key, 0, header, cancellationToken).ConfigureAwait(false) != header.Length || !header.AsSpan().StartsWith("DBRPACK1"u8))
                continue;
            if (BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(10)) != 0)
                return false;
            plain++;
        }
        return plain > 0;
    }
}

namespace DbRecovery.Engine.Backups;

/// <summary>repo.json: what a reader must know before it touches anything else.</summary>
internal sealed record RepositoryHeader
{
    /// <summary>The format that this version writes.</summary>
    public const int CurrentFormat = 1;

    public required int Format { get; init; }
    /// <summary>The lowest format number that a reader must know.</summary>
    public required int MinReader { get; init; }
    public required Guid RepoId { get; init; }
    public required string Cipher { get; init; }
    /// <summary>What new blobs are compressed with where the machine can: zstd, brotli, gzip or raw.</summary>
    public required string Codec { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>An opened repository.</summary>
internal sealed class BackupRepository
{
    public const string HeaderKey = "repo.json";
    private const long MaxHeaderSize = 1 << 20;
    /// <summary>What stands in a repository's folder.</summary>
    public static readonly HashSet<string> OwnNames =
        ["repo.json", "repo.copy.json", "keys", "packs", "index", "backups", "logs", "sessions", "trash", "tests", "tmp", "scrub", "quarantine", "RESTORE-BY-HAND.md", "lost+found"];

    private BackupRepository(IRepositoryStorage storage, RepositoryHeader header) => (Storage, Header) = (storage, header);

    public IRepositoryStorage Storage { get; }
    public RepositoryHeader Header { get; }
    public IBlobSealer Sealer { get; } = new PlainSealer();
    public IBlobIdentity Identity { get; } = new Sha256BlobIdentity();

    /// <summary>What new blobs are compressed with on this machine.</summary>
    public BlobCodec Codec(ZstdLibrary? zstd) => Header.Codec switch
    {
        "zstd" => zstd is null ? BlobCodec.Brotli : BlobCodec.Zstd,
        "brotli" => BlobCodec.Brotli,
        "gzip" => BlobCodec.Gzip,
        _ => BlobCodec.Raw,
    };

    /// <summary>Opens a repository; null where the place is missing or empty, so that nothing was ever backed up to it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>, <see cref="ErrorIds.RepositoryCorrupt"/>.</exception>
    public static async Task<BackupRepository?> OpenAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        if (await storage.GetAsync(HeaderKey, MaxHeaderSize, cancellationToken).ConfigureAwait(false) is { } bytes)
            return new BackupRepository(storage, Read(storage, bytes));
        if (await storage.HasForeignContentAsync(OwnNames, cancellationToken).ConfigureAwait(false))
            throw RepositoryErrors.Invalid(storage, "it holds other things and no repo.json", "Name an empty or a new folder, or the folder of a repository.");
        foreach (var prefix in (string[])["backups/", "packs/"])
        {
            await foreach (var _ in storage.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
            {
                // the header comes first: one that is missing beside data was there; another process may have made both since we looked
                if (await storage.GetAsync(HeaderKey, MaxHeaderSize, cancellationToken).ConfigureAwait(false) is { } late)
                    return new BackupRepository(storage, Read(storage, late));
                throw RepositoryErrors.Corrupt(storage, HeaderKey, "it is missing");
            }
        }
        return null;
    }

    /// <summary>Opens a repository or creates it. Of two creators at once both end with the same one.</summary>
    public static async Task<BackupRepository> OpenOrCreateAsync(IRepositoryStorage storage, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await OpenAsync(storage, cancellationToken).ConfigureAwait(false) is { } existing)
            return existing;
        var header = new RepositoryHeader
        {
            Format = RepositoryHeader.CurrentFormat,
            MinReader = RepositoryHeader.CurrentFormat,
            RepoId = Guid.NewGuid(),
            Cipher = PlainSealer.Name,
            Codec = "zstd",
            CreatedAt = clock.GetUtcNow(),
        };
        await storage.PutAsync(HeaderKey, SealedDocument.Write(header), PutMode.IfAbsent, cancellationToken).ConfigureAwait(false);
        return await OpenAsync(storage, cancellationToken).ConfigureAwait(false)
            ?? throw RepositoryErrors.Invalid(storage, "repo.json went away right after it was written", "Check what else works in that folder.");
    }

    /// <summary>Writes an index of packs and gives its size.</summary>
    public async Task<long> WriteIndexAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken)
    {
        var bytes = IndexFormat.Write(packs);
        await Storage.PutAsync(IndexFormat.Key(bytes), bytes, PutMode.Replace, cancellationToken).ConfigureAwait(false);
        return bytes.Length;
    }

    private static RepositoryHeader Read(IRepositoryStorage storage, byte[] bytes)
    {
        var header = SealedDocument.Read<RepositoryHeader>(bytes)
            ?? throw RepositoryErrors.Corrupt(storage, HeaderKey, "its bytes are not those that were written");
        if (header.MinReader > RepositoryHeader.CurrentFormat)
            throw RepositoryErrors.Invalid(storage, $"it needs a reader of format {header.MinReader}; this version reads up to {RepositoryHeader.CurrentFormat}",
                "Use a newer version of DbRecovery.");
        if (header.Cipher != PlainSealer.Name)
            throw RepositoryErrors.Invalid(storage, $"it is encrypted with '{header.Cipher}', which this version does not know", "Use a newer version of DbRecovery.");
        return header;
    }
}

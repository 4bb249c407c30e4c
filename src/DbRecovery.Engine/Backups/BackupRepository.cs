using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>repo.json: what a reader must know before it touches anything else.</summary>
internal sealed record RepositoryHeader
{
    /// <summary>The format that this version writes. The builds before the first release wrote 1, which nothing reads.</summary>
    public const int CurrentFormat = 2;

    public required int Format { get; init; }
    /// <summary>The lowest format number that a reader must know.</summary>
    public required int MinReader { get; init; }
    public required Guid RepoId { get; init; }
    /// <summary>How content is sealed: <see cref="PlainSealer.Name"/> or <see cref="AesGcmSealer.Name"/>.</summary>
    public required string Cipher { get; init; }
    /// <summary>What new blobs are compressed with where the machine can: zstd, brotli, gzip or raw.</summary>
    public required string Codec { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>An HMAC of all of the above under a key of the repository's keys; null without a cipher.</summary>
    public string? Seal { get; init; }

    /// <summary>The bytes that the seal is over.</summary>
    public byte[] SealedContent() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"dbrecovery repository\n{Format}\n{MinReader}\n{RepoId:N}\n{Cipher}\n{Codec}\n{CreatedAt.UtcTicks}"));
}

/// <summary>An opened repository. Only <see cref="RepositoryOpener"/> opens one.</summary>
internal sealed class BackupRepository
{
    public const string HeaderKey = "repo.json";
    private const long MaxHeaderSize = 1 << 20;
    /// <summary>What stands in a repository's folder.</summary>
    public static readonly HashSet<string> OwnNames =
        ["repo.json", "repo.copy.json", "keys", "packs", "index", "backups", "logs", "sessions", "trash", "tests", "tmp", "scrub", "quarantine", "RESTORE-BY-HAND.md", "lost+found"];

    /// <summary>Opens a repository without a cipher, or with a ring that was opened.</summary>
    public BackupRepository(IRepositoryStorage storage, RepositoryHeader header, KeyRing? ring = null, KeyStore? store = null)
    {
        (Storage, Header) = (storage, header);
        if (ring is null || store is null)
            return;
        Sealer = new AesGcmSealer(ring);
        Identity = new HmacBlobIdentity(ring.BlobIdKey());
        Documents = new SealedDocuments(ring, header.RepoId, storage);
        Keys = new RepositoryKeys(this, store, ring);
    }

    public IRepositoryStorage Storage { get; }
    public RepositoryHeader Header { get; }
    /// <summary>Seals pieces of packs.</summary>
    public IBlobSealer Sealer { get; } = new PlainSealer();
    public IBlobIdentity Identity { get; } = new Sha256BlobIdentity();
    /// <summary>Seals every object that tells of the data and is no pack: manifests, proofs, indexes, ledgers.</summary>
    public IDocumentSealer Documents { get; } = new PlainDocuments();
    /// <summary>The keys; null without a cipher.</summary>
    public RepositoryKeys? Keys { get; }
    /// <summary>The headers of packs that blobs were read from: each is needed once a blob and read once.</summary>
    public ConcurrentDictionary<string, PackHeader> PackHeaders { get; } = new(StringComparer.Ordinal);

    /// <summary>The folders whose objects are sealed where there is a cipher.</summary>
    public static IEnumerable<string> ContentFolders => OwnNames.Where(n => !n.Contains('.') && n is not ("keys" or "sessions" or "tmp" or "quarantine" or "lost+found")).Select(n => n + "/");

    /// <summary>What new blobs are compressed with on this machine.</summary>
    public BlobCodec Codec(ZstdLibrary? zstd) => Header.Codec switch
    {
        "zstd" => zstd is null ? BlobCodec.Brotli : BlobCodec.Zstd,
        "brotli" => BlobCodec.Brotli,
        "gzip" => BlobCodec.Gzip,
        _ => BlobCodec.Raw,
    };

    /// <summary>Reads a repository's header; null where the place is missing or empty, so that nothing was ever backed up to it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>, <see cref="ErrorIds.RepositoryCorrupt"/>.</exception>
    public static async Task<RepositoryHeader?> ReadHeaderAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        if (await storage.GetAsync(HeaderKey, MaxHeaderSize, cancellationToken).ConfigureAwait(false) is { } bytes)
            return Read(storage, bytes);
        if (await storage.HasForeignContentAsync(OwnNames, cancellationToken).ConfigureAwait(false))
            throw RepositoryErrors.Invalid(storage, "it holds other things and no repo.json", "Name an empty or a new folder, or the folder of a repository.");
        foreach (var prefix in (string[])["backups/", "packs/"])
        {
            await foreach (var _ in storage.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
            {
                // the header comes first: one that is missing beside data was there; another process may have made both since we looked
                if (await storage.GetAsync(HeaderKey, MaxHeaderSize, cancellationToken).ConfigureAwait(false) is { } late)
                    return Read(storage, late);
                throw RepositoryErrors.Corrupt(storage, HeaderKey, "it is missing");
            }
        }
        return null;
    }

    /// <summary>The header of a new repository without a cipher.</summary>
    public static RepositoryHeader NewHeader(TimeProvider clock) => new()
    {
        Format = RepositoryHeader.CurrentFormat,
        MinReader = RepositoryHeader.CurrentFormat,
        RepoId = Guid.NewGuid(),
        Cipher = PlainSealer.Name,
        Codec = "zstd",
        CreatedAt = clock.GetUtcNow(),
    };

    /// <summary>Makes the repository exist. False: another process made it first.</summary>
    public static Task<bool> CreateAsync(IRepositoryStorage storage, RepositoryHeader header, CancellationToken cancellationToken) =>
        storage.PutAsync(HeaderKey, SealedDocument.Write(header), PutMode.IfAbsent, cancellationToken);

    /// <summary>Writes an index of packs and gives its size.</summary>
    public async Task<long> WriteIndexAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken)
    {
        var bytes = Documents.Seal(IndexFormat.SealName, IndexFormat.Write(packs));
        await Storage.PutAsync(IndexFormat.Key(bytes), bytes, PutMode.Replace, cancellationToken).ConfigureAwait(false);
        return bytes.Length;
    }

    private static RepositoryHeader Read(IRepositoryStorage storage, byte[] bytes)
    {
        var header = SealedDocument.Read<RepositoryHeader>(bytes)
            ?? throw RepositoryErrors.Corrupt(storage, HeaderKey, "its bytes are not those that were written");
        if (header.Format < RepositoryHeader.CurrentFormat)
            throw RepositoryErrors.Invalid(storage, $"it has format {header.Format}, made by an early build; this version reads format {RepositoryHeader.CurrentFormat}",
                "Back up anew into an empty folder.");
        if (header.MinReader > RepositoryHeader.CurrentFormat)
            throw RepositoryErrors.Invalid(storage, $"it needs a reader of format {header.MinReader}; this version reads up to {RepositoryHeader.CurrentFormat}",
                "Use a newer version of DbRecovery.");
        if (header.Cipher is not (PlainSealer.Name or AesGcmSealer.Name))
            throw RepositoryErrors.Invalid(storage, $"it is encrypted with '{header.Cipher}', which this version does not know", "Use a newer version of DbRecovery.");
        return header;
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>How blobs are named: by hashes, or by HMACs where the repository is encrypted.</summary>
internal interface IBlobIdentity
{
    /// <summary>Hashes each page; 32 bytes a page. The last may be shorter.</summary>
    void HashPages(ReadOnlySpan<byte> data, int pageSize, Span<byte> digests);

    /// <summary>The id of a blob from the digests of its pages.</summary>
    BlobId Identify(ReadOnlySpan<byte> digests, int pageSize, int length);
}

/// <summary>
/// Blob id = SHA-256("DBRB" + page size + length + SHA-256 of each page). The data is hashed once: the same page digests, cut to
/// 16 bytes, find changes, and all of them in order make the file's digest.
/// </summary>
internal sealed class Sha256BlobIdentity : IBlobIdentity
{
    public const int DigestSize = 32;
    private const int PrefixSize = 12;

    public void HashPages(ReadOnlySpan<byte> data, int pageSize, Span<byte> digests)
    {
        for (var (at, page) = (0, 0); at < data.Length; at += pageSize, page++)
            SHA256.HashData(data.Slice(at, Math.Min(pageSize, data.Length - at)), digests[(page * DigestSize)..]);
    }

    public BlobId Identify(ReadOnlySpan<byte> digests, int pageSize, int length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        return Identify(hash, digests, pageSize, length);
    }

    public static int PageCount(int length, int pageSize) => (length + pageSize - 1) / pageSize;

    internal static BlobId Identify(IncrementalHash hash, ReadOnlySpan<byte> digests, int pageSize, int length)
    {
        Span<byte> prefix = stackalloc byte[PrefixSize];
        "DBRB"u8.CopyTo(prefix);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[4..], pageSize);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[8..], length);
        hash.AppendData(prefix);
        hash.AppendData(digests);
        Span<byte> id = stackalloc byte[BlobId.Size];
        hash.GetHashAndReset(id);
        return BlobId.Read(id);
    }
}

/// <summary>
/// Blob id = HMAC-SHA256 of the same bytes under the repository's id key. Who has no key cannot tell from an id whether the repository
/// holds a page that he knows. The digests of pages stay plain: they are stored only where everything is sealed.
/// </summary>
internal sealed class HmacBlobIdentity(byte[] idKey) : IBlobIdentity
{
    private readonly Sha256BlobIdentity _pages = new();

    public void HashPages(ReadOnlySpan<byte> data, int pageSize, Span<byte> digests) => _pages.HashPages(data, pageSize, digests);

    public BlobId Identify(ReadOnlySpan<byte> digests, int pageSize, int length)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, idKey);
        return Sha256BlobIdentity.Identify(hash, digests, pageSize, length);
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>Reads page hashes out of packs.</summary>
internal static class PageHashStore
{
    /// <summary>Bytes of a change: u32 little-endian page number from 0, then the hash.</summary>
    public const int DeltaSize = 4 + PageHashList.HashSize;

    /// <summary>A file's page hashes; null where a part of them is gone or damaged.</summary>
    public static async Task<PageHashList?> ReadAsync(BackupRepository repository, BackupManifest manifest, PageHashSection section, ZstdLibrary? zstd, CancellationToken cancellationToken)
    {
        var index = await BlobIndex.LoadAsync(repository, section.Blobs.Select(b => manifest.Packs[b.Pack]).Distinct(), cancellationToken).ConfigureAwait(false);
        return (await ReadAsync(repository, index, section, zstd, cancellationToken).ConfigureAwait(false)).Hashes;
    }

    /// <summary>A file's page hashes by an index that is loaded already, and whether they had to be looked for in all packs.</summary>
    public static async Task<(PageHashList? Hashes, bool Elsewhere)> ReadAsync(BackupRepository repository, BlobIndex index, PageHashSection section, ZstdLibrary? zstd, CancellationToken cancellationToken)
    {
        using var codec = new CodecContext(zstd);
        var list = await ReadLayersAsync(repository, index, section, codec, cancellationToken).ConfigureAwait(false);
        var elsewhere = list is null || !IsList(section, list);
        if (elsewhere)
        {
            var all = await BlobIndex.LoadAsync(repository, cancellationToken, repair: false).ConfigureAwait(false);
            list = await ReadLayersAsync(repository, all, section, codec, cancellationToken).ConfigureAwait(false);
        }
        return (list is not null && IsList(section, list) ? new PageHashList(section.PageSize, list) : null, elsewhere);
    }

    /// <summary>The base list alone; null where a part of it is gone or damaged.</summary>
    public static async Task<byte[]?> ReadBaseAsync(BackupRepository repository, BackupManifest manifest, PageHashSection section, ZstdLibrary? zstd, CancellationToken cancellationToken)
    {
        using var codec = new CodecContext(zstd);
        var index = await BlobIndex.LoadAsync(repository, section.Base.Select(b => manifest.Packs[b.Pack]).Distinct(), cancellationToken).ConfigureAwait(false);
        return await ReadBlobsAsync(repository, index, section.Base, codec, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Cuts a whole list into the blobs of a base list.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Pieces(ReadOnlyMemory<byte> list)
    {
        for (; list.Length > BlobPipeline.BlobSize; list = list[BlobPipeline.BlobSize..])
            yield return list[..BlobPipeline.BlobSize];
        if (list.Length > 0)
            yield return list;
    }

    /// <summary>The id of a list's blob.</summary>
    public static BlobId IdOf(IBlobIdentity identity, ReadOnlySpan<byte> piece)
    {
        var digests = new byte[Sha256BlobIdentity.PageCount(piece.Length, BackupWriter.DefaultUnit) * Sha256BlobIdentity.DigestSize];
        identity.HashPages(piece, BackupWriter.DefaultUnit, digests);
        return identity.Identify(digests, BackupWriter.DefaultUnit, piece.Length);
    }

    /// <summary>Whether a whole list is what a section says.</summary>
    public static bool IsList(PageHashSection section, byte[] list) =>
        list.Length == (long)section.Count * PageHashList.HashSize && Convert.ToHexString(SHA256.HashData(list)).Equals(section.Sha256, StringComparison.OrdinalIgnoreCase);

    private static async Task<byte[]?> ReadLayersAsync(BackupRepository repository, BlobIndex index, PageHashSection section, CodecContext codec, CancellationToken cancellationToken)
    {
        var below = await ReadBlobsAsync(repository, index, section.Base, codec, cancellationToken).ConfigureAwait(false);
        if (below is null || section.Deltas.Count == 0)
            return below;
        var changes = await ReadBlobsAsync(repository, index, section.Deltas, codec, cancellationToken).ConfigureAwait(false);
        if (changes is null || changes.Length % DeltaSize != 0)
            return null;
        var list = new byte[section.Count * PageHashList.HashSize];
        below.AsSpan(0, Math.Min(below.Length, list.Length)).CopyTo(list);
        for (var at = 0; at < changes.Length; at += DeltaSize)
        {
            // a file that shrank has changes of pages that it no longer has
            var page = BinaryPrimitives.ReadUInt32LittleEndian(changes.AsSpan(at));
            if (page < section.Count)
                changes.AsSpan(at + 4, PageHashList.HashSize).CopyTo(list.AsSpan((int)page * PageHashList.HashSize));
        }
        return list;
    }

    private static async Task<byte[]?> ReadBlobsAsync(BackupRepository repository, BlobIndex index, IReadOnlyList<HashBlob> blobs, CodecContext codec, CancellationToken cancellationToken)
    {
        using var all = new MemoryStream();
        foreach (var blob in blobs)
        {
            if (!BlobId.TryParse(blob.Blob, out var id) || await ReadBlobAsync(repository, index, id, blob.Length, codec, cancellationToken).ConfigureAwait(false) is not { } bytes)
                return null;
            all.Write(bytes);
        }
        return all.ToArray();
    }

    private static async Task<byte[]?> ReadBlobAsync(BackupRepository repository, BlobIndex index, BlobId id, int length, CodecContext codec, CancellationToken cancellationToken)
    {
        foreach (var location in index.Find(id).Where(l => l.Entry.RawLength == length))
        {
            var bytes = new byte[length];
            if (await PackReader.TryReadBlobAsync(repository, location, codec, bytes, cancellationToken).ConfigureAwait(false))
                return bytes;
        }
        return null;
    }
}

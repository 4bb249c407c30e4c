using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>The page hashes of a file that is being restored, from the digests by which its blobs were checked.</summary>
internal sealed class WrittenHashes
{
    private readonly int _unit;
    private readonly byte[] _hashes;

    private WrittenHashes(int unit, long pages) => (_unit, _hashes) = (unit, new byte[pages * PageHashList.HashSize]);

    /// <summary>Room for a file's hashes; null where it has no digest, or its runs are not made of whole pages.</summary>
    public static WrittenHashes? For(ManifestEntry entry) => entry.Digest is null || entry.HashUnit <= 0 || entry.Runs.Any(r => r.FileOffset % entry.HashUnit != 0)
        ? null
        : new WrittenHashes(entry.HashUnit, (entry.Size + entry.HashUnit - 1) / entry.HashUnit);

    /// <summary>Takes the hashes of a run. Different runs may come at once.</summary>
    /// <param name="run">The run.</param>
    /// <param name="blob">Its blob.</param>
    /// <param name="digests">The digests of the blob's pages.</param>
    /// <param name="unit">The unit over which they were computed.</param>
    public void Take(ManifestRun run, ReadOnlySpan<byte> blob, ReadOnlySpan<byte> digests, int unit)
    {
        Span<byte> own = stackalloc byte[Sha256BlobIdentity.DigestSize];
        var page = run.FileOffset / _unit;
        for (var at = 0; at < run.Length; at += _unit, page++)
        {
            var (offset, length) = (run.OffsetInBlob + at, (int)Math.Min(_unit, run.Length - at));
            // the same piece of bytes as the blob's own page
            var same = unit == _unit && offset % unit == 0 && (length == unit || offset + length == blob.Length);
            if (!same)
                SHA256.HashData(blob.Slice(offset, length), own);
            (same ? digests.Slice(offset / unit * Sha256BlobIdentity.DigestSize, PageHashList.HashSize) : own[..PageHashList.HashSize])
                .CopyTo(_hashes.AsSpan((int)(page * PageHashList.HashSize)));
        }
    }

    /// <summary>The file's digest, once every run was taken.</summary>
    public string Digest() => FileDigest.Of(_unit, _hashes);
}

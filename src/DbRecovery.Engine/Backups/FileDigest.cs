using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// The digest of a file: SHA-256 over the hashes of its pages (SHA-256 cut to 16 bytes) in order. Unlike the plain hash it can be computed
/// on every core, and an increment computes it without the pages that did not change: their hashes are at hand.
/// </summary>
internal static class FileDigest
{
    private const int ChunkTarget = 1 << 20;

    /// <summary>The digest of a file whose page hashes are known.</summary>
    public static string Of(int unit, ReadOnlySpan<byte> pageHashes) => OfHash(unit, HashOf(pageHashes));

    /// <summary>The digest of a file the SHA-256 of whose page hashes is known.</summary>
    public static string OfHash(int unit, string sha256) => $"sha256-pages16-{unit}:{sha256}";

    /// <summary>The SHA-256 of page hashes.</summary>
    public static string HashOf(ReadOnlySpan<byte> pageHashes) => Convert.ToHexString(SHA256.HashData(pageHashes)).ToLowerInvariant();

    /// <summary>Computes the digest of a file on disk, and its page hashes.</summary>
    public static async Task<(string Digest, byte[] PageHashes)> ComputeAsync(string path, int unit, IBlobIdentity identity, CancellationToken cancellationToken)
    {
        using var handle = File.OpenHandle(path, options: FileOptions.None);
        var length = RandomAccess.GetLength(handle);
        var pages = (length + unit - 1) / unit;
        var hashes = new byte[pages * PageHashList.HashSize];
        var chunk = Math.Max(1, ChunkTarget / unit) * unit;
        var wave = new Task<byte[]>[Environment.ProcessorCount];
        for (long at = 0; at < length;)
        {
            var started = 0;
            for (; started < wave.Length && at < length; started++, at += chunk)
            {
                var from = at;
                wave[started] = Task.Run(() => HashChunk(handle, from, (int)Math.Min(chunk, length - from), unit, identity), cancellationToken);
            }
            for (var i = 0; i < started; i++)
            {
                var digests = await wave[i].ConfigureAwait(false);
                var page = (at - (long)(started - i) * chunk) / unit;
                // at overshoots at the end of the file only by part of the last chunk, so the chunk's first page is exact
                for (var d = 0; d < digests.Length; d += Sha256BlobIdentity.DigestSize, page++)
                    digests.AsSpan(d, PageHashList.HashSize).CopyTo(hashes.AsSpan((int)(page * PageHashList.HashSize)));
            }
        }
        return (Of(unit, hashes), hashes);
    }

    /// <summary>Reads bytes from a place until the buffer is full or the file ends.</summary>
    public delegate int ReadAt(long offset, Span<byte> buffer);

    /// <summary>Computes the digest of what a function reads.</summary>
    public static string Compute(ReadAt read, long length, int unit, IBlobIdentity identity, Action<int> progress, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[Math.Max(1, ChunkTarget / unit) * unit];
        var digests = new byte[buffer.Length / unit * Sha256BlobIdentity.DigestSize];
        for (long at = 0; at < length; at += buffer.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = read(at, buffer);
            identity.HashPages(buffer.AsSpan(0, count), unit, digests);
            for (var page = 0; page < Sha256BlobIdentity.PageCount(count, unit); page++)
                hash.AppendData(digests.AsSpan(page * Sha256BlobIdentity.DigestSize, PageHashList.HashSize));
            progress(count);
        }
        return OfHash(unit, Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant());
    }

    private static byte[] HashChunk(SafeFileHandle handle, long offset, int length, int unit, IBlobIdentity identity)
    {
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(length);
        try
        {
            var done = 0;
            while (done < length && RandomAccess.Read(handle, buffer.AsSpan(done, length - done), offset + done) is > 0 and var read)
                done += read;
            var digests = new byte[Sha256BlobIdentity.PageCount(done, unit) * Sha256BlobIdentity.DigestSize];
            identity.HashPages(buffer.AsSpan(0, done), unit, digests);
            return digests;
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

using System.Buffers;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>A blob's place in the repository.</summary>
internal readonly record struct BlobLocation(string Pack, int Sequence, PackEntry Entry);

/// <summary>Reads packs: their trailers, their blobs, all their bytes.</summary>
internal static class PackReader
{
    /// <summary>A pack's contents from its trailer.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: it is missing or its header or trailer is damaged.</exception>
    public static async Task<PackContents> ReadContentsAsync(BackupRepository repository, string name, CancellationToken cancellationToken)
    {
        var (storage, key) = (repository.Storage, PackFormat.Key(name));
        var stat = await storage.StatAsync(key, cancellationToken).ConfigureAwait(false);
        if (stat is null && (await Trash.PacksAsync(storage, cancellationToken).ConfigureAwait(false)).TryGetValue(name, out var thrown))
            stat = await storage.StatAsync(thrown, cancellationToken).ConfigureAwait(false);
        if (stat is null)
            throw RepositoryErrors.Corrupt(storage, key, "the pack is missing");
        if (stat.Size < PackFormat.HeaderSize + PackFormat.FooterSize + 4)
            throw RepositoryErrors.Corrupt(storage, key, $"the pack is only {stat.Size} bytes long: it was truncated");
        var header = await ReadExactAsync(storage, name, 0, PackFormat.HeaderSize, cancellationToken).ConfigureAwait(false);
        var footer = await ReadExactAsync(storage, name, stat.Size - PackFormat.FooterSize, PackFormat.FooterSize, cancellationToken).ConfigureAwait(false);
        if (PackFormat.ReadHeader(header) is not { } known || known.CipherId != repository.Sealer.CipherId)
            throw RepositoryErrors.Corrupt(storage, key, "the pack's header is not one");
        await CheckEpochAsync(repository, name, known.Epoch, cancellationToken).ConfigureAwait(false);
        if (PackFormat.ReadFooter(footer, stat.Size) is not { } end)
            throw RepositoryErrors.Corrupt(storage, key, "the pack's end is not one: it was truncated or altered");
        var stored = await ReadExactAsync(storage, name, stat.Size - PackFormat.FooterSize - end.TrailerLength, end.TrailerLength, cancellationToken).ConfigureAwait(false);
        var context = new SealContext(repository.Header.RepoId, known.Epoch, known.Salt, end.Count, default, SealedKind.Trailer);
        if (!PackFormat.TrailerMatches(footer, stored) || repository.Sealer.Open(context, stored) is not { } trailer
            || PackFormat.ReadTrailer(trailer.Span, end.Count, stat.Size) is not { } entries)
            throw RepositoryErrors.Corrupt(storage, key, "the pack's trailer is not what was written");
        return new PackContents(name, stat.Size, entries);
    }

    /// <summary>Reads, opens, decodes and checks a blob; null where the bytes are not what was written or are missing. Its pages' digests are then in the codec's scratch.</summary>
    public static async Task<bool> TryReadBlobAsync(BackupRepository repository, BlobLocation location, CodecContext codec, Memory<byte> destination, CancellationToken cancellationToken) =>
        await TryReadPayloadAsync(repository, location, codec, destination, null, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>As <see cref="TryReadBlobAsync"/>, and gives the compressed bytes, too, for whoever stores them elsewhere. Their length, or null.</summary>
    public static async Task<int?> TryReadPayloadAsync(BackupRepository repository, BlobLocation location, CodecContext codec, Memory<byte> destination, Memory<byte>? payloadTo, CancellationToken cancellationToken)
    {
        var entry = location.Entry;
        if (entry.RawLength != destination.Length)
            return null;
        var buffer = ArrayPool<byte>.Shared.Rent(entry.StoredLength);
        try
        {
            var stored = buffer.AsMemory(0, entry.StoredLength);
            var read = await ReadWhatCanBeAsync(repository.Storage, location.Pack, entry.Offset, stored, cancellationToken).ConfigureAwait(false);
            if (read != entry.StoredLength)
                return null;
            if (await HeaderAsync(repository, location.Pack, cancellationToken).ConfigureAwait(false) is not { } header)
                return null;
            var context = new SealContext(repository.Header.RepoId, header.Epoch, header.Salt, location.Sequence, entry.Id, SealedKind.Blob);
            if (repository.Sealer.Open(context, stored) is not { } payload)
            {
                // the header may be what is damaged, and a backup beside this one may heal the pack
                repository.PackHeaders.TryRemove(location.Pack, out _);
                return null;
            }
            if (!codec.Decompress(entry.Codec, payload.Span, destination.Span) || IdOf(repository.Identity, codec, destination.Span, entry.PageSize) != entry.Id)
                return null;
            if (payloadTo is { } copy)
                payload.CopyTo(copy);
            return payload.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Whether a pack's bytes still have the hash that is its name; null where it is missing.</summary>
    public static async Task<bool?> VerifyNameAsync(IRepositoryStorage storage, string name, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (long at = 0; ;)
            {
                if (await ReadWhatCanBeAsync(storage, name, at, buffer, cancellationToken).ConfigureAwait(false) is not { } read)
                    return null;
                if (read == 0)
                    return Convert.ToHexString(hash.GetHashAndReset()).Equals(name, StringComparison.OrdinalIgnoreCase);
                hash.AppendData(buffer.AsSpan(0, read));
                at += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>The id of a blob's data.</summary>
    public static BlobId IdOf(IBlobIdentity identity, CodecContext codec, ReadOnlySpan<byte> data, int pageSize)
    {
        var digests = codec.ScratchOf(Sha256BlobIdentity.PageCount(data.Length, pageSize) * Sha256BlobIdentity.DigestSize);
        identity.HashPages(data, pageSize, digests);
        return identity.Identify(digests, pageSize, data.Length);
    }

    /// <summary>A pack's header, read once; null where it is not one. Without a cipher nothing in it is needed.</summary>
    private static async ValueTask<PackHeader?> HeaderAsync(BackupRepository repository, string pack, CancellationToken cancellationToken)
    {
        if (repository.Sealer.CipherId == 0)
            return default(PackHeader);
        if (repository.PackHeaders.TryGetValue(pack, out var known))
            return known;
        var bytes = new byte[PackFormat.HeaderSize];
        if (await ReadWhatCanBeAsync(repository.Storage, pack, 0, bytes, cancellationToken).ConfigureAwait(false) != bytes.Length
            || PackFormat.ReadHeader(bytes) is not { } header || header.CipherId != repository.Sealer.CipherId)
            return null;
        await CheckEpochAsync(repository, pack, header.Epoch, cancellationToken).ConfigureAwait(false);
        return repository.PackHeaders.GetOrAdd(pack, header);
    }

    /// <summary>Tells a pack that the key at hand does not open from one whose header was altered.</summary>
    private static async ValueTask CheckEpochAsync(BackupRepository repository, string pack, uint epoch, CancellationToken cancellationToken)
    {
        if (repository.Sealer.Knows(epoch) || await VerifyNameAsync(repository.Storage, pack, cancellationToken).ConfigureAwait(false) != true)
            return;
        throw RepositoryErrors.Locked(repository.Storage, PackFormat.Key(pack), epoch);
    }

    /// <summary>
    /// Reads from a pack. One that went to the trash while somebody restores from it, or that a removal was killed over, is read there.
    /// </summary>
    private static async ValueTask<int?> ReadAsync(IRepositoryStorage storage, string pack, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var key = PackFormat.Key(pack);
        if (await storage.ReadAsync(key, offset, buffer, cancellationToken).ConfigureAwait(false) is { } read)
            return read;
        if ((await Trash.PacksAsync(storage, cancellationToken).ConfigureAwait(false)).TryGetValue(pack, out var thrown)
            && await storage.ReadAsync(thrown, offset, buffer, cancellationToken).ConfigureAwait(false) is { } there)
            return there;
        // taken back between the two looks
        return await storage.ReadAsync(key, offset, buffer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As <see cref="ReadAsync"/>; where the disk gives an error the pack counts as one that ends there: another copy may do.</summary>
    private static async ValueTask<int?> ReadWhatCanBeAsync(IRepositoryStorage storage, string pack, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(storage, pack, offset, buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt)
        {
            return 0;
        }
    }

    private static async Task<byte[]> ReadExactAsync(IRepositoryStorage storage, string pack, long offset, int length, CancellationToken cancellationToken)
    {
        var bytes = new byte[length];
        var read = await ReadAsync(storage, pack, offset, bytes, cancellationToken).ConfigureAwait(false);
        return read == length ? bytes : throw RepositoryErrors.Corrupt(storage, PackFormat.Key(pack), read is null ? "it is missing" : "it is shorter than it was");
    }
}

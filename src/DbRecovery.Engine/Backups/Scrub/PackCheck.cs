using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>What is known of a pack.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Size">Its size.</param>
/// <param name="ModifiedAt">Its time, by the storage's clock.</param>
/// <param name="CheckedAt">When its bytes were last read.</param>
/// <param name="Trusted">Whether an earlier check read them and not this one.</param>
/// <param name="Problem">What is wrong with it; null for nothing.</param>
internal sealed record PackState(string Name, long Size, DateTimeOffset ModifiedAt, DateTimeOffset CheckedAt, bool Trusted, string? Problem);

/// <summary>
/// Reads packs and compares each with the SHA-256 that is its name. That proves that the stored bytes are those that were written, and
/// blobs were decoded and checked before they were: so decoding them once more tests the writer and not the storage, and is done only
/// where it is asked for. One buffer a worker.
/// </summary>
internal sealed class PackCheck(BackupRepository repository, ZstdLibrary? zstd, TimeProvider clock, Action<string, long>? read)
{
    private const int BufferSize = 4 << 20;
    private readonly ConcurrentBag<byte[]> _buffers = [];

    /// <summary>Checks packs; those that the ledger knows unchanged only where all shall be read. One that went away since it was listed is left out.</summary>
    public async Task<IReadOnlyList<PackState>> ExecuteAsync(IReadOnlyList<StorageObject> packs, ScrubLedger ledger, ScrubDepth depth, CancellationToken cancellationToken)
    {
        var known = ledger.Packs.ToDictionary(p => p.Name);
        var bad = ledger.Damaged.Select(d => d.Name).ToHashSet();
        var states = new PackState?[packs.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken };
        using var codecs = new CodecPool(zstd);
        await Parallel.ForEachAsync(Enumerable.Range(0, packs.Count), options, async (i, token) =>
        {
            var name = PackFormat.NameOf(packs[i].Key)!;
            var trusted = depth == ScrubDepth.New && !bad.Contains(name) && known.GetValueOrDefault(name) is { } k && k.Size == packs[i].Size && k.ModifiedTicks == packs[i].ModifiedAt.UtcTicks;
            if (trusted)
                states[i] = new PackState(name, packs[i].Size, packs[i].ModifiedAt, known[name].CheckedAt, true, null);
            else if (await ReadAsync(name, packs[i].Size, depth == ScrubDepth.Decode, codecs, token).ConfigureAwait(false) is var (there, problem) && there)
                states[i] = new PackState(name, packs[i].Size, packs[i].ModifiedAt, clock.GetUtcNow(), false, problem);
        }).ConfigureAwait(false);
        return [.. states.OfType<PackState>()];
    }

    private async Task<(bool There, string? Problem)> ReadAsync(string name, long size, bool decode, CodecPool codecs, CancellationToken cancellationToken)
    {
        try
        {
            if (await HashAsync(name, cancellationToken).ConfigureAwait(false) is not { } hash)
                return (false, null);
            if (hash != name)
                return (true, size < PackFormat.HeaderSize + PackFormat.FooterSize ? $"the pack is only {size} bytes long: it was truncated" : "the pack's bytes are not those that its name promises: it was altered or truncated");
            return (true, decode ? await DecodeAsync(name, codecs, cancellationToken).ConfigureAwait(false) : null);
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid or ErrorIds.AccessDenied)
        {
            return (true, $"the pack cannot be read: {e.Message}");
        }
    }

    private async Task<string?> HashAsync(string name, CancellationToken cancellationToken)
    {
        var buffer = _buffers.TryTake(out var free) ? free : GC.AllocateUninitializedArray<byte>(BufferSize);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            for (long at = 0; ;)
            {
                if (await repository.Storage.ReadAsync(PackFormat.Key(name), at, buffer, cancellationToken).ConfigureAwait(false) is not { } count)
                    return null;
                hash.AppendData(buffer.AsSpan(0, count));
                at += count;
                read?.Invoke(name, count);
                if (count < buffer.Length)
                    return Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant();
            }
        }
        finally
        {
            _buffers.Add(buffer);
        }
    }

    private async Task<string?> DecodeAsync(string name, CodecPool codecs, CancellationToken cancellationToken)
    {
        var contents = await PackReader.ReadContentsAsync(repository, name, cancellationToken).ConfigureAwait(false);
        var bad = await UnreadableAsync(repository, contents.Entries.Select((e, i) => new BlobLocation(name, i, e)), codecs, cancellationToken).ConfigureAwait(false);
        return bad.Count == 0 ? null : $"{bad.Count} of the pack's {Counted.Of(contents.Entries.Count, "blob cannot be decoded to what its id promises", "blobs cannot be decoded to what their ids promise")}, though its bytes are those that were written";
    }

    /// <summary>Decodes blobs one by one and gives those that are not what their ids promise.</summary>
    public static async Task<HashSet<BlobId>> UnreadableAsync(BackupRepository repository, IEnumerable<BlobLocation> blobs, CodecPool codecs, CancellationToken cancellationToken)
    {
        var bad = new HashSet<BlobId>();
        var codec = codecs.Rent();
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(BlobPipeline.BlobSize);
        try
        {
            foreach (var blob in blobs)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (blob.Entry.RawLength > buffer.Length)
                {
                    System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
                    buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(blob.Entry.RawLength);
                }
                if (!await PackReader.TryReadBlobAsync(repository, blob, codec, buffer.AsMemory(0, blob.Entry.RawLength), cancellationToken).ConfigureAwait(false))
                    bad.Add(blob.Entry.Id);
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
            codecs.Return(codec);
        }
        return bad;
    }
}

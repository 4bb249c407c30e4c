using System.Buffers;
using System.Buffers.Binary;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Stores the pages of a file whose hashes differ from the parent's, and takes over the parent's runs for the others. Changed pages are
/// gathered in file order, also when they do not lie side by side, so that compression sees more than one page.
/// </summary>
internal sealed class ComparedFileWriter(BackupWriter owner, FileRecord file, ParentBackup parent, ParentPages pages) : FileWriter(owner, file)
{
    /// <summary>Bytes of changed pages that make a blob. Smaller than a full's: a page of it may be all that a later backup still needs.</summary>
    private const int GatheredSize = 256 << 10;
    /// <summary>More lists of changes than this become one: each is a read for whoever compares next.</summary>
    private const int MaxDeltas = 64;
    private readonly int _room = Math.Max(file.Unit, GatheredSize / file.Unit * file.Unit);
    private readonly Queue<(byte[] Data, int Length, Task<byte[]> Hashing)> _hashing = new();
    private readonly ArrayBufferWriter<byte> _delta = new();
    private BlobSlot _slot = new();
    private byte[]? _gathered;
    private byte[] _digests = [];
    private int _filled;
    private int _run;

    public override async ValueTask ReuseAsync(long length, CancellationToken cancellationToken)
    {
        CheckOpen(length);
        if (Owner.Parent is null)
            throw BackupWriter.Failed(File.Entry.Path, "the parent may not be taken over unread");
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        await FoldAsync(0, cancellationToken).ConfigureAwait(false);
        var (at, size) = (File.Size, pages.Entry.Size);
        if (at % File.Unit != 0 || at + length > size || (length % File.Unit != 0 && at + length != size))
            throw BackupWriter.Failed(File.Entry.Path, "what is the parent's begins and ends with pages of the parent");
        var first = (int)(at / File.Unit);
        var count = (int)((length + File.Unit - 1) / File.Unit);
        Hashes.Write(pages.Hashes.Bytes.Span.Slice(first * PageHashList.HashSize, count * PageHashList.HashSize));
        TakeOver(at, length);
        Owner.Took(File.Entry, length);
    }

    /// <summary>Whether no page differs: then digest and hashes are the parent's.</summary>
    private bool IsParents => _delta.WrittenCount == 0 && File.Size == pages.Entry.Size;

    protected override string? KnownDigest => IsParents ? pages.Entry.Digest : null;

    protected override async ValueTask TakeAsync(byte[] data, int length, CancellationToken cancellationToken)
    {
        _hashing.Enqueue((data, length, Pipeline.HashAsync(data, length, File.Unit)));
        await FoldAsync(Pipeline.Window, cancellationToken).ConfigureAwait(false);
    }

    protected override async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        await FoldAsync(0, cancellationToken).ConfigureAwait(false);
        await SubmitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override async ValueTask<HashSectionDraft> StoreHashesAsync(CancellationToken cancellationToken)
    {
        var before = pages.Entry.PageHashes!;
        if (!pages.KeepsLists)
            return await StoreBaseAsync(cancellationToken).ConfigureAwait(false);
        if (IsParents)
            return new HashSectionDraft(File.Unit, before.Count, before.Sha256, [.. before.Base.Select(b => new HashPiece(null, b))], [.. before.Deltas.Select(d => new HashPiece(null, d))]);
        var count = Hashes.WrittenCount / PageHashList.HashSize;
        IReadOnlyList<HashPiece> kept = [.. before.Deltas.Select(d => new HashPiece(null, d))];
        var delta = _delta.WrittenMemory;
        if (!delta.IsEmpty && kept.Count >= MaxDeltas)
        {
            if (await PageHashStore.ReadBaseAsync(parent.Repository, parent.Manifest, before, parent.Zstd, cancellationToken).ConfigureAwait(false) is not { } below)
                return await StoreBaseAsync(cancellationToken).ConfigureAwait(false);
            (kept, delta) = ([], Differences(below));
        }
        var changes = kept.Sum(d => (long)d.Old!.Length) + delta.Length;
        // half of the base: from there on a new one costs less than what every reader spends on the old one
        if (changes > before.Base.Sum(b => (long)b.Length) / 2)
            return await StoreBaseAsync(cancellationToken).ConfigureAwait(false);
        var added = await StoreAsync(Cut(delta), cancellationToken).ConfigureAwait(false);
        IReadOnlyList<HashPiece> deltas = [.. kept, .. added];
        if (deltas.Count == 0)
            return await StoreBaseAsync(cancellationToken).ConfigureAwait(false);
        return new HashSectionDraft(File.Unit, count, HashesSha256, [.. before.Base.Select(b => new HashPiece(null, b))], deltas);
    }

    public override async ValueTask DisposeAsync()
    {
        // what still hashes holds buffers of the pipeline
        foreach (var (_, _, hashing) in _hashing)
            await hashing.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        _hashing.Clear();
    }

    /// <summary>Compares pieces in order until so many are left under way.</summary>
    private async ValueTask FoldAsync(int left, CancellationToken cancellationToken)
    {
        while (_hashing.Count > left || (_hashing.TryPeek(out var first) && first.Hashing.IsCompletedSuccessfully))
        {
            var (data, length, hashing) = _hashing.Peek();
            var digests = await Pipeline.HashedAsync(hashing, cancellationToken).ConfigureAwait(false);
            _hashing.Dequeue();
            await CompareAsync(data, length, digests, cancellationToken).ConfigureAwait(false);
            Pipeline.ReturnBuffer(data);
        }
    }

    private async ValueTask CompareAsync(byte[] data, int length, byte[] digests, CancellationToken cancellationToken)
    {
        AddHashes(digests);
        for (var (at, d) = (0, 0); at < length; at += File.Unit, d += Sha256BlobIdentity.DigestSize)
        {
            var size = Math.Min(File.Unit, length - at);
            var digest = digests.AsMemory(d, Sha256BlobIdentity.DigestSize);
            var page = (int)(File.Size / File.Unit);
            var same = page < pages.Hashes.Count && pages.Hashes[page].SequenceEqual(digest.Span[..PageHashList.HashSize]);
            if (same && parent.IsUsable(RunAt(File.Size).Pack))
            {
                TakeOver(File.Size, size);
                continue;
            }
            if (!same)
                AddDelta(page, digest.Span[..PageHashList.HashSize]);
            await GatherAsync(data.AsMemory(at, size), digest, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask GatherAsync(ReadOnlyMemory<byte> page, ReadOnlyMemory<byte> digest, CancellationToken cancellationToken)
    {
        if (_filled + page.Length > _room)
            await SubmitAsync(cancellationToken).ConfigureAwait(false);
        if (_gathered is null)
        {
            _gathered = Pipeline.RentBuffer();
            _digests = new byte[_room / File.Unit * Sha256BlobIdentity.DigestSize];
        }
        page.CopyTo(_gathered.AsMemory(_filled));
        digest.CopyTo(_digests.AsMemory(_filled / File.Unit * Sha256BlobIdentity.DigestSize));
        File.Add(_slot, _filled, page.Length);
        _filled += page.Length;
        Owner.Changed(File.Entry, page.Length);
    }

    private async ValueTask SubmitAsync(CancellationToken cancellationToken)
    {
        if (_gathered is null)
            return;
        var digests = _digests[..(Sha256BlobIdentity.PageCount(_filled, File.Unit) * Sha256BlobIdentity.DigestSize)];
        _slot.Blob = await Pipeline.SubmitAsync(_gathered, _filled, File.Unit, compared: true, digests, cancellationToken).ConfigureAwait(false);
        (_gathered, _filled, _slot) = (null, 0, new BlobSlot());
    }

    private void AddDelta(int page, ReadOnlySpan<byte> hash)
    {
        var room = _delta.GetSpan(PageHashStore.DeltaSize);
        BinaryPrimitives.WriteUInt32LittleEndian(room, (uint)page);
        hash.CopyTo(room[4..]);
        _delta.Advance(PageHashStore.DeltaSize);
    }

    /// <summary>Where the hashes differ from a base list.</summary>
    private ReadOnlyMemory<byte> Differences(byte[] below)
    {
        _delta.Clear();
        var all = Hashes.WrittenSpan;
        for (var at = 0; at < all.Length; at += PageHashList.HashSize)
        {
            var hash = all.Slice(at, PageHashList.HashSize);
            if (at >= below.Length || !below.AsSpan(at, PageHashList.HashSize).SequenceEqual(hash))
                AddDelta(at / PageHashList.HashSize, hash);
        }
        return _delta.WrittenMemory;
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Cut(ReadOnlyMemory<byte> delta)
    {
        const int Most = BlobPipeline.BlobSize / PageHashStore.DeltaSize * PageHashStore.DeltaSize;
        for (; delta.Length > 0; delta = delta[Math.Min(Most, delta.Length)..])
            yield return delta[..Math.Min(Most, delta.Length)];
    }

    /// <summary>The file goes on with what the parent has at the same place.</summary>
    private void TakeOver(long offset, long length)
    {
        while (length > 0)
        {
            var run = RunAt(offset);
            var within = offset - run.FileOffset;
            var part = Math.Min(run.Length - within, length);
            File.Add(run, run.OffsetInBlob + (int)within, part);
            offset += part;
            length -= part;
        }
    }

    // the file is written in order, so the parent's runs are met in order
    private ManifestRun RunAt(long offset)
    {
        var runs = pages.Entry.Runs;
        while (runs[_run].FileOffset + runs[_run].Length <= offset)
            _run++;
        return runs[_run];
    }
}

using System.Buffers;

namespace DbRecovery.Engine.Backups;

/// <summary>Cuts a file into pieces of whole pages, at most a blob's size.</summary>
internal abstract class FileWriter(BackupWriter owner, FileRecord file) : IBackupFileWriter
{
    private readonly int _pieceSize = BlobPipeline.BlobSize / file.Unit * file.Unit;
    private byte[]? _buffer;
    private int _filled;
    private string? _hashesSha256;

    protected BackupWriter Owner { get; } = owner;
    protected FileRecord File { get; } = file;
    protected BlobPipeline Pipeline => Owner.Pipeline;
    // sized once where the size is known: doubling would take three times the memory for a moment
    protected ArrayBufferWriter<byte> Hashes { get; } =
        new((int)Math.Clamp(((file.Entry.ExpectedSize ?? 0) + file.Unit - 1) / file.Unit + 1, 1, Array.MaxLength / PageHashList.HashSize) * PageHashList.HashSize);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        CheckOpen(data.Length);
        while (!data.IsEmpty)
        {
            _buffer ??= Pipeline.RentBuffer();
            var part = Math.Min(data.Length, _pieceSize - _filled);
            data.Span[..part].CopyTo(_buffer.AsSpan(_filled));
            _filled += part;
            data = data[part..];
            if (_filled == _pieceSize)
                await FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public abstract ValueTask ReuseAsync(long length, CancellationToken cancellationToken);

    public async ValueTask<PageHashList> CompleteAsync(CancellationToken cancellationToken)
    {
        if (File.Complete)
            throw BackupWriter.Failed(File.Entry.Path, "it was completed twice");
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        await EndAsync(cancellationToken).ConfigureAwait(false);
        if (File.Entry.Type == BackupEntryType.File)
        {
            File.Digest = KnownDigest ?? FileDigest.OfHash(File.Unit, HashesSha256);
            if (File.Unit == File.Entry.PageSize)
                File.PageHashes = await StoreHashesAsync(cancellationToken).ConfigureAwait(false);
        }
        File.Complete = true;
        return new PageHashList(File.Unit, Hashes.WrittenMemory);
    }

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The digest where it is known without the hashes.</summary>
    protected virtual string? KnownDigest => null;

    /// <summary>Takes a piece over.</summary>
    protected abstract ValueTask TakeAsync(byte[] data, int length, CancellationToken cancellationToken);

    /// <summary>Waits until every piece is worked on, and all page hashes are there.</summary>
    protected abstract ValueTask EndAsync(CancellationToken cancellationToken);

    /// <summary>Stores the page hashes.</summary>
    protected abstract ValueTask<HashSectionDraft> StoreHashesAsync(CancellationToken cancellationToken);

    protected void CheckOpen(long length)
    {
        if (File.Complete || (File.Entry.Type != BackupEntryType.File && length > 0))
            throw BackupWriter.Failed(File.Entry.Path, "content came for what has none or is complete");
    }

    /// <summary>Passes on what is there of a piece.</summary>
    protected async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_filled == 0)
            return;
        var (buffer, length) = (_buffer!, _filled);
        (_buffer, _filled) = (null, 0);
        await TakeAsync(buffer, length, cancellationToken).ConfigureAwait(false);
        Owner.Took(File.Entry, length);
    }

    /// <summary>Adds the hashes of a piece's pages.</summary>
    protected void AddHashes(ReadOnlySpan<byte> digests)
    {
        var count = digests.Length / Sha256BlobIdentity.DigestSize;
        var room = Hashes.GetSpan(count * PageHashList.HashSize);
        for (var i = 0; i < count; i++)
            digests.Slice(i * Sha256BlobIdentity.DigestSize, PageHashList.HashSize).CopyTo(room[(i * PageHashList.HashSize)..]);
        Hashes.Advance(count * PageHashList.HashSize);
    }

    /// <summary>Stores all page hashes as a new base list.</summary>
    protected async ValueTask<HashSectionDraft> StoreBaseAsync(CancellationToken cancellationToken)
    {
        var pieces = await StoreAsync(PageHashStore.Pieces(Hashes.WrittenMemory), cancellationToken).ConfigureAwait(false);
        return new HashSectionDraft(File.Unit, Hashes.WrittenCount / PageHashList.HashSize, HashesSha256, pieces, []);
    }

    protected async ValueTask<List<HashPiece>> StoreAsync(IEnumerable<ReadOnlyMemory<byte>> parts, CancellationToken cancellationToken)
    {
        var pieces = new List<HashPiece>();
        foreach (var part in parts)
        {
            var buffer = Pipeline.RentBuffer();
            part.Span.CopyTo(buffer);
            var blob = await Pipeline.SubmitAsync(buffer, part.Length, BackupWriter.DefaultUnit, compared: false, digests: null, cancellationToken).ConfigureAwait(false);
            pieces.Add(new HashPiece(blob, null));
        }
        return pieces;
    }

    /// <summary>The SHA-256 of all page hashes, once they are there.</summary>
    protected string HashesSha256 => _hashesSha256 ??= FileDigest.HashOf(Hashes.WrittenSpan);
}

/// <summary>Files of a backup that become files of another.</summary>
internal static class FileCopy
{
    /// <summary>Writes all that a reader gives.</summary>
    public static async Task CopyAsync(this IBackupFileWriter to, IBackupFileReader from, CancellationToken cancellationToken)
    {
        var buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(from.Length, BlobPipeline.BlobSize));
        for (long at = 0; at < from.Length; at += buffer.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await to.WriteAsync(buffer.AsMemory(0, from.Read(at, buffer)), cancellationToken).ConfigureAwait(false);
        }
    }
}

/// <summary>Stores all of a file, in blobs as large as the pieces.</summary>
internal sealed class WholeFileWriter(BackupWriter owner, FileRecord file) : FileWriter(owner, file)
{
    private readonly List<PendingBlob> _blobs = [];
    private int _folded;

    /// <summary>The file is the parent's as a whole. What has no pages is small: it is read from there, and stored nowhere again.</summary>
    public override async ValueTask ReuseAsync(long length, CancellationToken cancellationToken)
    {
        CheckOpen(length);
        var entry = Owner.ParentBackup?.EntryOf(File.Entry.Path);
        if (Owner.Parent is null || entry is null || entry.Size != length || entry.HashUnit != File.Unit || File.Size > 0)
            throw BackupWriter.Failed(File.Entry.Path, "the parent does not hold it like this");
        using var reader = await Owner.Parent.OpenFileAsync(File.Entry.Path, cancellationToken).ConfigureAwait(false);
        await this.CopyAsync(reader, cancellationToken).ConfigureAwait(false);
    }

    protected override async ValueTask TakeAsync(byte[] data, int length, CancellationToken cancellationToken)
    {
        var blob = await Pipeline.SubmitAsync(data, length, File.Unit, compared: Owner.ParentBackup is not null && File.Entry.PageSize == 0, digests: null, cancellationToken).ConfigureAwait(false);
        _blobs.Add(blob);
        File.Add(new BlobSlot(blob), 0, length);
        Owner.Changed(File.Entry, length);
        while (_folded < _blobs.Count && _blobs[_folded].Encoding.IsCompletedSuccessfully)
            Fold();
    }

    protected override async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        while (_folded < _blobs.Count)
        {
            await Pipeline.EncodedAsync(_blobs[_folded], cancellationToken).ConfigureAwait(false);
            Fold();
        }
    }

    protected override ValueTask<HashSectionDraft> StoreHashesAsync(CancellationToken cancellationToken) => StoreBaseAsync(cancellationToken);

    /// <summary>Takes a blob's page digests into the file's, in order, and lets go of them.</summary>
    private void Fold()
    {
        var blob = _blobs[_folded++];
        AddHashes(blob.Digests);
        blob.Digests = null;
    }
}

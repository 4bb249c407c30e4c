using System.Runtime.InteropServices;

namespace DbRecovery.Engine.Backups;

/// <summary>Reads a file of a backup at any place. The blobs read last stay decoded: engines read pages that lie side by side.</summary>
internal sealed class BackupFileReader : IBackupFileReader
{
    private const int CachedBlobs = 32;
    private readonly BackupContent _backup;
    private readonly ManifestEntry _entry;
    private readonly BlobIndex _index;
    private readonly CodecContext _codec;
    private readonly object _gate = new();
    private readonly Dictionary<BlobId, LinkedListNode<(BlobId Id, byte[] Data)>> _cached = [];
    private readonly LinkedList<(BlobId Id, byte[] Data)> _recent = new();

    private BackupFileReader(BackupContent backup, ManifestEntry entry, BlobIndex index, ZstdLibrary? zstd) =>
        (_backup, _entry, _index, _codec) = (backup, entry, index, new CodecContext(zstd));

    public static async Task<BackupFileReader> OpenAsync(BackupContent backup, string path, ZstdLibrary? zstd, CancellationToken cancellationToken)
    {
        var entry = backup.Manifest.Entries.FirstOrDefault(e => e.Entry.Path == path && e.Entry.Type == BackupEntryType.File)
            ?? throw new DbRecoveryException(ErrorIds.ObjectNotFound, ErrorKind.NotFound, $"backup {backup.Info.Id} holds no file '{path}'", "Look at its entries.", path);
        var index = await BlobIndex.LoadAsync(backup.Repository, backup.Manifest.Packs, cancellationToken).ConfigureAwait(false);
        return new BackupFileReader(backup, entry, index, zstd);
    }

    public long Length => _entry.Size;

    public int Read(long offset, Span<byte> destination)
    {
        var wanted = (int)Math.Clamp(Length - offset, 0, destination.Length);
        lock (_gate)
        {
            for (var done = 0; done < wanted;)
            {
                var run = _entry.Runs[RunAt(offset + done)];
                var within = offset + done - run.FileOffset;
                var part = (int)Math.Min(run.Length - within, wanted - done);
                Blob(run).AsSpan(run.OffsetInBlob + (int)within, part).CopyTo(destination[done..]);
                done += part;
            }
        }
        return wanted;
    }

    public void Dispose() => _codec.Dispose();

    private int RunAt(long offset)
    {
        var (low, high) = (0, _entry.Runs.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (_entry.Runs[middle].FileOffset <= offset)
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }

    private byte[] Blob(ManifestRun run)
    {
        BlobId.TryParse(run.Blob, out var id);
        ref var node = ref CollectionsMarshal.GetValueRefOrAddDefault(_cached, id, out var known);
        if (known)
        {
            _recent.Remove(node!);
            _recent.AddFirst(node!);
            return node!.Value.Data;
        }
        byte[] data;
        try
        {
            data = Decode(run, id);
        }
        catch
        {
            _cached.Remove(id);
            throw;
        }
        node = _recent.AddFirst((id, data));
        if (_recent.Count > CachedBlobs)
        {
            _cached.Remove(_recent.Last!.Value.Id);
            _recent.RemoveLast();
        }
        return data;
    }

    private byte[] Decode(ManifestRun run, BlobId id)
    {
        var pack = _backup.Manifest.Packs[run.Pack];
        foreach (var location in _index.Find(id, pack))
        {
            var data = new byte[location.Entry.RawLength];
            // engines read synchronously; a directory answers at once
            if (PackReader.TryReadBlobAsync(_backup.Repository, location, _codec, data, CancellationToken.None).GetAwaiter().GetResult() && run.OffsetInBlob + run.Length <= data.Length)
                return data;
        }
        throw new DbRecoveryException(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData,
            $"'{PackFormat.Key(pack)}' in the repository '{_backup.Repository.Storage.Location}' is damaged or missing: backup {_backup.Info.Id} cannot give '{_entry.Entry.Path}' at {run.FileOffset} (blob {run.Blob})",
            "Restore another backup; take a new one, which stores again what is damaged.", PackFormat.Key(pack));
    }
}

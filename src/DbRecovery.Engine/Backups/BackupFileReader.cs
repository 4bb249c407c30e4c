namespace DbRecovery.Engine.Backups;

/// <summary>
/// Reads a file of a backup at any place. The blobs read last stay decoded: engines read pages that lie side by side. Several may read
/// at once, each blob is then decoded once, and different ones on different cores.
/// </summary>
internal sealed class BackupFileReader : IBackupFileReader
{
    private const int CachedBlobs = 32;
    private readonly BackupContent _backup;
    private readonly ManifestEntry _entry;
    private readonly BlobIndex _index;
    private readonly WholeIndex _all;
    private readonly CodecPool _codecs;
    private readonly object _gate = new();
    private readonly Dictionary<BlobId, LinkedListNode<(BlobId Id, Lazy<byte[]> Data)>> _cached = [];
    private readonly LinkedList<(BlobId Id, Lazy<byte[]> Data)> _recent = new();

    private BackupFileReader(BackupContent backup, ManifestEntry entry, BlobIndex index, ZstdLibrary? zstd) =>
        (_backup, _entry, _index, _all, _codecs) = (backup, entry, index, new WholeIndex(backup.Repository), new CodecPool(zstd));

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
        for (var done = 0; done < wanted;)
        {
            var run = _entry.Runs[RunAt(offset + done)];
            var within = offset + done - run.FileOffset;
            var part = (int)Math.Min(run.Length - within, wanted - done);
            Blob(run).AsSpan(run.OffsetInBlob + (int)within, part).CopyTo(destination[done..]);
            done += part;
        }
        return wanted;
    }

    public void Dispose() => _codecs.Dispose();

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
        var blob = Lookup(run, id);
        try
        {
            var data = blob.Value;
            return run.OffsetInBlob + run.Length <= data.Length ? data : throw Damaged(run);
        }
        catch
        {
            Forget(id, blob); // the next reader tries again
            throw;
        }
    }

    private Lazy<byte[]> Lookup(ManifestRun run, BlobId id)
    {
        lock (_gate)
        {
            if (_cached.TryGetValue(id, out var known))
            {
                _recent.Remove(known);
                _recent.AddFirst(known);
                return known.Value.Data;
            }
            // decoded outside the lock, by the first who asks for it
            var added = _recent.AddFirst((id, new Lazy<byte[]>(() => Decode(run, id))));
            _cached.Add(id, added);
            if (_recent.Count > CachedBlobs)
            {
                _cached.Remove(_recent.Last!.Value.Id);
                _recent.RemoveLast();
            }
            return added.Value.Data;
        }
    }

    private void Forget(BlobId id, Lazy<byte[]> blob)
    {
        lock (_gate)
        {
            if (!_cached.TryGetValue(id, out var known) || known.Value.Data != blob)
                return;
            _cached.Remove(id);
            _recent.Remove(known);
        }
    }

    private byte[] Decode(ManifestRun run, BlobId id) =>
        // engines read synchronously; a directory answers at once
        TryDecode(_index.Find(id, _backup.Manifest.Packs[run.Pack]))
        ?? TryDecode(_all.LoadAsync(CancellationToken.None).GetAwaiter().GetResult().Find(id))
        ?? throw Damaged(run);

    private byte[]? TryDecode(IEnumerable<BlobLocation> places)
    {
        var codec = _codecs.Rent();
        try
        {
            foreach (var location in places)
            {
                var data = new byte[location.Entry.RawLength];
                if (PackReader.TryReadBlobAsync(_backup.Repository, location, codec, data, CancellationToken.None).GetAwaiter().GetResult())
                    return data;
            }
            return null;
        }
        finally
        {
            _codecs.Return(codec);
        }
    }

    private DbRecoveryException Damaged(ManifestRun run)
    {
        var pack = PackFormat.Key(_backup.Manifest.Packs[run.Pack]);
        return new DbRecoveryException(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData,
            $"'{pack}' in the repository '{_backup.Repository.Storage.Location}' is damaged or missing: backup {_backup.Info.Id} cannot give '{_entry.Entry.Path}' at {run.FileOffset} (blob {run.Blob})",
            "Restore another backup; take a new one, which stores again what is damaged.", pack);
    }
}

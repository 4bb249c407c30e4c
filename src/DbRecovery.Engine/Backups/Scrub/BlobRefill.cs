namespace DbRecovery.Engine.Backups;

/// <summary>
/// Finds the content of lost blobs: under the same id in another repository; in the same backup's file there; or page by page in other
/// backups of the same file, where the page's hash says that it is the same. Whatever is found counts only if it gives the blob's id.
/// </summary>
internal sealed class BlobRefill(BackupRepository repository, IReadOnlyList<string> manifests, BackupRepository? other, RepositoryDefinition definition, ZstdLibrary? zstd) : IDisposable
{
    private const int Candidates = 8;
    private const int OpenFiles = 4;
    private readonly CodecPool _codecs = new(zstd);
    private readonly Dictionary<(BackupRepository, string), BackupContent?> _contents = [];
    private readonly List<(BackupContent Content, string Path, IBackupFileReader? Reader, PageHashList? Hashes)> _files = [];
    private BlobIndex? _otherIndex;
    private BlobIndex? _ownIndex;

    /// <summary>The data of a blob; null where it is nowhere.</summary>
    public async Task<(byte[] Data, int Unit)?> FindAsync(LostBlob lost, CancellationToken cancellationToken)
    {
        if (other is not null && other.Sealer.CipherId == 0 && repository.Sealer.CipherId == 0)
        {
            _otherIndex ??= await BlobIndex.LoadAsync(other, cancellationToken).ConfigureAwait(false);
            foreach (var place in _otherIndex.Find(lost.Id))
            {
                if (await BlobReader.ReadAsync(other, place, _codecs, cancellationToken).ConfigureAwait(false) is { } found)
                    return (found.Data, found.Entry.PageSize);
            }
        }
        if (lost.Pieces.Count == 0)
            return null;
        var length = await LengthAsync(lost, cancellationToken).ConfigureAwait(false);
        if (length is <= 0 or > PackFormat.MaxBlobSize)
            return null;
        var data = new byte[length];
        var missing = Enumerable.Range(0, Sha256BlobIdentity.PageCount(length, lost.Unit)).ToHashSet();
        foreach (var piece in lost.Pieces)
        {
            await FillAsync(piece, lost.Unit, data, missing, cancellationToken).ConfigureAwait(false);
            if (missing.Count == 0)
                break;
        }
        if (missing.Count > 0)
            return null;
        using var codec = new CodecContext(zstd);
        return PackReader.IdOf(repository.Identity, codec, data, lost.Unit) == lost.Id ? (data, lost.Unit) : null;
    }

    public void Dispose()
    {
        foreach (var file in _files)
            file.Reader?.Dispose();
        _codecs.Dispose();
    }

    /// <summary>The blob's length: an index may still know it of a pack that is gone; else it is at least what files have of it.</summary>
    private async Task<int> LengthAsync(LostBlob lost, CancellationToken cancellationToken)
    {
        _ownIndex ??= await BlobIndex.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        foreach (var place in _ownIndex.Find(lost.Id))
            return place.Entry.RawLength;
        return (int)lost.Pieces.Max(p => p.OffsetInBlob + p.Length);
    }

    private async Task FillAsync(BlobPiece piece, int unit, byte[] data, HashSet<int> missing, CancellationToken cancellationToken)
    {
        if (await ContentAsync(repository, piece.Manifest, cancellationToken).ConfigureAwait(false) is not { } damaged)
            return;
        if (other is not null && await ContentAsync(other, piece.Manifest, cancellationToken).ConfigureAwait(false) is { } same)
            await CopyAsync(piece, unit, data, missing, same, null, cancellationToken).ConfigureAwait(false);
        if (missing.Count == 0 || (await FileAsync(damaged, piece.Path, cancellationToken).ConfigureAwait(false)).Hashes is not { } wanted || wanted.PageSize != unit)
            return;
        foreach (var key in Near(piece.Manifest))
        {
            if (missing.Count == 0)
                return;
            if (await ContentAsync(repository, key, cancellationToken).ConfigureAwait(false) is { } near && near.Manifest.Cluster == damaged.Manifest.Cluster)
                await CopyAsync(piece, unit, data, missing, near, wanted, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The backups of the same origin, nearest in time first: their ids sort by time.</summary>
    private IEnumerable<string> Near(string manifest)
    {
        var folder = manifest[..manifest.LastIndexOf('/', manifest.LastIndexOf('/') - 1)];
        var all = manifests.Where(m => m.StartsWith(folder + "/", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        var at = all.IndexOf(manifest);
        return all.Select((m, i) => (m, i)).Where(x => x.i != at).OrderBy(x => Math.Abs(x.i - at)).Select(x => x.m).Take(Candidates);
    }

    /// <summary>Takes the pages that are still missing out of another file; where hashes are given, only pages that have them.</summary>
    private async Task CopyAsync(BlobPiece piece, int unit, byte[] data, HashSet<int> missing, BackupContent from, PageHashList? wanted, CancellationToken cancellationToken)
    {
        var (reader, hashes) = await FileAsync(from, piece.Path, cancellationToken).ConfigureAwait(false);
        if (reader is null || wanted is not null && hashes?.PageSize != unit)
            return;
        for (var at = 0; at < piece.Length; at += unit)
        {
            var page = (piece.OffsetInBlob + at) / unit;
            var filePage = (int)((piece.FileOffset + at) / unit);
            var length = (int)Math.Min(unit, Math.Min(piece.Length - at, data.Length - (piece.OffsetInBlob + at)));
            if (length <= 0 || !missing.Contains(page) || wanted is not null && (filePage >= wanted.Count || filePage >= hashes!.Count || !wanted[filePage].SequenceEqual(hashes[filePage])))
                continue;
            if (TryRead(reader, piece.FileOffset + at, data.AsSpan(piece.OffsetInBlob + at, length)))
                missing.Remove(page);
        }
    }

    private static bool TryRead(IBackupFileReader reader, long offset, Span<byte> destination)
    {
        try
        {
            return reader.Read(offset, destination) == destination.Length;
        }
        catch (DbRecoveryException)
        {
            // damaged there, too
            return false;
        }
    }

    private async Task<BackupContent?> ContentAsync(BackupRepository at, string key, CancellationToken cancellationToken)
    {
        if (_contents.TryGetValue((at, key), out var known))
            return known;
        try
        {
            var (manifest, bytes) = await ManifestStore.ReadAsync(at, key, cancellationToken).ConfigureAwait(false);
            known = new BackupContent(at, manifest, manifest.ToInfo(definition, bytes), zstd);
        }
        catch (DbRecoveryException)
        {
            // not there, or damaged: another may do
            known = null;
        }
        return _contents[(at, key)] = known;
    }

    private async Task<(IBackupFileReader? Reader, PageHashList? Hashes)> FileAsync(BackupContent content, string path, CancellationToken cancellationToken)
    {
        var at = _files.FindIndex(f => f.Content == content && f.Path == path);
        if (at < 0)
        {
            if (_files.Count == OpenFiles)
            {
                _files[0].Reader?.Dispose();
                _files.RemoveAt(0);
            }
            IBackupFileReader? reader = null;
            PageHashList? hashes = null;
            try
            {
                hashes = await content.ReadPageHashesAsync(path, cancellationToken).ConfigureAwait(false);
                reader = await content.OpenFileAsync(path, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException)
            {
                // it holds no such file, or cannot be read
            }
            _files.Add((content, path, reader, hashes));
            at = _files.Count - 1;
        }
        return (_files[at].Reader, _files[at].Hashes);
    }
}

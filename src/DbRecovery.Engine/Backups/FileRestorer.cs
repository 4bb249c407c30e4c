using System.Buffers;
using DbRecovery.Engine.Files;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Writes a backup's files: blobs decoded and checked on every core, each written at its place. That they were put together rightly, the
/// digest of each file shows: it is made of the hashes by which the blobs were checked, so that nothing is read or hashed twice.
/// </summary>
internal sealed class FileRestorer
{
    private const long WritebackStep = 8 << 20;
    private readonly BackupContent _backup;
    private readonly BlobIndex _index;
    private readonly CodecPool _codecs;
    private readonly bool _durable;
    private readonly IProgress<OperationProgress>? _progress;
    private long _done;

    private FileRestorer(BackupContent backup, BlobIndex index, CodecPool codecs, bool durable, IProgress<OperationProgress>? progress) =>
        (_backup, _index, _codecs, _durable, _progress) = (backup, index, codecs, durable, progress);

    /// <summary>Writes paths of a backup to where <paramref name="placeOf"/> says.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="index">Where its blobs are.</param>
    /// <param name="zstd">The system's libzstd.</param>
    /// <param name="placeOf">Where a path is written.</param>
    /// <param name="durable">Whether files and folders are synced: not for a scratch place.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="part">Which part of the backup.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/> names pack, backup and file.</exception>
    public static async Task RunAsync(BackupContent backup, BlobIndex index, ZstdLibrary? zstd, Func<BackupEntry, string> placeOf, bool durable,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken, BackupEntryPart part = BackupEntryPart.Data)
    {
        using var codecs = new CodecPool(zstd);
        await new FileRestorer(backup, index, codecs, durable, progress).RestoreAsync(placeOf, part, cancellationToken).ConfigureAwait(false);
    }

    private async Task RestoreAsync(Func<BackupEntry, string> placeOf, BackupEntryPart part, CancellationToken cancellationToken)
    {
        var entries = _backup.Manifest.Entries.Where(e => e.Entry.Part == part).Select(e => (Entry: e, Place: placeOf(e.Entry))).ToList();
        foreach (var (entry, place) in entries)
            Directory.CreateDirectory(entry.Entry.Type == BackupEntryType.Directory ? place : Path.GetDirectoryName(place)!);
        var files = entries.Where(e => e.Entry.Entry.Type == BackupEntryType.File).Select(e => new OpenFile(e.Entry, e.Place)).ToList();
        try
        {
            foreach (var empty in files.Where(f => f.Entry.Runs.Count == 0))
            {
                empty.Open();
                await FinishAsync(empty, cancellationToken).ConfigureAwait(false);
            }
            var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(ByBlob(files), options, RestoreBlobAsync).ConfigureAwait(false);
        }
        finally
        {
            foreach (var file in files)
                file.Dispose();
        }
        // links last: a file is never written through one
        foreach (var (entry, place) in entries.Where(e => e.Entry.Entry.Type == BackupEntryType.SymbolicLink))
            CreateLink(place, entry.Entry);
        foreach (var (entry, place) in entries.Where(e => e.Entry.Entry.Type == BackupEntryType.Directory).Reverse())
            SetOwnership(place, entry.Entry);
        if (_durable)
        {
            foreach (var folder in entries.Select(e => e.Entry.Entry.Type == BackupEntryType.Directory ? e.Place : Path.GetDirectoryName(e.Place)!).Distinct())
                DurableFile.SyncFolder(folder);
        }
    }

    /// <summary>The runs of each blob, in the order in which the blobs are first needed: one that many runs share is decoded once.</summary>
    private static IEnumerable<List<(OpenFile File, ManifestRun Run)>> ByBlob(List<OpenFile> files)
    {
        var known = new Dictionary<string, List<(OpenFile, ManifestRun)>>();
        var ordered = new List<List<(OpenFile, ManifestRun)>>();
        foreach (var file in files)
        {
            foreach (var run in file.Entry.Runs)
            {
                if (!known.TryGetValue(run.Blob, out var runs))
                {
                    known[run.Blob] = runs = new List<(OpenFile, ManifestRun)>(1);
                    ordered.Add(runs);
                }
                runs.Add((file, run));
            }
        }
        return ordered;
    }

    private async ValueTask RestoreBlobAsync(List<(OpenFile File, ManifestRun Run)> runs, CancellationToken cancellationToken)
    {
        var (first, blob) = runs[0];
        BlobId.TryParse(blob.Blob, out var id);
        var (buffer, length, digests, unit) = await ReadBlobAsync(first.Entry, blob, id, cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var (file, run) in runs)
            {
                if (run.OffsetInBlob + run.Length > length)
                    throw RepositoryErrors.Corrupt(_backup.Repository.Storage, _backup.Info.Id, $"a run of '{file.Entry.Entry.Path}' reaches past its blob {run.Blob}");
                RandomAccess.Write(file.Open(), buffer.AsSpan(run.OffsetInBlob, (int)run.Length), run.FileOffset);
                file.Hashes?.Take(run, buffer.AsSpan(0, length), digests, unit);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(digests);
        }
        foreach (var (file, run) in runs)
            await RunDoneAsync(file, run, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask RunDoneAsync(OpenFile file, ManifestRun run, CancellationToken cancellationToken)
    {
        var done = Interlocked.Add(ref _done, run.Length);
        _progress?.Report(new OperationProgress($"Restoring {_backup.Info.Cluster}", file.Entry.Entry.Path, done, _backup.Manifest.SizeBytes));
        if (_durable && (run.FileOffset + run.Length) / WritebackStep != run.FileOffset / WritebackStep)
            DurableFile.StartWriteback(file.Open(), run.FileOffset / WritebackStep * WritebackStep, WritebackStep);
        if (file.RunDone())
            await FinishAsync(file, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(byte[] Buffer, int Length, byte[] Digests, int Unit)> ReadBlobAsync(ManifestEntry entry, ManifestRun run, BlobId id, CancellationToken cancellationToken)
    {
        var pack = _backup.Manifest.Packs[run.Pack];
        var codec = _codecs.Rent();
        try
        {
            // any copy will do: what the id names is checked, not where it came from
            foreach (var location in _index.Find(id, pack))
            {
                var buffer = ArrayPool<byte>.Shared.Rent(location.Entry.RawLength);
                if (await PackReader.TryReadBlobAsync(_backup.Repository, location, codec, buffer.AsMemory(0, location.Entry.RawLength), cancellationToken).ConfigureAwait(false))
                {
                    // the codec is the next one's as soon as it is given back
                    var size = Sha256BlobIdentity.PageCount(location.Entry.RawLength, location.Entry.PageSize) * Sha256BlobIdentity.DigestSize;
                    var digests = ArrayPool<byte>.Shared.Rent(size);
                    codec.ScratchOf(size).CopyTo(digests);
                    return (buffer, location.Entry.RawLength, digests, location.Entry.PageSize);
                }
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
        finally
        {
            _codecs.Return(codec);
        }
        throw new DbRecoveryException(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData,
            $"'{PackFormat.Key(pack)}' in the repository '{_backup.Repository.Storage.Location}' is damaged or missing: backup {_backup.Info.Id} cannot restore '{entry.Entry.Path}' at {run.FileOffset} (blob {run.Blob})",
            "Restore another backup; take a new one, which stores again what is damaged.", PackFormat.Key(pack));
    }

    private async Task FinishAsync(OpenFile file, CancellationToken cancellationToken)
    {
        if (RandomAccess.GetLength(file.Open()) != file.Entry.Size)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, $"'{file.Place}' is not {file.Entry.Size} bytes long after it was written", target: file.Place);
        if (file.Hashes is { } hashes && hashes.Digest() != file.Entry.Digest)
            throw RepositoryErrors.Corrupt(_backup.Repository.Storage, _backup.Info.Id, $"the blobs of '{file.Entry.Entry.Path}' are whole, but together they are not the file that was backed up");
        SetOwnership(file.Place, file.Entry.Entry);
        // a long sync must not hold a cancellation up; the handle stays open until it ends
        if (_durable)
            await Task.Run(() => RandomAccess.FlushToDisk(file.Open()), CancellationToken.None).WaitAsync(cancellationToken).ConfigureAwait(false);
        file.Dispose();
    }

    private void CreateLink(string place, BackupEntry entry)
    {
        File.CreateSymbolicLink(place, entry.LinkTarget
            ?? throw RepositoryErrors.Corrupt(_backup.Repository.Storage, _backup.Info.Id, $"the link '{entry.Path}' has no target"));
        SetOwnership(place, entry);
    }

    /// <summary>A scratch place stays this user's own: its files are opened and written by the checks.</summary>
    private void SetOwnership(string path, BackupEntry entry)
    {
        if (_durable)
            FileOwnership.Apply(path, entry);
    }

    /// <summary>A file being written: opened with its first run, closed with its last, so that few are open at once.</summary>
    private sealed class OpenFile(ManifestEntry entry, string place) : IDisposable
    {
        private readonly object _gate = new();
        private FileStream? _stream;
        private int _left = entry.Runs.Count;

        public ManifestEntry Entry { get; } = entry;
        public string Place { get; } = place;
        /// <summary>The hashes of what is written; null where the manifest has no digest to compare with.</summary>
        public WrittenHashes? Hashes { get; } = WrittenHashes.For(entry);

        public SafeFileHandle Open()
        {
            lock (_gate)
                return (_stream ??= Create()).SafeFileHandle;
        }

        public bool RunDone() => Interlocked.Decrement(ref _left) == 0;

        public void Dispose()
        {
            lock (_gate)
                _stream?.Dispose();
        }

        private FileStream Create()
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Read, BufferSize = 0 };
            // a file that only its owner may read must not be open to others while it is written
            if (!OperatingSystem.IsWindows() && Entry.Entry.Mode is not null)
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return new FileStream(Place, options);
        }
    }
}

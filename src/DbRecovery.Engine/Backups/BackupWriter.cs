using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>Takes files from a provider, cuts them into blobs, and keeps what the manifest will say of them.</summary>
internal sealed class BackupWriter : IBackupSink, IAsyncDisposable
{
    /// <summary>The unit of hashing of a file that has no pages.</summary>
    public const int DefaultUnit = 4096;
    private readonly BlobPipeline _pipeline;
    private readonly IRepositoryStorage _storage;
    private readonly string _activity;
    private readonly IProgress<OperationProgress>? _progress;
    private readonly ConcurrentDictionary<string, FileState> _files = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _pageGate = new(1, 1);
    private IStorageWriter? _pages;
    private long _pagesLength;
    private long _bytes;
    private long _expected;
    private int _order;

    public BackupWriter(BlobPipeline pipeline, IRepositoryStorage storage, string activity, IProgress<OperationProgress>? progress) =>
        (_pipeline, _storage, _activity, _progress) = (pipeline, storage, activity, progress);

    /// <summary>Bytes of data taken.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Bytes of page hashes written.</summary>
    public long PageHashBytes => _pagesLength;

    public ValueTask<IBackupFileWriter> BeginAsync(BackupEntry entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (BackupPaths.Defect(entry.Path) is { } defect)
            throw Failed(entry.Path, $"the path {defect}");
        var paged = entry.PageSize is > 0 and <= BlobPipeline.BlobSize;
        var file = new FileState(entry, paged ? entry.PageSize : DefaultUnit, Interlocked.Increment(ref _order));
        if (!_files.TryAdd(entry.Path, file))
            throw Failed(entry.Path, "the path was given twice");
        Interlocked.Add(ref _expected, entry.ExpectedSize ?? 0);
        return ValueTask.FromResult<IBackupFileWriter>(new FileWriter(this, file));
    }

    /// <summary>The manifest's entries and the packs that they refer to, once the pipeline is finished.</summary>
    public (IReadOnlyList<ManifestEntry> Entries, IReadOnlyList<string> Packs) Describe()
    {
        var packs = new List<string>();
        var numbers = new Dictionary<string, int>();
        var entries = new List<ManifestEntry>();
        foreach (var file in _files.Values.OrderBy(f => f.Order))
        {
            if (!file.Complete && file.Entry.Type == BackupEntryType.File)
                throw Failed(file.Entry.Path, "it was not read to its end");
            entries.Add(file.Describe(name =>
            {
                if (!numbers.TryGetValue(name, out var number))
                {
                    numbers[name] = number = packs.Count;
                    packs.Add(name);
                }
                return number;
            }));
        }
        return (entries, packs);
    }

    /// <summary>Makes the page hashes visible under their key; nothing where no file has pages.</summary>
    public async Task CommitPageHashesAsync(string key, CancellationToken cancellationToken)
    {
        if (_pages is not null)
            await _pages.CommitAsync(key, PutMode.Replace, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (_pages is not null)
            await _pages.DisposeAsync().ConfigureAwait(false);
        _pageGate.Dispose();
    }

    private async Task<PageHashSection> WritePageHashesAsync(int pageSize, ReadOnlyMemory<byte> hashes, CancellationToken cancellationToken)
    {
        await _pageGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _pages ??= await _storage.CreateAsync(cancellationToken).ConfigureAwait(false);
            var section = new PageHashSection(pageSize, _pagesLength, hashes.Length, Convert.ToHexString(SHA256.HashData(hashes.Span)).ToLowerInvariant());
            await _pages.WriteAsync(hashes, cancellationToken).ConfigureAwait(false);
            _pagesLength += hashes.Length;
            return section;
        }
        finally
        {
            _pageGate.Release();
        }
    }

    private void Report(string path, int bytes)
    {
        var done = Interlocked.Add(ref _bytes, bytes);
        var expected = Interlocked.Read(ref _expected);
        _progress?.Report(new OperationProgress(_activity, path, done, expected >= done ? expected : null));
    }

    private static DbRecoveryException Failed(string path, string what) =>
        new(ErrorIds.BackupFailed, ErrorKind.Failed, $"'{path}' cannot be backed up: {what}", target: path);

    /// <summary>What is known of a file so far.</summary>
    private sealed class FileState(BackupEntry entry, int unit, int order)
    {
        public BackupEntry Entry { get; } = entry;
        public int Unit { get; } = unit;
        public int Order { get; } = order;
        public long Size { get; set; }
        public bool Complete { get; set; }
        public string? Digest { get; set; }
        public PageHashSection? PageHashes { get; set; }
        public List<PendingBlob> Blobs { get; } = [];

        public ManifestEntry Describe(Func<string, int> numberOf)
        {
            var runs = new List<ManifestRun>(Blobs.Count);
            long at = 0;
            foreach (var blob in Blobs)
            {
                runs.Add(new ManifestRun(at, blob.Length, numberOf(blob.Pack!.Name!), blob.Id.ToString(), 0));
                at += blob.Length;
            }
            return new ManifestEntry { Entry = Entry, Size = Size, HashUnit = Unit, Digest = Digest, PageHashes = PageHashes, Runs = runs };
        }
    }

    private sealed class FileWriter : IBackupFileWriter
    {
        private readonly BackupWriter _owner;
        private readonly FileState _file;
        private readonly int _blobSize;
        private readonly IncrementalHash _digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly ArrayBufferWriter<byte> _hashes;
        private byte[]? _buffer;
        private int _filled;
        private int _folded;

        public FileWriter(BackupWriter owner, FileState file)
        {
            (_owner, _file) = (owner, file);
            _blobSize = BlobPipeline.BlobSize / file.Unit * file.Unit;
            // sized once where the size is known: doubling would take three times the memory for a moment
            var pages = Math.Clamp(((file.Entry.ExpectedSize ?? 0) + file.Unit - 1) / file.Unit + 1, 1, Array.MaxLength / PageHashList.HashSize);
            _hashes = new ArrayBufferWriter<byte>((int)pages * PageHashList.HashSize);
        }

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            if (_file.Complete || (_file.Entry.Type != BackupEntryType.File && !data.IsEmpty))
                throw Failed(_file.Entry.Path, "content came for what has none or is complete");
            while (!data.IsEmpty)
            {
                _buffer ??= _owner._pipeline.RentBuffer();
                var part = Math.Min(data.Length, _blobSize - _filled);
                data.Span[..part].CopyTo(_buffer.AsSpan(_filled));
                _filled += part;
                data = data[part..];
                if (_filled == _blobSize)
                    await SubmitAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        public async ValueTask<PageHashList> CompleteAsync(CancellationToken cancellationToken)
        {
            if (_file.Complete)
                throw Failed(_file.Entry.Path, "it was completed twice");
            if (_filled > 0)
                await SubmitAsync(cancellationToken).ConfigureAwait(false);
            while (_folded < _file.Blobs.Count)
            {
                await _owner._pipeline.EncodedAsync(_file.Blobs[_folded], cancellationToken).ConfigureAwait(false);
                Fold();
            }
            var hashes = new PageHashList(_file.Unit, _hashes.WrittenMemory);
            if (_file.Entry.Type == BackupEntryType.File)
            {
                _file.Digest = FileDigest.Format(_file.Unit, _digest.GetHashAndReset());
                if (_file.Unit == _file.Entry.PageSize)
                    _file.PageHashes = await _owner.WritePageHashesAsync(_file.Unit, hashes.Bytes, cancellationToken).ConfigureAwait(false);
            }
            _file.Complete = true;
            return hashes;
        }

        public ValueTask DisposeAsync()
        {
            _digest.Dispose();
            return ValueTask.CompletedTask;
        }

        private async ValueTask SubmitAsync(CancellationToken cancellationToken)
        {
            var (buffer, length) = (_buffer!, _filled);
            (_buffer, _filled) = (null, 0);
            _file.Blobs.Add(await _owner._pipeline.SubmitAsync(buffer, length, _file.Unit, cancellationToken).ConfigureAwait(false));
            _file.Size += length;
            _owner.Report(_file.Entry.Path, length);
            while (_folded < _file.Blobs.Count && _file.Blobs[_folded].Encoding.IsCompletedSuccessfully)
                Fold();
        }

        /// <summary>Takes a blob's page digests into the file's, in order, and lets go of them.</summary>
        private void Fold()
        {
            var blob = _file.Blobs[_folded++];
            var digests = blob.Digests!;
            _digest.AppendData(digests);
            var count = digests.Length / Sha256BlobIdentity.DigestSize;
            var room = _hashes.GetSpan(count * PageHashList.HashSize);
            for (var i = 0; i < count; i++)
                digests.AsSpan(i * Sha256BlobIdentity.DigestSize, PageHashList.HashSize).CopyTo(room[(i * PageHashList.HashSize)..]);
            _hashes.Advance(count * PageHashList.HashSize);
            blob.Digests = null;
        }
    }
}

using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>A pack that gets its name when it is sealed; runs refer to it before.</summary>
internal sealed class PackReference
{
    public PackReference(string? name = null) => Name = name;

    public string? Name { get; set; }
}

/// <summary>Appends blobs to packs and seals a pack when it is full. One caller at a time.</summary>
internal sealed class PackWriter : IAsyncDisposable
{
    private readonly BackupRepository _repository;
    private readonly int _targetSize;
    private OpenPack? _open;
    private Task _sealing = Task.CompletedTask;

    public PackWriter(BackupRepository repository, int targetSize) => (_repository, _targetSize) = (repository, targetSize);

    /// <summary>The packs sealed so far; complete after <see cref="FinishAsync"/>.</summary>
    public List<PackContents> Sealed { get; } = [];

    /// <summary>Appends a blob and gives the pack that it is in.</summary>
    public async Task<PackReference> AppendAsync(BlobId id, ReadOnlyMemory<byte> payload, int rawLength, int pageSize, BlobCodec codec, CancellationToken cancellationToken)
    {
        // kept before its first byte is written: whatever fails from here on, disposing removes it
        var pack = _open ??= new OpenPack(await _repository.Storage.CreateAsync(cancellationToken).ConfigureAwait(false), _repository.Sealer);
        if (pack.Length == 0)
            await pack.WriteAsync(PackFormat.Header(_repository.Sealer.CipherId, pack.Epoch, pack.Salt.Span), cancellationToken).ConfigureAwait(false);
        var bytes = _repository.Sealer.Seal(pack.Context(_repository.Header.RepoId, id, SealedKind.Blob), payload);
        pack.Entries.Add(new PackEntry(id, (uint)pack.Length, bytes.Length, rawLength, pageSize, codec));
        await pack.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        if (pack.Length >= _targetSize)
            await SealOpenAsync(cancellationToken).ConfigureAwait(false);
        return pack.Reference;
    }

    /// <summary>Seals what is open and waits until every pack is durable.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        if (_open is not null)
            await SealOpenAsync(cancellationToken).ConfigureAwait(false);
        await _sealing.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _sealing.ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbRecoveryException or OperationCanceledException)
        {
            // reported by the append or finish that met it, or of no interest once the backup is given up
        }
        if (_open is not null)
            await _open.Writer.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The sync of a pack takes as long as filling the next: it goes on beside it, but never two at once.</summary>
    private async Task SealOpenAsync(CancellationToken cancellationToken)
    {
        await _sealing.ConfigureAwait(false);
        var pack = _open!;
        _open = null;
        _sealing = Task.Run(() => SealAsync(pack, cancellationToken), CancellationToken.None);
    }

    private async Task SealAsync(OpenPack pack, CancellationToken cancellationToken)
    {
        await using (pack.Writer.ConfigureAwait(false))
        {
            var trailer = _repository.Sealer.Seal(pack.Context(_repository.Header.RepoId, default, SealedKind.Trailer), PackFormat.Trailer(pack.Entries));
            await pack.WriteAsync(trailer, cancellationToken).ConfigureAwait(false);
            await pack.WriteAsync(PackFormat.Footer(trailer.Span, pack.Entries.Count), cancellationToken).ConfigureAwait(false);
            var name = Convert.ToHexString(pack.Hash.GetHashAndReset()).ToLowerInvariant();
            pack.Hash.Dispose();
            // a pack of that name has the same bytes, unless it is damaged: then this one heals it
            await pack.Writer.CommitAsync(PackFormat.Key(name), PutMode.Replace, cancellationToken).ConfigureAwait(false);
            pack.Reference.Name = name;
            Sealed.Add(new PackContents(name, pack.Length, pack.Entries));
        }
    }

    private sealed class OpenPack(IStorageWriter writer, IBlobSealer sealer)
    {
        private int _sequence;

        public IStorageWriter Writer { get; } = writer;
        public uint Epoch { get; } = sealer.CurrentEpoch;
        public ReadOnlyMemory<byte> Salt { get; } = sealer.NewPackSalt();
        public PackReference Reference { get; } = new();
        public IncrementalHash Hash { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        public List<PackEntry> Entries { get; } = [];
        public long Length { get; private set; }

        public SealContext Context(Guid repository, BlobId blob, SealedKind kind) => new(repository, Epoch, Salt, _sequence++, blob, kind);

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Hash.AppendData(bytes.Span);
            Length += bytes.Length;
            await Writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
    }
}

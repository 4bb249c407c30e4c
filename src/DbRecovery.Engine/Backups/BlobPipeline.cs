using System.Collections.Concurrent;
using System.Threading.Channels;

namespace DbRecovery.Engine.Backups;

/// <summary>A blob on its way: what is known of it grows as it goes through the pipeline.</summary>
internal sealed class PendingBlob(byte[] data, int length, int pageSize, bool compared)
{
    public byte[]? Data { get; set; } = data;
    public int Length { get; } = length;
    public int PageSize { get; } = pageSize;
    /// <summary>Whether it belongs to a file that is compared with the parent's, and may rest on the parent's packs.</summary>
    public bool Compared { get; } = compared;
    /// <summary>Ends when the data is hashed, compressed and checked.</summary>
    public Task Encoding { get; set; } = Task.CompletedTask;
    public byte[]? Digests { get; set; }
    public BlobId Id { get; set; }
    public BlobCodec Codec { get; set; }
    public byte[]? Payload { get; set; }
    public int PayloadLength { get; set; }
    /// <summary>The pack that holds it, once that is decided.</summary>
    public PackReference? Pack { get; set; }
}

/// <summary>
/// Hashes, compresses and checks blobs on every core, and appends them to packs in the order in which they came.
/// Memory is bounded by the channel: about two blobs a core in flight, whatever the size of the backup.
/// </summary>
/// <remarks>
/// A full ignores every parent, reads and hashes all data, and yet costs no space for what did not change: a blob that is in the
/// repository is referred to, but only after its whole pack was read and still has the hash that is its name. So a new backup never
/// rests on bytes that nobody looked at, and stores again whatever lies in a damaged pack. An increment is about what changed: it takes
/// over what is in its parent's packs by their presence and size, and stores everything else anew. Tests and scrubs read the packs.
/// </remarks>
internal sealed class BlobPipeline : IAsyncDisposable
{
    public const int BlobSize = 1 << 20;
    private const int MaxWorkers = 8;
    private readonly BackupRepository _repository;
    private readonly BlobIndex _index;
    private readonly BlobCodec _codec;
    private readonly bool _portable;
    private readonly IReadOnlySet<string> _parentPacks;
    private readonly CodecPool _codecs;
    private readonly PackWriter _packs;
    private readonly ConcurrentBag<byte[]> _buffers = [];
    private readonly ConcurrentDictionary<BlobId, PackReference> _written = new();
    private readonly PackTrust _trust;
    private readonly Channel<PendingBlob> _channel;
    private readonly CancellationTokenSource _stop;
    private readonly Task _writing;
    private Exception? _fault;

    /// <summary>Starts a pipeline.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="index">What is in it.</param>
    /// <param name="zstd">The system's libzstd.</param>
    /// <param name="workers">Blobs encoded at once.</param>
    /// <param name="packSize">Bytes at which a pack is sealed.</param>
    /// <param name="portable">Whether only raw and gzip are written and referred to.</param>
    /// <param name="parentPacks">The parent's packs that are there whole, as far as their sizes tell; empty without a parent.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public BlobPipeline(BackupRepository repository, BlobIndex index, ZstdLibrary? zstd, int workers, int packSize, bool portable, IReadOnlySet<string> parentPacks, CancellationToken cancellationToken)
    {
        (_repository, _index, _portable, _parentPacks, _trust) = (repository, index, portable, parentPacks, new PackTrust(repository.Storage));
        _codec = portable ? BlobCodec.Gzip : repository.Codec(zstd);
        Window = workers * 2;
        _codecs = new CodecPool(zstd);
        _packs = new PackWriter(repository, packSize);
        _channel = Channel.CreateBounded<PendingBlob>(new BoundedChannelOptions(workers * 2) { SingleReader = true });
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _writing = Task.Run(WriteAllAsync, CancellationToken.None);
    }

    /// <summary>Blobs encoded at once where nothing else is said: one a core, bounded.</summary>
    public static int DefaultWorkers => Math.Clamp(Environment.ProcessorCount, 1, MaxWorkers);

    /// <summary>Pieces that should be under way at once.</summary>
    public int Window { get; }

    /// <summary>The packs written; complete after <see cref="FinishAsync"/>.</summary>
    public IReadOnlyList<PackContents> Packs => _packs.Sealed;

    /// <summary>Gives a buffer of <see cref="BlobSize"/>.</summary>
    public byte[] RentBuffer() => _buffers.TryTake(out var buffer) ? buffer : GC.AllocateUninitializedArray<byte>(BlobSize);

    /// <summary>Takes back a buffer that was not submitted.</summary>
    public void ReturnBuffer(byte[] buffer) => _buffers.Add(buffer);

    /// <summary>Begins to hash the pages of a piece that may turn out not to be needed.</summary>
    public Task<byte[]> HashAsync(byte[] data, int length, int pageSize) => Task.Run(() => Hash(data.AsSpan(0, length), pageSize), _stop.Token);

    /// <summary>Takes a filled buffer over.</summary>
    /// <param name="data">The buffer.</param>
    /// <param name="length">Bytes in it.</param>
    /// <param name="pageSize">The unit of hashing.</param>
    /// <param name="compared">Whether its file is compared with the parent's.</param>
    /// <param name="digests">The SHA-256 of each of its pages where they are known; null: they are computed.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async ValueTask<PendingBlob> SubmitAsync(byte[] data, int length, int pageSize, bool compared, byte[]? digests, CancellationToken cancellationToken)
    {
        var pending = new PendingBlob(data, length, pageSize, compared) { Digests = digests };
        await Guarded(async () =>
        {
            // the place in the channel is taken first, or a slow disk would let encoded blobs pile up
            await _channel.Writer.WaitToWriteAsync(_stop.Token).ConfigureAwait(false);
            pending.Encoding = Task.Run(() => EncodeAsync(pending), _stop.Token);
            await _channel.Writer.WriteAsync(pending, _stop.Token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        return pending;
    }

    /// <summary>Waits until a blob is hashed.</summary>
    public Task EncodedAsync(PendingBlob pending, CancellationToken cancellationToken) => Guarded(() => pending.Encoding, cancellationToken);

    /// <summary>Waits for the digests of a piece.</summary>
    public async Task<byte[]> HashedAsync(Task<byte[]> hashing, CancellationToken cancellationToken)
    {
        await Guarded(() => hashing, cancellationToken).ConfigureAwait(false);
        return await hashing.ConfigureAwait(false);
    }

    /// <summary>Waits until every blob is in a durable pack.</summary>
    public Task FinishAsync(CancellationToken cancellationToken) => Guarded(async () =>
    {
        _channel.Writer.TryComplete();
        await _writing.ConfigureAwait(false);
        await _packs.FinishAsync(_stop.Token).ConfigureAwait(false);
    }, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _channel.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        try
        {
            await _writing.ConfigureAwait(false);
        }
        catch (Exception)
        {
            // met before by whoever submitted or finished
        }
        // those still encoding hold contexts and buffers
        while (_channel.Reader.TryRead(out var left))
            await left.Encoding.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        await _packs.DisposeAsync().ConfigureAwait(false);
        _codecs.Dispose();
        _stop.Dispose();
    }

    private async Task WriteAllAsync()
    {
        try
        {
            await foreach (var pending in _channel.Reader.ReadAllAsync(_stop.Token).ConfigureAwait(false))
            {
                await pending.Encoding.ConfigureAwait(false);
                await WriteAsync(pending).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // whoever waits for room must learn the cause, not the cancellation that follows from it
            Interlocked.CompareExchange(ref _fault, e, null);
            await _stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task WriteAsync(PendingBlob pending)
    {
        if (pending.Pack is null && _written.TryGetValue(pending.Id, out var known))
            pending.Pack = known;
        if (pending.Pack is null)
        {
            pending.Pack = await _packs.AppendAsync(pending.Id, pending.Payload.AsMemory(0, pending.PayloadLength), pending.Length, pending.PageSize, pending.Codec, _stop.Token).ConfigureAwait(false);
            _written[pending.Id] = pending.Pack;
        }
        Release(pending);
    }

    private async Task EncodeAsync(PendingBlob pending)
    {
        var codec = _codecs.Rent();
        try
        {
            pending.Digests ??= Hash(pending.Data.AsSpan(0, pending.Length), pending.PageSize);
            pending.Id = _repository.Identity.Identify(pending.Digests, pending.PageSize, pending.Length);
            if (_written.TryGetValue(pending.Id, out var written))
                pending.Pack = written;
            else if (await _trust.FindAsync(_index, pending.Id, _portable, _stop.Token, pending.Compared ? _parentPacks : null).ConfigureAwait(false) is { } stored)
                pending.Pack = new PackReference(stored);
            else
                Compress(pending, codec);
        }
        finally
        {
            _codecs.Return(codec);
        }
    }

    private byte[] Hash(ReadOnlySpan<byte> data, int pageSize)
    {
        var digests = new byte[Sha256BlobIdentity.PageCount(data.Length, pageSize) * Sha256BlobIdentity.DigestSize];
        _repository.Identity.HashPages(data, pageSize, digests);
        return digests;
    }

    private void Compress(PendingBlob pending, CodecContext codec)
    {
        var data = pending.Data.AsSpan(0, pending.Length);
        var (payload, check) = (RentBuffer(), RentBuffer());
        var compressed = codec.CompressChecked(_codec, data, payload, check);
        _buffers.Add(check);
        if (compressed is not { } length)
        {
            _buffers.Add(payload);
            (pending.Codec, pending.Payload, pending.PayloadLength, pending.Data) = (BlobCodec.Raw, pending.Data, pending.Length, null);
            return;
        }
        (pending.Codec, pending.Payload, pending.PayloadLength) = (_codec, payload, length);
        _buffers.Add(pending.Data!);
        pending.Data = null;
    }

    private void Release(PendingBlob pending)
    {
        if (pending.Data is not null)
            _buffers.Add(pending.Data);
        if (pending.Payload is not null)
            _buffers.Add(pending.Payload);
        (pending.Data, pending.Payload) = (null, null);
    }

    private async Task Guarded(Func<Task> work, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_fault is { } fault and not OperationCanceledException)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(fault);
            throw;
        }
    }
}

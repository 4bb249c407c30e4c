using System.Collections.Concurrent;
using System.IO.Compression;

namespace DbRecovery.Engine.Backups;

/// <summary>How a blob is compressed: the byte in the pack.</summary>
internal enum BlobCodec : byte
{
    /// <summary>Not at all.</summary>
    Raw = 0,
    /// <summary>RFC 1952.</summary>
    Gzip = 1,
    /// <summary>RFC 7932.</summary>
    Brotli = 2,
    /// <summary>RFC 8878.</summary>
    Zstd = 3,
}

/// <summary>Compresses and decompresses for one worker at a time, and keeps the library's contexts between calls.</summary>
internal sealed class CodecContext : IDisposable
{
    private const int ZstdLevel = 1;
    private const int BrotliQuality = 1;
    private const int BrotliWindow = 20;
    private readonly ZstdLibrary? _zstd;
    private nint _compressor;
    private nint _decompressor;

    public CodecContext(ZstdLibrary? zstd) => _zstd = zstd;

    ~CodecContext() => Free();

    /// <summary>Room for digests of a blob's pages, for the worker that holds this context.</summary>
    public byte[] Scratch { get; private set; } = [];

    public Span<byte> ScratchOf(int size)
    {
        if (Scratch.Length < size)
            Scratch = GC.AllocateUninitializedArray<byte>(size);
        return Scratch.AsSpan(0, size);
    }

    /// <summary>Compresses into less room than the source takes; null where that cannot be done.</summary>
    public int? Compress(BlobCodec codec, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var room = destination[..Math.Min(destination.Length, Math.Max(0, source.Length - 1))];
        if (room.IsEmpty)
            return null;
        return codec switch
        {
            BlobCodec.Zstd => CompressZstd(source, room),
            BlobCodec.Brotli => BrotliEncoder.TryCompress(source, room, out var written, BrotliQuality, BrotliWindow) ? written : null,
            BlobCodec.Gzip => CompressGzip(source, room),
            _ => null,
        };
    }

    /// <summary>Compresses, and makes sure that it comes out as it went in: a compressor with a bug must not be found out by a restore.</summary>
    /// <param name="codec">How.</param>
    /// <param name="source">The data.</param>
    /// <param name="destination">Room for the compressed bytes.</param>
    /// <param name="check">Room for the data once more.</param>
    /// <returns>The compressed bytes; null where they would take as much room as the data, or do not come out right.</returns>
    public int? CompressChecked(BlobCodec codec, ReadOnlySpan<byte> source, Span<byte> destination, Span<byte> check)
    {
        if (Compress(codec, source, destination) is not { } length)
            return null;
        var back = check[..source.Length];
        return Decompress(codec, destination[..length], back) && back.SequenceEqual(source) ? length : null;
    }

    /// <summary>Decompresses; false where the result is not exactly as long as the destination.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LibraryMissing"/>: zstd, and the system has no libzstd.</exception>
    public bool Decompress(BlobCodec codec, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        switch (codec)
        {
            case BlobCodec.Raw:
                return source.Length == destination.Length && source.TryCopyTo(destination);
            case BlobCodec.Zstd:
                return DecompressZstd(source, destination) == destination.Length;
            case BlobCodec.Brotli:
                return BrotliDecoder.TryDecompress(source, destination, out var written) && written == destination.Length;
            case BlobCodec.Gzip:
                return DecompressGzip(source, destination);
            default:
                return false;
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private int? CompressZstd(ReadOnlySpan<byte> source, Span<byte> room)
    {
        if (_zstd is null)
            return null;
        if (_compressor == 0)
            _compressor = _zstd.CreateCompressor();
        return _zstd.Compress(_compressor, source, room, ZstdLevel);
    }

    private int? DecompressZstd(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (_zstd is null)
            throw new DbRecoveryException(ErrorIds.LibraryMissing, ErrorKind.MissingDependency,
                "the backup is compressed with zstd, and this machine has no libzstd", "Install it: libzstd1 (Debian, Ubuntu), libzstd (Fedora, Alpine), zstd (Homebrew), zstd.dll on the PATH (Windows).");
        if (_decompressor == 0)
            _decompressor = _zstd.CreateDecompressor();
        return _zstd.Decompress(_decompressor, source, destination);
    }

    private static int? CompressGzip(ReadOnlySpan<byte> source, Span<byte> room)
    {
        using var output = new MemoryStream(source.Length / 2);
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true))
            gzip.Write(source);
        if (output.Length > room.Length)
            return null;
        output.GetBuffer().AsSpan(0, (int)output.Length).CopyTo(room);
        return (int)output.Length;
    }

    private static bool DecompressGzip(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        try
        {
            using var gzip = new GZipStream(new MemoryStream(source.ToArray()), CompressionMode.Decompress);
            return gzip.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) == destination.Length && gzip.ReadByte() < 0;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    private void Free()
    {
        if (_compressor != 0)
            _zstd!.FreeCompressor(_compressor);
        if (_decompressor != 0)
            _zstd!.FreeDecompressor(_decompressor);
        (_compressor, _decompressor) = (0, 0);
    }
}

/// <summary>The contexts that no worker holds now. A compression context costs more to make than a blob to compress.</summary>
internal sealed class CodecPool(ZstdLibrary? zstd) : IDisposable
{
    private readonly ConcurrentBag<CodecContext> _free = [];

    public CodecContext Rent() => _free.TryTake(out var context) ? context : new CodecContext(zstd);

    public void Return(CodecContext context) => _free.Add(context);

    public void Dispose()
    {
        while (_free.TryTake(out var context))
            context.Dispose();
    }
}

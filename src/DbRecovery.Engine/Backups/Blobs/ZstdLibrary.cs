using System.Runtime.InteropServices;

namespace DbRecovery.Engine.Backups;

/// <summary>The system's libzstd, as far as blobs need it. API: facebook.github.io/zstd/zstd_manual.html, "Explicit context".</summary>
internal sealed unsafe class ZstdLibrary
{
    private static readonly Lazy<ZstdLibrary?> Loaded = new(Load);

    private readonly delegate* unmanaged[Cdecl]<nint> _createCompressor;
    private readonly delegate* unmanaged[Cdecl]<nint, nuint> _freeCompressor;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, int, nuint> _compress;
    private readonly delegate* unmanaged[Cdecl]<nint> _createDecompressor;
    private readonly delegate* unmanaged[Cdecl]<nint, nuint> _freeDecompressor;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, nuint> _decompress;
    private readonly delegate* unmanaged[Cdecl]<nuint, uint> _isError;

    private ZstdLibrary(nint library)
    {
        _createCompressor = (delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(library, "ZSTD_createCCtx");
        _freeCompressor = (delegate* unmanaged[Cdecl]<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeCCtx");
        _compress = (delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_compressCCtx");
        _createDecompressor = (delegate* unmanaged[Cdecl]<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");
        _freeDecompressor = (delegate* unmanaged[Cdecl]<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");
        _decompress = (delegate* unmanaged[Cdecl]<nint, byte*, nuint, byte*, nuint, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressDCtx");
        _isError = (delegate* unmanaged[Cdecl]<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
    }

    /// <summary>The library; null where the system has none.</summary>
    public static ZstdLibrary? Instance => Loaded.Value;

    public nint CreateCompressor() => _createCompressor();
    public void FreeCompressor(nint context) => _freeCompressor(context);
    public nint CreateDecompressor() => _createDecompressor();
    public void FreeDecompressor(nint context) => _freeDecompressor(context);

    /// <summary>Compresses; null where the result does not fit.</summary>
    public int? Compress(nint context, ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        fixed (byte* from = source, to = destination)
        {
            var length = _compress(context, to, (nuint)destination.Length, from, (nuint)source.Length, level);
            return _isError(length) != 0 ? null : (int)length;
        }
    }

    /// <summary>Decompresses; null where the data is damaged or the result does not fit.</summary>
    public int? Decompress(nint context, ReadOnlySpan<byte> source, Span<byte> destination)
    {
        fixed (byte* from = source, to = destination)
        {
            var length = _decompress(context, to, (nuint)destination.Length, from, (nuint)source.Length);
            return _isError(length) != 0 ? null : (int)length;
        }
    }

    private static ZstdLibrary? Load()
    {
        string[] names = OperatingSystem.IsWindows() ? ["zstd.dll", "libzstd.dll"]
            : OperatingSystem.IsMacOS() ? ["libzstd.1.dylib", "/opt/homebrew/lib/libzstd.1.dylib", "/usr/local/lib/libzstd.1.dylib"]
            : ["libzstd.so.1"];
        foreach (var name in names)
        {
            if (!NativeLibrary.TryLoad(name, out var library))
                continue;
            try
            {
                return new ZstdLibrary(library);
            }
            catch (EntryPointNotFoundException)
            {
                NativeLibrary.Free(library);
            }
        }
        return null;
    }
}

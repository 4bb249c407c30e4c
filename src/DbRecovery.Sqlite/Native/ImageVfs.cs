using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Native;

/// <summary>A read-only connection to a <see cref="IDatabaseImage"/>.</summary>
internal sealed class ImageConnection : IDisposable
{
    private GCHandle _image;

    private ImageConnection(SqliteConnection connection, GCHandle image, string uri) => (Connection, _image, Uri) = (connection, image, uri);

    /// <summary>The connection.</summary>
    internal SqliteConnection Connection { get; }

    /// <summary>What another connection can attach, as long as this one is open.</summary>
    internal string Uri { get; }

    /// <summary>Opens an image. It must outlive the connection.</summary>
    /// <param name="image">The image.</param>
    /// <param name="path">What errors call it.</param>
    /// <param name="attachWritable">Whether files that are attached may be written; the image never is.</param>
    internal static ImageConnection Open(IDatabaseImage image, string path, bool attachWritable = false)
    {
        SqliteLibrary.EnsureLoaded();
        var handle = GCHandle.Alloc(image);
        try
        {
            var name = ((nint)GCHandle.ToIntPtr(handle)).ToString("x", CultureInfo.InvariantCulture);
            var uri = $"file:/{name}?vfs={ImageVfs.Name}";
            var connection = SqliteConnections.OpenUri(uri, path, attachWritable ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadOnly);
            // sorters would otherwise ask this file system for temporary files
            raw.sqlite3_exec(connection.Handle, "PRAGMA temp_store = MEMORY");
            return new ImageConnection(connection, handle, uri);
        }
        catch
        {
            handle.Free();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Connection.Dispose();
        if (_image.IsAllocated)
            _image.Free();
    }
}

/// <summary>
/// A file system for SQLite (https://www.sqlite.org/vfs.html) whose files are images in this process: without locks,
/// without journals, and without any way to write.
/// </summary>
internal static unsafe class ImageVfs
{
    private const int Ok = 0, IoError = 10, CantOpen = 14, ReadOnly = 8, NotFound = 12, ShortRead = 522;
    private const int OpenReadOnly = 1, OpenMainDb = 0x100;
    private const int Immutable = 0x2000; // SQLITE_IOCAP_IMMUTABLE

    private static readonly Lazy<string> Registered = new(Register, LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>The name by which a URI asks for it; it is registered by the first use.</summary>
    internal static string Name => Registered.Value;

    /// <summary>The URI of a file in the usual file system, for a connection whose own one may be this.</summary>
    internal static string UriOf(string path)
    {
        var full = Path.GetFullPath(path).Replace('\\', '/');
        var usual = (Vfs*)sqlite3_vfs_find(0);
        return $"file://{(full.StartsWith('/') ? "" : "/")}{Uri.EscapeDataString(full).Replace("%2F", "/", StringComparison.Ordinal)}?vfs={Marshal.PtrToStringUTF8(usual->Name)}";
    }

#pragma warning disable CS0649 // the members that are not set are copied from the usual file system
    private struct Vfs
    {
        internal int Version, FileSize, MaxPath;
        internal nint Next, Name, AppData;
        internal nint Open, Delete, Access, FullPathname, DlOpen, DlError, DlSym, DlClose, Randomness, Sleep, CurrentTime, GetLastError;
    }
#pragma warning restore CS0649

    private struct ImageFile
    {
        internal nint Methods;
        internal nint Image;
    }

    // unmanaged memory that SQLite keeps for as long as the process lives
    private static string Register()
    {
        var name = $"dbrecovery-image-{Guid.NewGuid():n}"; // another copy of this assembly has a file system of its own
        var usual = (Vfs*)sqlite3_vfs_find(0);
        var vfs = (Vfs*)NativeMemory.AllocZeroed((nuint)sizeof(Vfs));
        *vfs = *usual;
        vfs->Version = 1;
        vfs->FileSize = sizeof(ImageFile);
        vfs->Next = 0;
        vfs->Name = Marshal.StringToCoTaskMemUTF8(name);
        vfs->AppData = (nint)Methods();
        vfs->Open = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, ImageFile*, int, int*, int>)&Open;
        vfs->Delete = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int>)&Delete;
        vfs->Access = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int*, int>)&Access;
        vfs->FullPathname = (nint)(delegate* unmanaged[Cdecl]<Vfs*, byte*, int, byte*, int>)&FullPathname;
        var code = sqlite3_vfs_register(vfs, 0);
        return code == Ok ? name : throw new InvalidOperationException($"SQLite refused a file system (code {code})");
    }

    private static nint* Methods()
    {
        var table = (nint*)NativeMemory.AllocZeroed(13, (nuint)sizeof(nint));
        *(int*)table = 1;
        table[1] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int>)&Close;
        table[2] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, byte*, int, long, int>)&Read;
        table[3] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, byte*, int, long, int>)&Write;
        table[4] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, long, int>)&Truncate;
        table[5] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int, int>)&Nothing;
        table[6] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, long*, int>)&FileSize;
        table[7] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int, int>)&Nothing;
        table[8] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int, int>)&Nothing;
        table[9] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int*, int>)&CheckReservedLock;
        table[10] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int, void*, int>)&FileControl;
        table[11] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int>)&SectorSize;
        table[12] = (nint)(delegate* unmanaged[Cdecl]<ImageFile*, int>)&Characteristics;
        return table;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(Vfs* vfs, byte* name, ImageFile* file, int flags, int* outFlags)
    {
        file->Methods = 0; // SQLite then calls nothing on a file that was not opened
        if (name == null || (flags & OpenMainDb) == 0
            || !nint.TryParse(Marshal.PtrToStringUTF8((nint)name)![1..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var image))
            return CantOpen;
        file->Image = image;
        file->Methods = vfs->AppData;
        if (outFlags != null)
            *outFlags = OpenReadOnly | OpenMainDb;
        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Read(ImageFile* file, byte* buffer, int count, long offset)
    {
        try
        {
            var span = new Span<byte>(buffer, count);
            var read = Image(file).Read(offset, span);
            if (read == count)
                return Ok;
            span[read..].Clear();
            return ShortRead;
        }
        catch (Exception)
        {
            return IoError; // no exception may cross into SQLite
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FileSize(ImageFile* file, long* size)
    {
        try
        {
            *size = Image(file).Length;
            return Ok;
        }
        catch (Exception)
        {
            return IoError;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(ImageFile* file) => Ok;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(ImageFile* file, byte* buffer, int count, long offset) => ReadOnly;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(ImageFile* file, long size) => ReadOnly;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Nothing(ImageFile* file, int flags) => Ok;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int CheckReservedLock(ImageFile* file, int* held)
    {
        *held = 0;
        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FileControl(ImageFile* file, int operation, void* argument) => NotFound;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SectorSize(ImageFile* file) => 4096;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Characteristics(ImageFile* file) => Immutable;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Delete(Vfs* vfs, byte* name, int sync) => ReadOnly;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Access(Vfs* vfs, byte* name, int flags, int* result)
    {
        *result = 0; // there is never a journal beside an image
        return Ok;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FullPathname(Vfs* vfs, byte* name, int size, byte* full)
    {
        for (var i = 0; i < size; i++)
        {
            full[i] = name[i];
            if (name[i] == 0)
                return Ok;
        }
        return CantOpen;
    }

    private static IDatabaseImage Image(ImageFile* file) => (IDatabaseImage)GCHandle.FromIntPtr(file->Image).Target!;

    [DllImport(SqliteLibrary.Name, CallingConvention = CallingConvention.Cdecl)]
    private static extern nint sqlite3_vfs_find(nint name);

    [DllImport(SqliteLibrary.Name, CallingConvention = CallingConvention.Cdecl)]
    private static extern int sqlite3_vfs_register(Vfs* vfs, int makeDefault);
}

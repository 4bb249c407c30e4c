using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Native;

/// <summary>The locks of a SQLite file object, weakest first (https://sqlite.org/c3ref/c_lock_exclusive.html).</summary>
internal enum FileLock
{
    None = 0,
    Shared = 1,
    Reserved = 2,
    Pending = 3,
    Exclusive = 4,
}

/// <summary>
/// SQLite's own file object of an open connection, called below the pager.
/// </summary>
/// <remarks>
/// A POSIX lock belongs to the process, and closing any descriptor of a file drops all locks that the process has on it. A descriptor
/// of our own on a live database would, when closed, take away the locks of every other connection in this process. SQLite's VFS
/// keeps account of that (it defers the close while locks are held), so whatever is read from or locked on a live file goes through it.
/// </remarks>
internal sealed unsafe class SqliteFile
{
    private const int Ok = 0, Busy = 5, IoErrShortRead = 522, ReadOnlyCantInit = 1288;
    private const int FcntlFilePointer = 7, FcntlJournalPointer = 28;
    private const int ShmUnlockFlag = 1, ShmLockFlag = 2, ShmExclusiveFlag = 8;

    // sqlite3_io_methods: iVersion, then xClose and so on, each a pointer wide
    private const int Read_ = 2, FileSize_ = 6, Lock_ = 7, Unlock_ = 8, ShmMap_ = 13, ShmLock_ = 14, ShmBarrier_ = 15, ShmUnmap_ = 16;

    private readonly SqliteConnection _owner; // the file object lives as long as its connection
    private readonly IntPtr _file;
    private readonly string _path;

    private SqliteFile(SqliteConnection owner, IntPtr file, string path) => (_owner, _file, _path) = (owner, file, path);

    /// <summary>The database file of an open connection.</summary>
    internal static SqliteFile Database(SqliteConnection connection) => Get(connection, FcntlFilePointer, connection.DataSource);

    /// <summary>The write-ahead log of an open connection that is in WAL mode and has read.</summary>
    internal static SqliteFile WriteAheadLog(SqliteConnection connection) => Get(connection, FcntlJournalPointer, connection.DataSource + "-wal");

    private static SqliteFile Get(SqliteConnection connection, int operation, string path)
    {
        IntPtr file = IntPtr.Zero;
        var code = NativeFileControl(connection.Handle!.DangerousGetHandle(), "main", operation, &file);
        if (code != Ok || file == IntPtr.Zero || *(IntPtr*)file == IntPtr.Zero)
            throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"SQLite gave no file object for {path} (code {code})", target: path);
        return new SqliteFile(connection, file, path);
    }

    [DllImport(SqliteLibrary.Name, EntryPoint = "sqlite3_file_control", CallingConvention = CallingConvention.Cdecl)]
    private static extern int NativeFileControl(IntPtr db, [MarshalAs(UnmanagedType.LPUTF8Str)] string name, int operation, void* argument);

    private IntPtr Method(int index)
    {
        if (_owner.State != System.Data.ConnectionState.Open)
            throw new ObjectDisposedException(nameof(SqliteFile), _path);
        var method = (*(IntPtr**)_file)[index];
        return method != IntPtr.Zero ? method : throw new NotSupportedException($"the VFS of {_path} lacks method {index}");
    }

    /// <summary>The file's size in bytes.</summary>
    internal long Size()
    {
        long size;
        Check(((delegate* unmanaged[Cdecl]<IntPtr, long*, int>)Method(FileSize_))(_file, &size), "size");
        return size;
    }

    /// <summary>Fills the buffer from an offset; what lies beyond the file's end is zero. Gives whether all of it was there.</summary>
    internal bool Read(Span<byte> buffer, long offset)
    {
        fixed (byte* bytes = buffer)
        {
            var code = ((delegate* unmanaged[Cdecl]<IntPtr, void*, int, long, int>)Method(Read_))(_file, bytes, buffer.Length, offset);
            if (code == IoErrShortRead)
                return false;
            Check(code, $"read at {offset}");
            return true;
        }
    }

    /// <summary>Raises the lock. False where another connection stands against it; asking for <see cref="FileLock.Exclusive"/> then leaves <see cref="FileLock.Pending"/>.</summary>
    internal bool TryLock(FileLock level) => Took(((delegate* unmanaged[Cdecl]<IntPtr, int, int>)Method(Lock_))(_file, (int)level), "lock");

    /// <summary>Gives up the lock.</summary>
    internal void Unlock() => ((delegate* unmanaged[Cdecl]<IntPtr, int, int>)Method(Unlock_))(_file, (int)FileLock.None);

    /// <summary>
    /// The first region of the shared memory of WAL mode; zero where no connection has made one. Creates the -shm file where there is none.
    /// </summary>
    internal IntPtr MapSharedMemory(int regionSize)
    {
        IntPtr region = IntPtr.Zero;
        var code = ((delegate* unmanaged[Cdecl]<IntPtr, int, int, int, IntPtr*, int>)Method(ShmMap_))(_file, 0, regionSize, 0, &region);
        if (code == ReadOnlyCantInit)
            return IntPtr.Zero;
        Check(code, "map the shared memory");
        return region;
    }

    /// <summary>Takes WAL locks exclusively. False where another connection holds one of them.</summary>
    internal bool TryLockShared(int first, int count) => Took(SharedLock(first, count, ShmLockFlag | ShmExclusiveFlag), "lock the shared memory");

    /// <summary>Gives WAL locks up.</summary>
    internal void UnlockShared(int first, int count) => SharedLock(first, count, ShmUnlockFlag | ShmExclusiveFlag);

    private int SharedLock(int first, int count, int flags) =>
        ((delegate* unmanaged[Cdecl]<IntPtr, int, int, int, int>)Method(ShmLock_))(_file, first, count, flags);

    /// <summary>Orders reads and writes of the shared memory.</summary>
    internal void SharedMemoryBarrier() => ((delegate* unmanaged[Cdecl]<IntPtr, void>)Method(ShmBarrier_))(_file);

    /// <summary>Lets go of the shared memory, without deleting it.</summary>
    internal void UnmapSharedMemory() => ((delegate* unmanaged[Cdecl]<IntPtr, int, int>)Method(ShmUnmap_))(_file, 0);

    private bool Took(int code, string what)
    {
        if ((code & 0xff) == Busy)
            return false;
        Check(code, what);
        return true;
    }

    private void Check(int code, string what)
    {
        if (code == Ok)
            return;
        var (id, kind) = (code & 0xff) switch
        {
            3 or 8 => (ErrorIds.AccessDenied, ErrorKind.PermissionDenied),
            13 => (ErrorIds.OutOfSpace, ErrorKind.OutOfSpace),
            _ => (ErrorIds.ConnectionFailed, ErrorKind.Failed),
        };
        throw new DbRecoveryException(id, kind, $"{_path}: cannot {what} (SQLite code {code})", target: _path);
    }
}

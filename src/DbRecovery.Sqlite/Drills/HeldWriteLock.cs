using System.Runtime.InteropServices;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Sqlite.Drills;

/// <summary>
/// The lock of a write transaction, held like another process's: a lock of an open file description (Linux), which stands against this
/// process's own connections, too, and is not lost when they close the file.
/// </summary>
internal sealed class HeldWriteLock : IDisposable
{
    private const long ReservedByte = 0x40000001, WalWriteLock = 120;
    private const int SetLock = 37; // F_OFD_SETLK
    private readonly SqliteConnection? _connection;
    private readonly SafeFileHandle _file;

    private HeldWriteLock(SafeFileHandle file, SqliteConnection? connection) => (_file, _connection) = (file, connection);

    /// <summary>Takes the lock; it is let go when a recovery begins, as a long transaction ends at last.</summary>
    internal static IInflictedDamage Take(string path)
    {
        if (!OperatingSystem.IsLinux())
            throw PageDamage.Impossible(path, "only Linux has locks that hold against the process itself");
        // the -shm with the locks of WAL mode is there as long as somebody has the database open
        var connection = SqliteConnections.OpenReadWrite(path, TimeSpan.FromSeconds(10));
        var wal = Sql.IsWal(connection);
        if (wal)
            Sql.Number(connection, "SELECT count(*) FROM sqlite_master");
        else
            connection.Dispose();
        var file = File.OpenHandle(wal ? path + "-shm" : path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var wanted = new Range64 { Type = 1, Start = wal ? WalWriteLock : ReservedByte, Length = 1 };
        if (Control(file, SetLock, ref wanted) == 0)
            return new Inflicted("a write transaction holds its lock", new HeldWriteLock(file, wal ? connection : null), relents: true);
        var error = Marshal.GetLastPInvokeError();
        file.Dispose();
        connection.Dispose();
        throw PageDamage.Impossible(path, $"the lock cannot be held: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    public void Dispose()
    {
        _file.Dispose();
        _connection?.Dispose();
    }

    // struct flock of fcntl(2) on 64-bit Linux; Type 1 is F_WRLCK, Whence 0 is SEEK_SET
    [StructLayout(LayoutKind.Sequential)]
    private struct Range64
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }

    [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static extern int Control(SafeFileHandle file, int command, ref Range64 range);
}

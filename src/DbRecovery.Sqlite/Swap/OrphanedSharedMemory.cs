using System.Runtime.InteropServices;
using DbRecovery.Sqlite.Native;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Sqlite.Swap;

/// <summary>
/// The -shm file beside a database file that is gone: connections to the deleted file may still commit into its log, which nobody will
/// ever read. They are fenced as in <see cref="WalIndex"/>; since there is no file for SQLite to open, the file is locked directly.
/// </summary>
/// <remarks>
/// The lock belongs to the open file description (F_OFD_SETLK), which other descriptors cannot drop. Closing the descriptor drops classic
/// locks that this very process has on the deleted database's shared memory: those connections are the ones being fenced, and the mark in
/// the header, which is written before, stops them without any lock.
/// </remarks>
internal sealed partial class OrphanedSharedMemory : IDisposable
{
    private const int SetLock = 37;
    private const short WriteLockType = 1;
    private const long FirstLockByte = 120;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(5);

    private readonly SafeFileHandle _file;

    private OrphanedSharedMemory(SafeFileHandle file) => _file = file;

    /// <summary>Fences the connections, if there can be any; null where there is no such file or the system cannot.</summary>
    internal static async Task<OrphanedSharedMemory?> FenceAsync(string path, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(path))
            return null;
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            var start = clock.GetTimestamp();
            while (!TryLock(file))
            {
                if (clock.GetElapsedTime(start) >= timeout)
                    throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, $"{path} is in use by a writer to the deleted database after {timeout.TotalSeconds:0.#} s", "Stop the programs that use the database, then try again. Nothing was changed.", path);
                await Task.Delay(Poll, clock, cancellationToken).ConfigureAwait(false);
            }
            Mark(file);
            return new OrphanedSharedMemory(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Mark(SafeFileHandle file)
    {
        if (RandomAccess.GetLength(file) < WalIndex.RegionSize)
            return;
        var header = new byte[WalIndex.HeaderSize];
        RandomAccess.Read(file, header, 0);
        WalIndex.WriteFenced(header);
        RandomAccess.Write(file, header, WalIndex.HeaderSize);
        RandomAccess.Write(file, header, 0);
    }

    private static bool TryLock(SafeFileHandle file)
    {
        var region = new Region { Type = WriteLockType, Start = FirstLockByte + WalIndex.WriteLock, Length = WalIndex.ChangingLocks };
        return fcntl(file, SetLock, ref region) == 0;
    }

    public void Dispose() => _file.Dispose();

    // struct flock of 64-bit Linux
    [StructLayout(LayoutKind.Sequential)]
    private struct Region
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Pid;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, ref Region region);
}

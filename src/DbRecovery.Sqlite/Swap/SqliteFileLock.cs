using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Swap;

/// <summary>
/// Keeps every writer and every new connection away from a database file, whatever its content, while readers in progress go on.
/// </summary>
/// <remarks>
/// RESERVED and PENDING keep rollback-mode writers and new connections out; in WAL mode the locks of writer, checkpointer and recoverer do.
/// They are taken through SQLite's own file object (see <see cref="SqliteFile"/>), beneath the pager, so the content is never looked at and
/// a hot journal is never rolled back.
/// </remarks>
internal sealed class SqliteFileLock : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(5);

    private readonly SqliteConnection _connection;
    private readonly SqliteFile _file;
    private readonly string _path;
    private IntPtr _sharedMemory;
    private bool _mapped;
    private bool _shmLocked;
    private FileLock _level;
    private byte[]? _unfenced;

    private SqliteFileLock(SqliteConnection connection, string path)
    {
        (_connection, _path) = (connection, path);
        _file = SqliteFile.Database(connection);
    }

    /// <summary>The file that is locked; still the old one when another was put at its path.</summary>
    internal SqliteFile File => _file;

    /// <summary>Takes the locks within a time.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseBusy"/>; nothing is held then.</exception>
    internal static async Task<SqliteFileLock> TakeAsync(string path, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var connection = SqliteConnections.OpenReadWrite(path, TimeSpan.Zero);
        SqliteFileLock taken;
        try
        {
            taken = new SqliteFileLock(connection, path);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
        try
        {
            await taken.WaitAsync(timeout, clock, cancellationToken).ConfigureAwait(false);
            return taken;
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    private async Task WaitAsync(TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        while (!TryTake())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (clock.GetElapsedTime(start) >= timeout)
                throw Busy(timeout);
            await Task.Delay(Poll, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    // each lock that was had is kept while the next is waited for: PENDING lets readers finish and nobody new begin
    private bool TryTake()
    {
        if (_level < FileLock.Shared && !Raise(FileLock.Shared))
            return false;
        if (_level < FileLock.Reserved && !Raise(FileLock.Reserved))
            return false;
        // refused while readers are there, but PENDING is held from then on, and that is what is wanted
        if (_level < FileLock.Pending)
        {
            _file.TryLock(FileLock.Exclusive);
            _level = FileLock.Pending;
        }
        if (!_mapped && System.IO.File.Exists(_path + "-shm"))
        {
            _sharedMemory = _file.MapSharedMemory(WalIndex.RegionSize);
            _mapped = true;
        }
        if (_mapped && !_shmLocked)
            _shmLocked = _file.TryLockShared(WalIndex.WriteLock, WalIndex.ChangingLocks);
        return !_mapped || _shmLocked;
    }

    private bool Raise(FileLock level)
    {
        if (!_file.TryLock(level))
            return false;
        _level = level;
        return true;
    }

    /// <summary>Makes connections in WAL mode that still have the file open fail at their next transaction.</summary>
    internal void FenceWalConnections()
    {
        if (_sharedMemory != IntPtr.Zero)
            _unfenced = WalIndex.Fence(_sharedMemory, _file);
    }

    /// <summary>Lets those connections go on: the swap was not to be.</summary>
    internal void LiftFence()
    {
        if (_unfenced is { } header)
            WalIndex.Write(header, _sharedMemory, _file);
    }

    private DbRecoveryException Busy(TimeSpan timeout)
    {
        var holders = FileUsers.WriterNames(_path);
        var who = holders.Count > 0 ? string.Join(", ", holders) : "a process that this system does not name";
        return new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy,
            $"{_path} is still being written after {timeout.TotalSeconds:0.#} s: the lock is held by {who}",
            "Let that process end its transaction, or stop it; then try again. Nothing was changed.", _path);
    }

    public void Dispose()
    {
        if (_mapped)
        {
            if (_shmLocked)
                _file.UnlockShared(WalIndex.WriteLock, WalIndex.ChangingLocks);
            _file.UnmapSharedMemory();
        }
        _file.Unlock();
        _connection.Dispose();
    }
}

using System.Buffers.Binary;
using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Backup;

/// <summary>
/// A database as it is at one moment, page by page and in order, while others go on using it.
/// </summary>
/// <remarks>
/// A read transaction pins the moment. In rollback mode its SHARED lock keeps every writer from the file, so the file's pages are the
/// snapshot. In WAL mode the snapshot is the frames up to the wal-index header's last one, over the file's pages: the header is read before
/// and after the transaction begins, and only a transaction around which it did not change is used. As long as the transaction is open a
/// checkpoint copies nothing newer into the file and, unless all frames were in the file already, the log does not begin anew. So pages are
/// read once, through SQLite's own file objects, and nothing needs room for a second copy.
/// </remarks>
internal sealed class Snapshot : IDisposable
{
    private const int FrameHeader = 24, WalHeader = 32;
    private const int MaxAttempts = 200;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    private readonly SqliteFile _file;
    private SqliteFile? _log;
    private Dictionary<uint, long> _logged = [];
    private IntPtr _region;
    private (uint, uint) _salts;
    private bool _removesSharedMemory;

    private Snapshot(SqliteConnection connection, string path)
    {
        Connection = connection;
        Path = path;
        _file = SqliteFile.Database(connection);
    }

    internal SqliteConnection Connection { get; }
    internal string Path { get; }
    internal int PageSize { get; private set; }
    internal uint PageCount { get; private set; }
    internal string JournalMode { get; private set; } = "";
    internal DateTimeOffset TakenAt { get; private set; }

    /// <summary>Whether the database is in WAL mode.</summary>
    internal bool IsWal => JournalMode == "wal";

    /// <summary>The log's frames that belong to the snapshot, and its checkpoint sequence and salts; null outside WAL mode and where the log is empty.</summary>
    internal (uint Frames, string Salt)? Log { get; private set; }

    /// <summary>Opens a database without beginning a transaction.</summary>
    internal static Snapshot Open(string path)
    {
        var onlyReads = OpensForReadingOnly(path);
        var hadSharedMemory = File.Exists(path + "-shm");
        var connection = onlyReads ? SqliteConnections.OpenReadOnly(path, TimeSpan.Zero) : SqliteConnections.OpenReadWrite(path, TimeSpan.Zero);
        try
        {
            return new Snapshot(connection, path) { _removesSharedMemory = onlyReads && !hadSharedMemory };
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    // The last connection in WAL mode to close must be able to write, else it leaves a log behind that looks like a crash. But a log
    // that a crash left behind must stay as it is: carrying out a recovery is not for a backup.
    private static bool OpensForReadingOnly(string path)
    {
        Span<byte> header = stackalloc byte[20];
        using (var probe = SqliteConnections.OpenReadOnly(path, TimeSpan.Zero))
        {
            if (!SqliteFile.Database(probe).Read(header, 0) || header[19] != 2)
                return true;
        }
        var hasFrames = new FileInfo(path + "-wal") is { Exists: true, Length: > WalHeader };
        return hasFrames && FileUsers.Of(path) is { Known: true, InUse: false };
    }

    /// <summary>The header as the file has it now.</summary>
    internal byte[] ReadFileHeader()
    {
        var header = new byte[100];
        _file.Read(header, 0);
        return header;
    }

    /// <summary>Pins the moment, waiting for a lock within a time.</summary>
    internal async Task PinAsync(TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var attempt = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                if (TryPin(blockWriters: ++attempt > MaxAttempts, clock))
                    return;
            }
            catch (SqliteException e) when ((e.SqliteErrorCode is raw.SQLITE_BUSY or raw.SQLITE_LOCKED) && clock.GetElapsedTime(start) < timeout)
            {
                attempt--;
                await Task.Delay(Poll, clock, cancellationToken).ConfigureAwait(false);
            }
            Execute("ROLLBACK", ignoreErrors: true);
            if (attempt > 2 * MaxAttempts)
                throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, $"{Path} changes its journal or its log so fast that no moment of it could be held", "Try again when less is written.", Path);
        }
    }

    private bool TryPin(bool blockWriters, TimeProvider clock)
    {
        // a deferred transaction begins with the first read; the schema is then read from within it
        Execute("PRAGMA busy_timeout=0");
        JournalMode = Execute("PRAGMA journal_mode");
        if (JournalMode != "wal")
        {
            Execute("BEGIN");
            Execute("SELECT count(*) FROM sqlite_master");
            // an application may have gone over to WAL just before
            return Measure(clock) && Execute("PRAGMA journal_mode") != "wal";
        }
        Execute("SELECT count(*) FROM sqlite_master"); // maps the shared memory
        if (!blockWriters)
            return TryPinLog(clock);
        // writers commit faster than a transaction begins here: hold them for that moment
        using var blocker = SqliteConnections.OpenReadWrite(Path, TimeSpan.Zero);
        using var transaction = blocker.BeginTransaction(deferred: false);
        return TryPinLog(clock);
    }

    private bool TryPinLog(TimeProvider clock)
    {
        var region = _file.MapSharedMemory(WalIndex.RegionSize);
        if (region == IntPtr.Zero)
            return false;
        var before = WalIndex.Read(region, _file);
        Execute("BEGIN");
        Execute("SELECT count(*) FROM sqlite_master");
        var after = WalIndex.Read(region, _file);
        if (before is not { } b || after is not { } a || b.Header != a.Header || !Measure(clock))
            return false;
        var frames = a.Header.MaxFrame;
        _logged = [];
        Log = null;
        (_region, _salts) = (region, (a.Header.Salt1, a.Header.Salt2));
        if (frames == 0)
            return true;
        _log = SqliteFile.WriteAheadLog(Connection);
        Span<byte> header = stackalloc byte[WalHeader];
        _log.Read(header, 0);
        var sameLog = BinaryPrimitives.ReadUInt32BigEndian(header[16..]) == a.Header.Salt1 && BinaryPrimitives.ReadUInt32BigEndian(header[20..]) == a.Header.Salt2;
        if (sameLog)
            Log = (frames, Convert.ToHexString(header[12..24]));
        if (b.Backfilled >= frames)
            return true; // everything is in the file, and the log may begin anew at any time
        if (a.Backfilled >= frames)
            return false; // it cannot be told whether the transaction relies on the log
        if (!sameLog)
            throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"{Path}-wal is not the log that its shared memory describes", "Check the database's health.", Path);
        MapLog(frames, header[16..24]);
        return true;
    }

    // the log holds a page as often as it was committed: the last frame counts
    private void MapLog(uint frames, ReadOnlySpan<byte> salts)
    {
        Span<byte> header = stackalloc byte[FrameHeader];
        for (uint frame = 0; frame < frames; frame++)
        {
            var at = WalHeader + frame * (long)(FrameHeader + PageSize);
            if (!_log!.Read(header, at) || !header[8..16].SequenceEqual(salts))
                throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"{Path}-wal: frame {frame + 1} of {frames} is not of this log", "Check the database's health.", Path);
            _logged[BinaryPrimitives.ReadUInt32BigEndian(header)] = at + FrameHeader;
        }
    }

    /// <summary>The running check sum in a frame of the snapshot's log; null where the log has begun anew meanwhile.</summary>
    internal string? CheckOf(uint frame)
    {
        Span<byte> header = stackalloc byte[FrameHeader];
        return Log is { } log && frame >= 1 && frame <= log.Frames && ReadFrame(frame - 1, header) ? Convert.ToHexString(header[16..24]) : null;
    }

    /// <summary>
    /// The pages in the snapshot's frames after the first so many, and the smallest size in pages that the database had with one of them.
    /// Null where the log has begun anew meanwhile.
    /// </summary>
    internal (SortedSet<uint> Pages, uint Smallest)? PagesAfter(uint frames)
    {
        var pages = new SortedSet<uint>();
        var smallest = uint.MaxValue;
        Span<byte> header = stackalloc byte[FrameHeader];
        for (var frame = frames; frame < Log!.Value.Frames; frame++)
        {
            if (!ReadFrame(frame, header))
                return null;
            pages.Add(BinaryPrimitives.ReadUInt32BigEndian(header));
            if (BinaryPrimitives.ReadUInt32BigEndian(header[4..]) is > 0 and var size)
                smallest = Math.Min(smallest, size);
        }
        // a log whose frames are all in the file may be written over while we read: then its salts are others now
        return WalIndex.Read(_region, _file) is { Header: var now } && (now.Salt1, now.Salt2) == _salts ? (pages, smallest) : null;
    }

    private bool ReadFrame(uint frame, Span<byte> header) =>
        _log!.Read(header, WalHeader + frame * (long)(FrameHeader + PageSize))
        && BinaryPrimitives.ReadUInt32BigEndian(header[8..]) == _salts.Item1 && BinaryPrimitives.ReadUInt32BigEndian(header[12..]) == _salts.Item2;

    private bool Measure(TimeProvider clock)
    {
        TakenAt = clock.GetUtcNow();
        PageSize = int.Parse(Execute("PRAGMA page_size"), CultureInfo.InvariantCulture);
        PageCount = uint.Parse(Execute("PRAGMA page_count"), CultureInfo.InvariantCulture);
        return true;
    }

    /// <summary>Reads consecutive pages. False where the file ends before them: what is missing is zero.</summary>
    internal bool Read(uint firstPage, Span<byte> pages)
    {
        var count = (uint)(pages.Length / PageSize);
        var whole = _file.Read(pages, (firstPage - 1L) * PageSize);
        var missing = whole ? long.MaxValue : FileEnd(firstPage, count);
        var complete = true;
        for (uint i = 0; i < count; i++)
        {
            var page = pages.Slice((int)i * PageSize, PageSize);
            if (_logged.TryGetValue(firstPage + i, out var at))
                _log!.Read(page, at);
            else
                complete &= firstPage + i < missing || firstPage + i == LockBytesPage;
        }
        return complete;
    }

    // SQLite never writes it: where a database grew past it, the log has its neighbours only
    private uint LockBytesPage => (uint)(SqliteHeader.LockBytes / PageSize) + 1;

    private long FileEnd(uint firstPage, uint count) => Math.Clamp(_file.Size() / PageSize + 1, firstPage, firstPage + count);

    /// <summary>Runs a statement in the snapshot's connection and gives its first value as text.</summary>
    internal string Execute(string sql, bool ignoreErrors = false)
    {
        try
        {
            using var command = Connection.CreateCommand();
            command.CommandTimeout = 1;
            command.CommandText = sql;
            return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture) ?? "";
        }
        catch (SqliteException) when (ignoreErrors)
        {
            return ""; // there was no transaction to end
        }
    }

    public void Dispose()
    {
        Connection.Dispose();
        if (_removesSharedMemory)
            RemoveSharedMemory();
        _removesSharedMemory = false;
    }

    // A connection that only reads makes a -shm for the log that a crash left, and leaves it. Whoever reads in WAL mode holds a SHARED
    // lock on the database, so under the exclusive lock nobody uses the -shm: the rule by which SQLite deletes it, too.
    private void RemoveSharedMemory()
    {
        if (!File.Exists(Path + "-shm"))
            return;
        try
        {
            using var connection = SqliteConnections.OpenReadWrite(Path, TimeSpan.Zero);
            var file = SqliteFile.Database(connection);
            try
            {
                if (file.TryLock(FileLock.Shared) && file.TryLock(FileLock.Exclusive))
                    File.Delete(Path + "-shm");
            }
            finally
            {
                file.Unlock();
            }
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or UnauthorizedAccessException)
        {
            // it does no harm: the next connection makes it anew
        }
    }
}

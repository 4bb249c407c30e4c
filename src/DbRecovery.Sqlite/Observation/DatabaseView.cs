using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Observation;

/// <summary>
/// A way to read a database without changing anything beside or in it: as one more reader where the database is in use (or no
/// journal matters), else as an image of what a recovery would make of it.
/// </summary>
/// <remarks>
/// A read-only connection to a WAL database that nobody has open would make a -shm and a -wal and leave them there, and would
/// recover an orphaned WAL into them. (In a database that is in use a reader is opened so that it could write, and told not to: see
/// <see cref="OpenReader"/>.) That is why such a database is read as an image; whether anything changed meanwhile is
/// asked afterwards with <see cref="StillHolds"/>.
/// </remarks>
internal sealed class DatabaseView : IDisposable
{
    private readonly string _path;
    private readonly string _signature;
    private readonly IDisposable?[] _owned;

    private DatabaseView(string path, string signature, SqliteConnection connection, bool live, params IDisposable?[] owned)
    {
        (_path, _signature, Connection, Live, _owned) = (path, signature, connection, live, owned);
    }

    /// <summary>The connection.</summary>
    internal SqliteConnection Connection { get; }

    /// <summary>Whether it is a reader beside others, rather than an image.</summary>
    internal bool Live { get; }

    /// <summary>Whether what was read is of one moment: a reader's always is, an image's only if nobody wrote meanwhile.</summary>
    internal bool StillHolds => Live || Signature(_path) == _signature;

    /// <summary>Opens a view.</summary>
    /// <param name="path">The database's real path.</param>
    /// <param name="file">Its bytes.</param>
    /// <param name="header">Its header.</param>
    /// <param name="users">Who uses it.</param>
    /// <param name="busyTimeout">How long a reader waits for a lock.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal static DatabaseView Open(string path, IDatabaseImage file, SqliteHeader header, FileUsers users, TimeSpan busyTimeout, CancellationToken cancellationToken)
    {
        var signature = Signature(path);
        var journal = HotJournal(path, users, withPages: true, cancellationToken);
        var live = journal is null && (!header.IsWal
            || (users.InUse || !users.Known) && File.Exists(path + "-shm") && File.Exists(WalFile.PathOf(path)));
        if (live)
            return new DatabaseView(path, signature, OpenReader(path, header, busyTimeout), live: true);
        var image = ImageOf(file, header, journal, header.IsWal ? WalFile.TryRead(path, withPages: true, cancellationToken) : null);
        return OpenImage(path, signature, image);
    }

    /// <summary>Opens a view of a file as evidence: never as a reader of the live file.</summary>
    /// <param name="path">The file's path.</param>
    /// <param name="image">What to read.</param>
    internal static DatabaseView OpenImage(string path, OverlayImage image) => OpenImage(path, Signature(path), image);

    /// <summary>The database as a recovery would leave it.</summary>
    internal static OverlayImage ImageOf(IDatabaseImage file, SqliteHeader header, JournalFile? hot, WalFile? wal, byte[]? repairedHeader = null)
    {
        if (hot is { PageSize: > 0 })
            return new OverlayImage(file, hot.PageSize, (long)hot.PageCount * hot.PageSize, hot.Path, hot.Pages, repairedHeader);
        return wal is { CommittedFrames: > 0 } && wal.PageSize == header.PageSize
            ? new OverlayImage(file, header.PageSize, (long)wal.PageCount * wal.PageSize, wal.Path, wal.Pages, repairedHeader)
            : new OverlayImage(file, header.PageSize, file.Length, null, new Dictionary<uint, long>(), repairedHeader);
    }

    /// <summary>The journal of an interrupted transaction that nobody is rolling back; null where there is none.</summary>
    internal static JournalFile? HotJournal(string path, FileUsers users, bool withPages, CancellationToken cancellationToken)
    {
        // SQLite's own rule: a journal beside a file that nobody has reserved. A writer may begin and end at any moment, so the same
        // transaction's journal must be there before and after a moment in which nobody had: a living one is never without its lock.
        if (IsReserved(users.Locks) || JournalFile.TryRead(path, withPages: false, cancellationToken) is not { Live: true } seen || IsReserved(FileUsers.ReadLocks(path)))
            return null;
        return JournalFile.TryRead(path, withPages, cancellationToken) is { Live: true } journal && journal.Nonce == seen.Nonce ? journal : null;
    }

    private static bool IsReserved(IReadOnlyList<HeldLock> locks) =>
        locks.Any(l => l.Strength is LockStrength.Reserved or LockStrength.Pending or LockStrength.Exclusive);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var owned in _owned)
            owned?.Dispose();
        Connection.Dispose();
    }

    private static DatabaseView OpenImage(string path, string signature, OverlayImage image)
    {
        try
        {
            var connection = ImageConnection.Open(image, path);
            return new DatabaseView(path, signature, connection.Connection, live: false, connection, image);
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    // The last connection in WAL mode to close folds the log in and removes it. If the application closes while we read, that is us, and
    // a reader that may not write would leave a log behind that looks like a crash.
    private static SqliteConnection OpenReader(string path, SqliteHeader header, TimeSpan busyTimeout)
    {
        if (!header.IsWal)
            return SqliteConnections.OpenReadOnly(path, busyTimeout);
        var connection = SqliteConnections.OpenReadWrite(path, busyTimeout);
        raw.sqlite3_exec(connection.Handle, "PRAGMA query_only = ON");
        return connection;
    }

    /// <summary>What tells whether file, log or journal were written since.</summary>
    internal static string Signature(string path) =>
        $"{FileStatus.Of(path)} {FileStatus.Of(WalFile.PathOf(path))} {FileStatus.Of(JournalFile.PathOf(path))}";
}

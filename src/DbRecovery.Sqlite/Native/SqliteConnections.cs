using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Native;

/// <summary>Opens connections to a file, whatever its path looks like, and turns SQLite's errors into ours.</summary>
internal static class SqliteConnections
{
    /// <summary>Opens a file for reading; never makes one.</summary>
    internal static SqliteConnection OpenReadOnly(string path, TimeSpan busyTimeout) => Open(path, SqliteOpenMode.ReadOnly, busyTimeout);

    /// <summary>Opens a file for reading and writing; never makes one.</summary>
    internal static SqliteConnection OpenReadWrite(string path, TimeSpan busyTimeout) => Open(path, SqliteOpenMode.ReadWrite, busyTimeout);

    /// <summary>Runs statements whose rows nobody needs.</summary>
    internal static void Run(this SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Turns an SQLite error into one that says what is wrong and what to do.</summary>
    internal static DbRecoveryException ToError(SqliteException error, string path, string during)
    {
        var (id, kind, action) = (error.SqliteErrorCode, error.SqliteExtendedErrorCode) switch
        {
            (raw.SQLITE_CANTOPEN, _) when !File.Exists(path) => (ErrorIds.DatabaseNotFound, ErrorKind.NotFound, "Check the path."),
            (raw.SQLITE_BUSY or raw.SQLITE_LOCKED, _) => (ErrorIds.DatabaseBusy, ErrorKind.Busy, "Let the other process end its transaction, then try again."),
            (raw.SQLITE_CORRUPT, _) or (_, 522) => (ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, "Check the database's health; restore it from a backup."),
            (raw.SQLITE_NOTADB, _) => (ErrorIds.NotADatabase, ErrorKind.CorruptData, "Check the path; the file is not an SQLite database, is encrypted, or its header is destroyed."),
            (raw.SQLITE_FULL, _) => (ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, "Free space on the file system."),
            (raw.SQLITE_PERM or raw.SQLITE_AUTH or raw.SQLITE_READONLY, _) => (ErrorIds.AccessDenied, ErrorKind.PermissionDenied, "Check the rights of the file and of its folder, and whether the file system is read-only."),
            (raw.SQLITE_INTERRUPT, _) => (ErrorIds.TimedOut, ErrorKind.Timeout, "Allow more time."),
            (raw.SQLITE_CANTOPEN, _) or (raw.SQLITE_IOERR, _) => (ErrorIds.ConnectionFailed, ErrorKind.Failed, "Check the file, its folder and the file system."),
            _ => (ErrorIds.StepFailed, ErrorKind.Failed, (string?)null),
        };
        return new DbRecoveryException(id, kind,
            $"SQLite error {error.SqliteExtendedErrorCode} while {during}: {Message(error)} ({path})", action, path, error);
    }

    /// <summary>SQLite's own words, without the driver's wrapping.</summary>
    internal static string Message(SqliteException error)
    {
        var first = error.Message.IndexOf('\'', StringComparison.Ordinal);
        var last = error.Message.LastIndexOf('\'');
        return first >= 0 && last > first ? error.Message[(first + 1)..last] : error.Message;
    }

    private static SqliteConnection Open(string path, SqliteOpenMode mode, TimeSpan busyTimeout)
    {
        // an absolute path starts neither with "file:" nor with ":memory:", so that no character of it has a meaning
        return Open(Path.GetFullPath(path), mode, busyTimeout, path);
    }

    /// <summary>Opens what a URI names, such as an image of a database behind a VFS of this project.</summary>
    internal static SqliteConnection OpenUri(string uri, string path, SqliteOpenMode mode) => Open(uri, mode, TimeSpan.Zero, path);

    private static SqliteConnection Open(string source, SqliteOpenMode mode, TimeSpan busyTimeout, string path)
    {
        SqliteLibrary.EnsureLoaded();
        var settings = new SqliteConnectionStringBuilder
        {
            DataSource = source,
            Mode = mode,
            Pooling = false,
            Cache = SqliteCacheMode.Private,
            // the driver repeats a busy statement for whole seconds; the library itself waits for busyTimeout
            DefaultTimeout = Math.Max(1, (int)Math.Ceiling(busyTimeout.TotalSeconds)),
        };
        var connection = new SqliteConnection(settings.ToString());
        try
        {
            connection.Open();
            raw.sqlite3_busy_timeout(connection.Handle, (int)Math.Min(int.MaxValue, busyTimeout.TotalMilliseconds));
            return connection;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw ToError(e, path, "opening the database");
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}

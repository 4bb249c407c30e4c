using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Sql;

/// <summary>Runs SQL on a database file, in one transaction.</summary>
internal sealed class SqliteSession(TimeProvider time) : ISqlSession
{
    private const int Attempts = 3;

    /// <inheritdoc/>
    public async Task<SqlResult> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var path = DatabasePath.Of(node);
        cancellationToken.ThrowIfCancellationRequested();
        using var deadline = new CancellationTokenSource(timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await Task.Run(() => Execute(path, sql, readOnly, timeout, stop.Token), CancellationToken.None).ConfigureAwait(false);
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested && e.SqliteErrorCode is not (raw.SQLITE_BUSY or raw.SQLITE_LOCKED))
            {
                throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"the SQL on {path} did not end within {timeout}; it was rolled back",
                    "Allow more time.", path, e);
            }
            throw SqliteConnections.ToError(e, path, "running SQL");
        }
    }

    private static SqlResult Execute(string path, string sql, bool readOnly, TimeSpan timeout, CancellationToken stop)
    {
        if (readOnly)
            return Read(path, sql, timeout, stop);
        using var connection = SqliteConnections.OpenReadWrite(path, timeout);
        return Execute(connection, sql, "BEGIN IMMEDIATE", stop);
    }

    // a reader of its own would leave -shm and -wal beside a database in WAL mode that nobody has open
    private static SqlResult Read(string path, string sql, TimeSpan timeout, CancellationToken stop)
    {
        using var file = LiveImage.Open(path);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (SqliteHeader.TryRead(file) is not { } header)
                break; // SQLite says best what is wrong with it
            using var view = DatabaseView.Open(path, file, header, FileUsers.Of(path), timeout, stop);
            var result = Execute(view.Connection, sql, "BEGIN", stop);
            if (view.StillHolds)
                return result;
        }
        using var connection = SqliteConnections.OpenReadOnly(path, timeout);
        return Execute(connection, sql, "BEGIN", stop);
    }

    private static SqlResult Execute(SqliteConnection connection, string sql, string begin, CancellationToken stop)
    {
        var handle = connection.Handle!;
        using var interrupt = stop.Register(() => raw.sqlite3_interrupt(handle));
        connection.Run(begin);
        try
        {
            var before = raw.sqlite3_total_changes(handle);
            FactValue? value;
            using (var command = connection.CreateCommand())
            {
                command.CommandText = sql;
                value = Value(command.ExecuteScalar());
            }
            if (stop.IsCancellationRequested)
                throw new SqliteException("interrupted", raw.SQLITE_INTERRUPT);
            connection.Run("COMMIT");
            return new SqlResult(value, raw.sqlite3_total_changes(handle) - before);
        }
        catch
        {
            // some errors have ended the transaction already
            if (raw.sqlite3_get_autocommit(handle) == 0)
                raw.sqlite3_exec(handle, "ROLLBACK");
            throw;
        }
    }

    private static FactValue? Value(object? value) => value switch
    {
        null or DBNull => null,
        long whole => whole,
        double number => number,
        byte[] bytes => Convert.ToHexString(bytes),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}

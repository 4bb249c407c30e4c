using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Maintenance;

/// <summary>Upkeep of a live database.</summary>
internal sealed class SqliteMaintenance(TimeProvider clock) : IMaintenance
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    public PlannedAct PlanReindex(NodeDefinition node) => new(ActKind.Modify, node.Address, "rebuild every index from its table");

    public PlannedAct PlanCheckpoint(NodeDefinition node) =>
        new(ActKind.Modify, node.Address, "open it read-write, let the engine carry out its crash recovery, move logged changes into the database");

    public Task ReindexAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        RunAsync(node, timeout, "rebuilding its indexes", c =>
        {
            Execute(c, "REINDEX");
            return "";
        }, cancellationToken);

    public Task<string> CheckpointAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var path = DatabasePath.Of(node);
        var journal = new FileInfo(path + "-journal") is { Exists: true, Length: > 0 };
        var log = new FileInfo(path + "-wal") is { Exists: true } wal ? wal.Length : 0;
        return RunAsync(node, timeout, "moving logged changes into it", c => Checkpoint(c, path, journal, log), cancellationToken);
    }

    private static string Checkpoint(SqliteConnection connection, string path, bool journal, long log)
    {
        // the first read of a read-write connection carries out a pending recovery
        Execute(connection, "SELECT count(*) FROM sqlite_master");
        var mode = Execute(connection, "PRAGMA journal_mode");
        if (mode != "wal")
        {
            var rolledBack = journal && !(new FileInfo(path + "-journal") is { Exists: true, Length: > 0 });
            return rolledBack ? "the interrupted transaction in the rollback journal was rolled back" : $"nothing was pending (journal mode {mode})";
        }
        using var command = connection.CreateCommand();
        command.CommandTimeout = 1;
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        using var reader = command.ExecuteReader();
        reader.Read();
        var (busy, frames, moved) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));
        if (busy != 0)
            throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy,
                $"{path}: other connections kept the log in use; {Math.Max(0, moved)} of {Math.Max(0, frames)} pages were moved into the database", "Let them end their transactions, then try again; nothing was lost.", path);
        return string.Create(CultureInfo.InvariantCulture, $"the write-ahead log of {log} bytes was moved into the database and truncated");
    }

    private static string Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandTimeout = 1; // the driver's own waiting, which cannot be interrupted
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture) ?? "";
    }

    private async Task<string> RunAsync(NodeDefinition node, TimeSpan timeout, string what, Func<SqliteConnection, string> work, CancellationToken cancellationToken)
    {
        var path = DatabasePath.Of(node);
        cancellationToken.ThrowIfCancellationRequested();
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await Task.Run(() => Attempt(path, work, clock, stop.Token), stop.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SqliteException or DbRecoveryException { Id: ErrorIds.DatabaseBusy } && cancellationToken.IsCancellationRequested)
        {
            // a wait for a lock that is cancelled ends as busy
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"{what} took longer than {timeout.TotalSeconds:0.#} s: {path}", "Allow more time. SQLite undoes what was not finished.", path);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, what);
        }
    }

    // SQLite's own waiting for a lock cannot be interrupted, so the waiting is done here
    private static string Attempt(string path, Func<SqliteConnection, string> work, TimeProvider clock, CancellationToken stop)
    {
        using var connection = SqliteConnections.OpenReadWrite(path, TimeSpan.Zero);
        raw.sqlite3_progress_handler(connection.Handle, 1000, _ => stop.IsCancellationRequested ? 1 : 0, null);
        while (true)
        {
            try
            {
                return work(connection);
            }
            catch (Exception e) when ((e is SqliteException { SqliteErrorCode: raw.SQLITE_BUSY or raw.SQLITE_LOCKED } or DbRecoveryException { Id: ErrorIds.DatabaseBusy }) && !stop.IsCancellationRequested)
            {
                using var wait = new ManualResetEventSlim();
                using var timer = clock.CreateTimer(_ => wait.Set(), null, Poll, Timeout.InfiniteTimeSpan);
                try
                {
                    wait.Wait(stop);
                }
                catch (OperationCanceledException)
                {
                    if (e is DbRecoveryException)
                        throw e;
                    throw SqliteConnections.ToError((SqliteException)e, path, "waiting for its lock");
                }
            }
        }
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Sql;

/// <summary>Runs SQL on a database file.</summary>
internal sealed class SqliteSession(TimeProvider clock) : ISqlSession
{
    /// <inheritdoc/>
    public async Task<SqlResult> ExecuteAsync(NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var path = node.Path ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the node '{node.Name}' has no path", "Give the path of its database file.", node.Name);
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await Task.Run(() => Execute(path, sql, readOnly, timeout, stop.Token), stop.Token).ConfigureAwait(false);
        }
        catch (SqliteException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (Exception e) when (e is SqliteException or OperationCanceledException && !cancellationToken.IsCancellationRequested && deadline.IsCancellationRequested)
        {
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"the statement was not done within {timeout.TotalSeconds:0.#} s and was undone: {path}", "Allow more time.", path, e);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, "running a statement");
        }
    }

    private static SqlResult Execute(string path, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var connection = readOnly ? SqliteConnections.OpenReadOnly(path, timeout) : SqliteConnections.OpenReadWrite(path, timeout);
        var handle = connection.Handle!;
        using var interrupt = cancellationToken.Register(() => raw.sqlite3_interrupt(handle));
        // all or nothing; a writer asks for its lock at once, so that it does not fail half way for want of it
        using var transaction = connection.BeginTransaction(deferred: readOnly);
        var before = raw.sqlite3_total_changes(handle);
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        command.CommandTimeout = Math.Max(1, (int)timeout.TotalSeconds);
        var value = command.ExecuteScalar();
        cancellationToken.ThrowIfCancellationRequested();
        transaction.Commit();
        return new SqlResult(ToFact(value), raw.sqlite3_total_changes(handle) - before);
    }

    private static FactValue? ToFact(object? value) => value switch
    {
        null or DBNull => null,
        long whole => whole,
        double number => number,
        byte[] bytes => Convert.ToHexString(bytes),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}

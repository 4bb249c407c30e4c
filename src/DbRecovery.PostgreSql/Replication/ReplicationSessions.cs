using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>
/// Sessions for the acts of replication. What is not known to have failed is never said to have, and what changes something is not torn by
/// a cancellation once it began: its time alone ends it.
/// </summary>
internal sealed class ReplicationSessions(PostgreSqlConnections connections)
{
    /// <summary>The clock.</summary>
    internal TimeProvider Clock => connections.Clock;

    /// <summary>Does something on a session of its own, which is closed after it.</summary>
    /// <param name="login">Where.</param>
    /// <param name="during">What is being done, as in 'promoting'.</param>
    /// <param name="changes">Whether it changes something: then a lost session leaves it unknown whether it did.</param>
    /// <param name="timeout">The time that all of it has.</param>
    /// <param name="work">What.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal async Task<T> RunAsync<T>(ServerLogin login, string during, bool changes, TimeSpan timeout, Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var began = Clock.GetTimestamp();
        var session = new LinkSession(connections, login, await connections.OpenAsync(login, timeout, cancellationToken).ConfigureAwait(false), kept: false);
        await using var closing = session.ConfigureAwait(false);
        return await WithinAsync(session, login, during, changes, timeout - Clock.GetElapsedTime(began), work, changes ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same on the session that is kept open to a node, which must be left as it was found: no settings, no transaction.</summary>
    internal async Task<T> RunKeptAsync<T>(
        ClusterDefinition cluster, NodeDefinition node, string during, bool changes, TimeSpan timeout, Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var began = Clock.GetTimestamp();
        var link = connections.Link(cluster, node);
        var (session, failure) = await link.TakeAsync(timeout, cancellationToken).ConfigureAwait(false);
        if (session is null)
            throw PostgreSqlErrors.ToError(failure!, link.Login);
        ObservedError? lost = null;
        try
        {
            return await WithinAsync(session, link.Login, during, changes, timeout - Clock.GetElapsedTime(began), work, changes ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e)
        {
            lost = e.InnerException is null ? null : ConnectionFailure.Of(e.InnerException).Observed(during);
            throw;
        }
        finally
        {
            await link.GiveBackAsync(session, lost).ConfigureAwait(false);
        }
    }

    /// <summary>Runs a statement; gives its first row, null where there is none.</summary>
    internal static async Task<object?[]?> RowAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] parameters) =>
        (await RowsAsync(connection, sql, cancellationToken, parameters).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>Runs a statement; gives its rows, each as its columns; a NULL is null.</summary>
    internal static async Task<List<object?[]>> RowsAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        await using var closing = command.ConfigureAwait(false);
        foreach (var value in parameters)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var reading = reader.ConfigureAwait(false);
        var rows = new List<object?[]>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var row = new object?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = reader.IsDBNull(i) ? null : reader.GetValue(i);
            rows.Add(row);
        }
        return rows;
    }

    /// <summary>Runs a statement for what it does, whatever it gives.</summary>
    internal static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection);
        await using var closing = command.ConfigureAwait(false);
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A position from its number and timeline.</summary>
    internal static LogPosition Position(long position, long? timeline) =>
        new("lsn", SqlText.Lsn(position), timeline?.ToString(CultureInfo.InvariantCulture), position);

    private static async Task<T> WithinAsync<T>(
        LinkSession session, ServerLogin login, string during, bool changes, TimeSpan timeout, Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await session.RunAsync(work, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or NpgsqlException or IOException)
        {
            // an error packet says that the statement was undone; but the server that ends a session does not say how far it came
            var answered = e is PostgresException { SqlState: not ['5', '7', 'P', ..] };
            throw changes && !answered
                ? new DbRecoveryException(ErrorIds.OutcomeUnknown, e is TimeoutException ? ErrorKind.Timeout : ErrorKind.Failed,
                    $"{during} on {login.Address}: {e.Message}; whether it took effect is not known", "Look at the server.", login.Address, e)
                : PostgreSqlErrors.ToError(e, login, during);
        }
    }
}

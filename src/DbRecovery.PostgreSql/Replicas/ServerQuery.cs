using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>One session of its own for one purpose, with a deadline.</summary>
internal sealed class ServerQuery(PostgreSqlConnections connections)
{
    /// <summary>The time that a look at a server has.</summary>
    internal static readonly TimeSpan LookTime = TimeSpan.FromSeconds(10);

    /// <summary>The clock.</summary>
    internal TimeProvider Clock => connections.Clock;

    /// <summary>Opens a session, does something on it, and closes it.</summary>
    /// <param name="login">Where.</param>
    /// <param name="during">What is being done, as in 'reading the timeline'.</param>
    /// <param name="work">What.</param>
    /// <param name="timeout">The time that connecting has, and again what follows.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal async Task<T> RunAsync<T>(ServerLogin login, string during, Func<NpgsqlConnection, CancellationToken, Task<T>> work, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var session = new LinkSession(connections, login, await connections.OpenAsync(login, timeout, cancellationToken).ConfigureAwait(false), kept: false);
        try
        {
            return await session.RunAsync(work, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"{during} on {login.Address} did not end within {timeout.TotalSeconds:0.#} s; whether it took effect is not known", target: login.Address, inner: e);
        }
        catch (NpgsqlException e)
        {
            throw PostgreSqlErrors.ToError(e, login, during);
        }
        finally
        {
            await session.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The rows of a query, each as its columns; a NULL is null.</summary>
    internal Task<List<object?[]>> RowsAsync(ServerLogin login, string during, string sql, CancellationToken cancellationToken, params object[] parameters) =>
        RunAsync(login, during, (connection, token) => RowsAsync(connection, sql, token, parameters), LookTime, cancellationToken);

    /// <inheritdoc cref="RowsAsync(ServerLogin, string, string, CancellationToken, object[])"/>
    internal static async Task<List<object?[]>> RowsAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection);
        await using (command.ConfigureAwait(false))
        {
            foreach (var value in parameters)
                command.Parameters.Add(new NpgsqlParameter { Value = value });
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
                return await RowsAsync(reader, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<List<object?[]>> RowsAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var rows = new List<object?[]>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var row = new object?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = await reader.IsDBNullAsync(i, cancellationToken).ConfigureAwait(false) ? null : reader.GetValue(i);
            rows.Add(row);
        }
        return rows;
    }
}

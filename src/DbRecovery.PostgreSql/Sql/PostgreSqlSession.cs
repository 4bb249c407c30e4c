using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>Runs SQL on a node in one transaction, on a session of its own with the role's own settings.</summary>
internal sealed class PostgreSqlSession(PostgreSqlConnections connections) : ISqlSession
{
    // so that the server's own limit speaks first, which says what was going on, of a machine that has much to do as well
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    /// <inheritdoc/>
    public async Task<SqlResult> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var login = ServerLogin.Of(cluster, node) with { Plain = true };
        var clock = connections.Clock;
        var started = clock.GetTimestamp();
        var connection = await connections.OpenAsync(login, timeout, cancellationToken).ConfigureAwait(false);
        var session = new LinkSession(connections, login, connection, kept: false);
        await using (session.ConfigureAwait(false))
        {
            var committing = false;
            try
            {
                return await session.RunAsync(async (c, token) =>
                {
                    await BeginAsync(c, readOnly, Left(), token).ConfigureAwait(false);
                    var result = await RunAsync(c, sql, token).ConfigureAwait(false);
                    committing = true;
                    // what failed without an error, such as a COMMIT of the caller's own, must not pass for one transaction
                    await RunAsync(c, "COMMIT", token).ConfigureAwait(false);
                    return result;
                }, Left() + Grace, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is ServerSilentException or NpgsqlException and not PostgresException && committing && !readOnly)
            {
                throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Timeout, $"the SQL on {login.Address} was run and its COMMIT not answered: whether it was committed is not known",
                    "Look at the data.", login.Address, e);
            }
            catch (Exception e) when (e is ServerSilentException or NpgsqlException or InvalidCastException)
            {
                throw PostgreSqlErrors.ToError(e, login, "running SQL");
            }
        }

        TimeSpan Left() => timeout - clock.GetElapsedTime(started) is var left && left > Shortest ? left : Shortest;
    }

    private static async Task BeginAsync(NpgsqlConnection connection, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // of the session too: a COMMIT in the caller's SQL would end the transaction, and what follows may write no more than what came before
        var begin = readOnly ? "SET default_transaction_read_only = on; BEGIN READ ONLY" : "BEGIN READ WRITE";
        var limit = string.Create(CultureInfo.InvariantCulture, $"SET LOCAL statement_timeout = {(long)Math.Clamp(timeout.TotalMilliseconds, 1, int.MaxValue)}");
        await RunAsync(connection, $"{begin}; {limit}", cancellationToken).ConfigureAwait(false);
    }

    private static async Task<SqlResult> RunAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, connection) { AllResultTypesAreUnknown = true };
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                var value = await Answers.FirstAsync(reader, cancellationToken).ConfigureAwait(false);
                // errors of later statements come when their results are reached
                do
                {
                    while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    {
                        // nobody asked for more than one value
                    }
                }
                while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
                await reader.CloseAsync().ConfigureAwait(false);
                return new SqlResult(value, Math.Max(0, (long)reader.RecordsAffected));
            }
        }
    }
}

using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>PgBouncer's admin console: the virtual database <c>pgbouncer</c>, by the simple query protocol (manual page pgbouncer(1)).</summary>
internal sealed class PoolerConsole(ISecretResolver secrets, TimeProvider clock) : IPoolerConsole
{
    private const string Database = "pgbouncer";

    /// <inheritdoc/>
    public string Quote(string name) => SqlText.Identifier(name);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<IReadOnlyDictionary<string, string?>>> ExecuteAsync(RouteDefinition route, string command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (!Endpoint.TryParse(route.Address ?? "", out var address))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the address of PgBouncer is '{route.Address}', which is no host and port", $"Write it as {Endpoint.Form}.", route.Address);
        var login = new ServerLogin { Host = address.Host, Port = address.Port, Database = Database, User = route.User ?? Database, Password = route.Password, Tls = TlsMode.Prefer, Plain = true };
        var since = clock.GetTimestamp();
        var connection = await WireLogins.OpenAsync(login, secrets, clock, timeout, cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        try
        {
            var outcome = await connection.QueryAsync(command, timeout - clock.GetElapsedTime(since), cancellationToken).ConfigureAwait(false);
            return outcome.Results is [var result, ..] ? [.. result.Rows.Select(row => Row(result.Columns, row))] : [];
        }
        catch (Npgsql.PostgresException e)
        {
            throw new DbRecoveryException(ErrorIds.RouteFailed, ErrorKind.Failed, $"PgBouncer at {address} refused '{command}': {e.MessageText}",
                e.MessageText.Contains("admin access needed", StringComparison.Ordinal) ? $"Add '{login.User}' to admin_users." : "Check the database's name, and that the user is one of PgBouncer's admin_users.", address.ToString(), e);
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw PostgreSqlErrors.ToError(e, login, $"'{command}'");
        }
    }

    private static Dictionary<string, string?> Row(IReadOnlyList<string> columns, IReadOnlyList<string?> values)
    {
        var row = new Dictionary<string, string?>(StringComparer.Ordinal);
        for (var i = 0; i < columns.Count; i++)
            row[columns[i]] = values[i];
        return row;
    }
}

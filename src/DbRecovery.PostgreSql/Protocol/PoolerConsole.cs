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
        var address = Endpoints.Parse(route.Address, "the address of PgBouncer");
        var login = new ServerLogin { Host = address.Host, Port = address.Port, Database = Database, User = route.User ?? Database, Password = route.Password, Tls = TlsMode.Prefer, Plain = true };
        var since = clock.GetTimestamp();
        var connection = await OpenAsync(login, timeout, cancellationToken).ConfigureAwait(false);
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

    private async Task<WireConnection> OpenAsync(ServerLogin login, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            return await WireLogins.OpenAsync(login, secrets, clock, timeout, cancellationToken).ConfigureAwait(false);
        }
        // its one code for whatever it refuses
        catch (DbRecoveryException e) when (e.InnerException is Npgsql.PostgresException { SqlState: "08P01" } refusal && !refusal.MessageText.Contains("connections", StringComparison.Ordinal))
        {
            throw new DbRecoveryException(ErrorIds.LoginFailed, ErrorKind.PermissionDenied, $"PgBouncer at {login.Address} refused the login of '{login.User}' to its console: {refusal.MessageText}",
                $"Give it a password in auth_file and add '{login.User}' to admin_users, or correct the route's user and password.", login.Address, e);
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

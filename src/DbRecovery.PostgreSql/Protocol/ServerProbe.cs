using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Asks who a server is, by one statement of the simple protocol: that goes through every pooler and proxy.</summary>
internal sealed class ServerProbe(ISecretResolver secrets, TimeProvider clock) : IServerProbe
{
    private const string Question = """
        SELECT system_identifier::text, EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())::text,
               NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.current_setting('transaction_read_only') = 'off'
        FROM pg_catalog.pg_control_system()
        """;

    /// <inheritdoc/>
    public async Task<ServerIdentity> IdentifyAsync(ClusterDefinition cluster, string host, int port, string? database, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var login = ServerLogin.Of(cluster, host, port, database);
        var since = clock.GetTimestamp();
        var connection = await WireLogins.OpenAsync(login, secrets, clock, timeout, cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        try
        {
            var outcome = await connection.QueryAsync(Question, timeout - clock.GetElapsedTime(since), cancellationToken).ConfigureAwait(false);
            return outcome.Results is [{ Rows: [[var system, { } started, var writable]] }]
                ? new ServerIdentity(system, double.Parse(started, CultureInfo.InvariantCulture), writable == "t")
                : throw new WireProtocolException("the server answered something else than what it was asked");
        }
        catch (Exception e) when (e is PostgresException or IOException or TimeoutException)
        {
            throw PostgreSqlErrors.ToError(e, login, "asking who it is");
        }
    }
}

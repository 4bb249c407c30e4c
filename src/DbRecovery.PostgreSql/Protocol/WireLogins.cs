using System.Net.Sockets;
using System.Security.Authentication;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Opens connections by the logins that the rest of the provider uses, with the same errors.</summary>
internal static class WireLogins
{
    /// <summary>Connects and logs in; the password is read for this moment only.</summary>
    /// <param name="login">Where and as whom.</param>
    /// <param name="secrets">Reads the password.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="timeout">The time that it has.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="parameters">Further parameters of the start-up message, such as <c>replication</c>.</param>
    /// <exception cref="DbRecoveryException">There is no connection; the error says why.</exception>
    public static async Task<WireConnection> OpenAsync(
        ServerLogin login, ISecretResolver secrets, TimeProvider clock, TimeSpan timeout, CancellationToken cancellationToken, IReadOnlyDictionary<string, string>? parameters = null)
    {
        try
        {
            return await WireConnection.OpenAsync(new WireOptions
            {
                Host = login.Host, Port = login.Port, User = login.User, Database = login.Database, Tls = login.Tls, RootCertificate = login.RootCertificate,
                Password = login.Password is { } password ? await secrets.ResolveAsync(password, cancellationToken).ConfigureAwait(false) : null,
                Parameters = parameters ?? new Dictionary<string, string>(),
            }, clock, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PostgresException or SocketException or IOException or TimeoutException or AuthenticationException or System.Security.Cryptography.CryptographicException)
        {
            throw PostgreSqlErrors.ToError(ConnectionFailure.Of(e), login);
        }
    }
}

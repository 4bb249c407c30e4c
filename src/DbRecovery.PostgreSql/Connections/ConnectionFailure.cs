using System.IO;
using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// Why a session was not had, or was lost. An error packet, of whatever kind, is an answer: the server is alive.
/// Silence is told apart by whether the port took the connection.
/// </summary>
/// <param name="Code">The word for it: <c>refused</c>, <c>timeout</c>, <c>unreachable</c>, <c>unknown-host</c>, <c>broken</c>, <c>hung</c>, <c>tls</c>, <c>certificate</c>, <c>secret</c>, <c>login</c>, or the server's SQLSTATE.</param>
/// <param name="Reachability">What that says of the node.</param>
/// <param name="Message">What was seen.</param>
/// <param name="Cause">The driver's exception.</param>
internal sealed record ConnectionFailure(string Code, Reachability Reachability, string Message, Exception? Cause = null)
{
    internal const string Refused = "refused";
    internal const string TimedOut = "timeout";
    internal const string Unreachable = "unreachable";
    internal const string UnknownHost = "unknown-host";
    internal const string Broken = "broken";
    internal const string Hung = "hung";
    internal const string Tls = "tls";
    internal const string Certificate = "certificate";
    internal const string Secret = "secret";
    internal const string Login = "login";

    private static readonly string[] s_ofLogins = ["authentica", "SASL", "SCRAM"];

    /// <summary>The failure as part of an observation.</summary>
    internal ObservedError Observed(string during) => new(Code, Message, during);

    /// <summary>The port takes connections, or a session is open, and no answer came.</summary>
    internal static ConnectionFailure Silent(TimeSpan timeout) =>
        new(Hung, Reachability.TimedOut, FormattableString.Invariant($"the port takes connections, and the server did not answer within {timeout.TotalSeconds:0.###} s"));

    /// <summary>What an exception of the driver says.</summary>
    internal static ConnectionFailure Of(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case ServerSilentException silent:
                    return silent.Failure;
                case NoSessionException none:
                    return none.Failure;
                case PostgresException server:
                    return new(server.SqlState, Reachability.Refusing, server.MessageText, exception);
                case DbRecoveryException { Id: ErrorIds.SecretUnavailable } secret:
                    // nothing was asked of the node beyond its greeting, which it gave
                    return new(Secret, Reachability.Refusing, secret.Message, secret);
                case AuthenticationException tls:
                    return new(tls.Message.Contains("certificate", StringComparison.OrdinalIgnoreCase) ? Certificate : Tls, Reachability.Refusing, Chain(exception), exception);
                case SocketException socket:
                    return Of(socket, exception);
                case TimeoutException or OperationCanceledException:
                    return new(TimedOut, Reachability.TimedOut, "no answer in time", exception);
                case EndOfStreamException:
                    return new(Broken, Reachability.Absent, "the server closed the connection without a word", exception);
                case FileNotFoundException or DirectoryNotFoundException or System.Security.Cryptography.CryptographicException:
                    return new(Certificate, Reachability.Refusing, $"the trusted certificates cannot be read: {e.Message}", exception);
            }
        }
        // the driver's own words where a server asks for a password and there is none: the server spoke
        if (exception.Message.Contains("password has been provided", StringComparison.Ordinal))
        {
            var none = new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound, "the server asks for a password, and none is given",
                "Name one under 'auth' of the inventory, or set PGPASSWORD or a password file where the servers are given by a connection text.", null, exception);
            return new(Secret, Reachability.Refusing, none.Message, none);
        }
        // or for a way to log in that the driver has not (gss, sspi)
        if (exception is NotSupportedException || s_ofLogins.Any(w => exception.Message.Contains(w, StringComparison.OrdinalIgnoreCase)))
            return new(Login, Reachability.Refusing, Chain(exception), exception);
        // and where a server without TLS is asked for it
        return exception.Message.Contains("SSL", StringComparison.Ordinal)
            ? new(Tls, Reachability.Refusing, exception.Message, exception)
            : new(Broken, Reachability.Absent, Chain(exception), exception);
    }

    private static ConnectionFailure Of(SocketException socket, Exception exception) => socket.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => new(Refused, Reachability.Absent, "the connection was refused: nothing listens there", exception),
        // a Unix-domain socket that is not there
        SocketError.AddressNotAvailable when socket.NativeErrorCode == 2 => new(Refused, Reachability.Absent, "there is no such socket", exception),
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain or SocketError.NoRecovery =>
            new(UnknownHost, Reachability.TimedOut, "the host name is not known", exception),
        SocketError.TimedOut => new(TimedOut, Reachability.TimedOut, "no connection in time", exception),
        SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.HostDown or SocketError.NetworkDown =>
            new(Unreachable, Reachability.TimedOut, "the network has no way to the host", exception),
        _ => new(Broken, Reachability.Absent, $"the connection broke: {socket.Message}", exception),
    };

    private static string Chain(Exception exception) =>
        exception.InnerException is { } inner && inner.Message != exception.Message ? $"{exception.Message}: {inner.Message}" : exception.Message;
}

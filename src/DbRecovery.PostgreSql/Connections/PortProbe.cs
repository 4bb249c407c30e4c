using System.Net.Sockets;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>Whether a port takes connections, whatever answers behind it. The kernel takes them for a stopped process too.</summary>
internal static class PortProbe
{
    /// <summary>
    /// Connects and hangs up without a byte, which PostgreSQL does not log. Gives why that was not possible; null where it was.
    /// It never throws but for cancellation.
    /// </summary>
    internal static async Task<ConnectionFailure?> LookAsync(ServerLogin login, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            if (login.Host.StartsWith('/'))
            {
                using var local = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await local.ConnectAsync(new UnixDomainSocketEndPoint($"{login.Host.TrimEnd('/')}/.s.PGSQL.{login.Port}"), stop.Token).ConfigureAwait(false);
                return null;
            }
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(login.Host, login.Port, stop.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ConnectionFailure.Of(e);
        }
    }
}

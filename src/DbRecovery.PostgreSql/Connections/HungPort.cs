using System.Net.Sockets;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// One connection that waits for a hung server's first word. Each new one would stay in the queue of a server that accepts none until the
/// queue is full, and then a hung server looks like a host that is gone; and all of them would meet the server when it goes on.
/// </summary>
internal sealed class HungPort : IDisposable
{
    // asks whether the server has TLS: the one question that it answers with one byte (manual, section 55.2.10, SSL Session Encryption)
    private static readonly byte[] Question = [0, 0, 0, 8, 4, 210, 22, 47];

    private readonly Socket _socket;
    private readonly Task _answered;

    private HungPort(Socket socket)
    {
        _socket = socket;
        _answered = ReceiveAsync(socket);
    }

    /// <summary>Connects and asks; null where that is not possible now.</summary>
    internal static async Task<HungPort?> AskAsync(ServerLogin login, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (login.Host.StartsWith('/'))
            return null;
        using var deadline = new CancellationTokenSource(timeout, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // the kernel of a living host answers for a stopped process; where the host goes too, this ends the connection within seconds
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 1);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 1);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(login.Host, login.Port, stop.Token).ConfigureAwait(false);
            await socket.SendAsync(Question, stop.Token).ConfigureAwait(false);
            return new HungPort(socket);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            socket.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    /// <summary>Waits for the first word, or for the end of the connection: then it is worth while to connect again.</summary>
    internal async Task<bool> AnsweredAsync(TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        try
        {
            await _answered.WaitAsync(timeout, clock, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static async Task ReceiveAsync(Socket socket)
    {
        try
        {
            await socket.ReceiveAsync(new byte[1]).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // that is an end of the silence, too
        }
    }
}

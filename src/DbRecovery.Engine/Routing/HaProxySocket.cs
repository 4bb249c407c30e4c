using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DbRecovery.Engine.Routing;

/// <summary>A server of a backend as HAProxy sees it.</summary>
/// <param name="Name">The server's name.</param>
/// <param name="Address">The address that it leads to.</param>
/// <param name="Port">Its port.</param>
/// <param name="Operational">The operational state: 0 down, 1 starting, 2 running, 3 stopping.</param>
/// <param name="Administrative">The administrative state, a mask of why it is in maintenance or drained.</param>
internal sealed record HaProxyServer(string Name, string Address, int Port, int Operational, int Administrative)
{
    /// <summary>Whether new sessions are led there.</summary>
    public bool TakesSessions => (Administrative & Closed) == 0 && Operational is 1 or 2;

    // all but 0x04: that says only that the configuration began with it in maintenance, and stays when it has left that
    private const int Closed = 0x7b;
}

/// <summary>HAProxy's runtime socket (management guide, section 9.3), one command a connection. It needs <c>level admin</c>.</summary>
internal sealed class HaProxySocket(string address, TimeProvider clock)
{
    private const int MostOutput = 4 * 1024 * 1024;

    /// <summary>Runs a command and gives what HAProxy says.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>, <see cref="ErrorIds.TimedOut"/>.</exception>
    public async Task<string> AskAsync(string command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var time = new CancellationTokenSource(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancellationToken);
        try
        {
            using var socket = await ConnectAsync(both.Token).ConfigureAwait(false);
            await socket.SendAsync(Encoding.UTF8.GetBytes(command + "\n"), both.Token).ConfigureAwait(false);
            return await ReadAsync(socket, both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"HAProxy at {address} did not answer '{command}' within {timeout.TotalSeconds:0.###} s; whether it was carried out is not known", null, address);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"HAProxy cannot be asked at {address}: {e.Message}",
                "Check that HAProxy runs, that its configuration has 'stats socket ... level admin', and that this user may open the socket.", address, e);
        }
    }

    /// <summary>Runs a command that says nothing, or what <paramref name="accepted"/> begins with, when it was carried out.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RouteFailed"/> with HAProxy's words, and those of <see cref="AskAsync"/>.</exception>
    public async Task TellAsync(string command, TimeSpan timeout, CancellationToken cancellationToken, params string[] accepted)
    {
        var said = (await AskAsync(command, timeout, cancellationToken).ConfigureAwait(false)).Trim();
        if (said.Length > 0 && !accepted.Any(a => said.StartsWith(a, StringComparison.OrdinalIgnoreCase)))
        {
            throw new DbRecoveryException(ErrorIds.RouteFailed, ErrorKind.Failed, $"HAProxy at {address} refused '{command}': {said}",
                said.Contains("ermission denied", StringComparison.Ordinal) ? "Give its socket 'level admin'." : "Check the backend and the names of its servers in the inventory.", address);
        }
    }

    /// <summary>The servers of a backend.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RouteFailed"/>: there is no such backend.</exception>
    public async Task<IReadOnlyList<HaProxyServer>> ServersAsync(string backend, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var command = $"show servers state {backend}";
        var lines = (await AskAsync(command, timeout, cancellationToken).ConfigureAwait(false)).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        // the first line is the version of the format, the second names the columns
        if (lines.Length < 2 || !lines[1].StartsWith('#'))
            throw Unreadable(command, string.Join(' ', lines));
        var columns = lines[1].TrimStart('#').Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return [.. lines.Skip(2).Select(line => Read(line.Split(' ')))];

        HaProxyServer Read(string[] fields)
        {
            string Field(string name) => Array.IndexOf(columns, name) is var i and >= 0 && i < fields.Length ? fields[i] : throw Unreadable(command, $"no column {name}");
            int Number(string name) => int.TryParse(Field(name), out var value) ? value : throw Unreadable(command, $"column {name} is no number");
            return new HaProxyServer(Field("srv_name"), Field("srv_addr"), Number("srv_port"), Number("srv_op_state"), Number("srv_admin_state"));
        }
    }

    /// <summary>The sessions that a server of a backend has now.</summary>
    public async Task<int> SessionsAsync(string backend, string server, TimeSpan timeout, CancellationToken cancellationToken)
    {
        const string Command = "show stat";
        var lines = (await AskAsync(Command, timeout, cancellationToken).ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var columns = lines is [var header, ..] ? header.TrimStart('#', ' ').Split(',') : [];
        var (proxy, name, current) = (Array.IndexOf(columns, "pxname"), Array.IndexOf(columns, "svname"), Array.IndexOf(columns, "scur"));
        var fields = lines.Skip(1).Select(l => l.Split(',')).FirstOrDefault(f => f.Length > current && f[proxy] == backend && f[name] == server);
        return proxy >= 0 && name >= 0 && fields is not null && int.TryParse(fields[current], out var sessions) ? sessions : throw Unreadable(Command, $"nothing of {backend}/{server}");
    }

    private DbRecoveryException Unreadable(string command, string said) =>
        new(ErrorIds.RouteFailed, ErrorKind.Failed, $"HAProxy at {address} answered '{command}' with something else: {said}", "Check the name of the backend in the inventory.", address);

    private async Task<Socket> ConnectAsync(CancellationToken cancellationToken)
    {
        var local = address.StartsWith('/');
        var end = local ? default : Endpoints.Parse(address, "the address of HAProxy");
        var socket = local ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(local ? new UnixDomainSocketEndPoint(address) : new DnsEndPoint(end.Host, end.Port), cancellationToken).ConfigureAwait(false);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<string> ReadAsync(Socket socket, CancellationToken cancellationToken)
    {
        using var all = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
        {
            all.Write(buffer, 0, read);
            if (all.Length > MostOutput)
                throw new IOException($"its answer has more than {MostOutput} bytes");
        }
        return Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length);
    }
}

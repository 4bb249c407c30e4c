using System.Net;
using System.Net.Sockets;

namespace DbRecovery.PostgresLab;

/// <summary>What becomes of the bytes that a relay gets in one direction.</summary>
public enum Flow
{
    /// <summary>They are passed on.</summary>
    Pass,
    /// <summary>They are kept back: to the sender it looks like packets that get lost, and they arrive when the flow passes again, as TCP repeats them.</summary>
    Drop,
}

/// <summary>Listens on a port of its own and forwards to a server, as long as it is let.</summary>
public sealed class TcpRelay : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _end = new();
    private readonly List<Socket> _open = [];
    private readonly List<Socket> _fillers = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Flow _toServer, _toClient;
    private volatile bool _refuses, _vanished;
    private volatile int _target;

    private TcpRelay(int target)
    {
        _target = target;
        Port = Machine.FreePort();
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        _listener.Listen(128);
        _ = AcceptAsync();
    }

    /// <summary>The port that it listens on.</summary>
    public int Port { get; }

    /// <summary>The port of the loopback that new connections are forwarded to.</summary>
    public int Target
    {
        get => _target;
        set => _target = value;
    }

    /// <summary>Starts a relay to a port of the loopback.</summary>
    public static TcpRelay Start(int target) => new(target);

    /// <summary>Sets what becomes of bytes in each direction, on connections that are open and on new ones.</summary>
    public void Set(Flow toServer, Flow toClient)
    {
        lock (_open)
        {
            (_toServer, _toClient) = (toServer, toClient);
            Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        }
    }

    /// <summary>Ends every connection with a reset and resets new ones until <see cref="Restore"/>.</summary>
    public void Cut()
    {
        _refuses = true;
        CloseAll();
    }

    /// <summary>Ends every open connection with a reset; new ones are forwarded.</summary>
    public void CloseAll()
    {
        lock (_open)
        {
            foreach (var socket in _open)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }
            _open.Clear();
        }
    }

    /// <summary>The host is gone: nothing flows, and new connections get no answer at all, until <see cref="Restore"/>.</summary>
    public async Task VanishAsync()
    {
        Set(Flow.Drop, Flow.Drop);
        _vanished = true;
        // once nobody accepts and the queue is full, the kernel leaves further SYNs unanswered
        _listener.Listen(0);
        for (var full = false; !full;)
        {
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            lock (_fillers)
                _fillers.Add(filler);
            var connecting = filler.ConnectAsync(new IPEndPoint(IPAddress.Loopback, Port));
            // whether it is connected is for the kernel to say: the task may wait for a thread
            full = await Task.WhenAny(connecting, Task.Delay(500)) != connecting && !filler.Poll(0, SelectMode.SelectWrite);
            _ = connecting.ContinueWith(static t => t.Exception, TaskScheduler.Default);
        }
    }

    /// <summary>Everything passes again.</summary>
    public void Restore()
    {
        (_refuses, _vanished) = (false, false);
        lock (_fillers)
        {
            foreach (var filler in _fillers)
                filler.Dispose();
            _fillers.Clear();
        }
        _listener.Listen(128);
        Set(Flow.Pass, Flow.Pass);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _end.Cancel();
        Restore();
        CloseAll();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            try
            {
                await PresentAsync();
                var client = await _listener.AcceptAsync(_end.Token);
                if (!_refuses)
                {
                    _ = ServeAsync(client);
                    continue;
                }
                client.LingerState = new LingerOption(true, 0);
                client.Dispose();
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // a client that gave up before it was accepted, or the end
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            client.NoDelay = true;
            lock (_open)
                _open.AddRange([client, server]);
            await PresentAsync();
            await server.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _target), _end.Token);
            await Task.WhenAll(PumpAsync(client, server, toServer: true), PumpAsync(server, client, toServer: false));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // a side that is gone takes the other with it: a client of a refused server gets a reset
            client.LingerState = new LingerOption(true, 0);
        }
        finally
        {
            lock (_open)
                _open.RemoveAll(s => s == client || s == server);
            client.Dispose();
            server.Dispose();
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool toServer)
    {
        try
        {
            var buffer = new byte[64 * 1024];
            while (await from.ReceiveAsync(buffer, SocketFlags.None, _end.Token) is var read and > 0)
            {
                await PassAsync(toServer);
                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), SocketFlags.None, _end.Token);
            }
            // the end of a stream is a packet like any other
            await PassAsync(toServer);
            to.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // a reset is one, too; the other direction must not wait for what never comes
            await PassAsync(toServer);
            (from.LingerState, to.LingerState) = (new LingerOption(true, 0), new LingerOption(true, 0));
            from.Dispose();
            to.Dispose();
        }
    }

    private async Task PresentAsync()
    {
        while (true)
        {
            var changed = Volatile.Read(ref _changed).Task;
            if (!_vanished)
                return;
            await changed.WaitAsync(_end.Token);
        }
    }

    private async Task PassAsync(bool toServer)
    {
        while (true)
        {
            Task changed;
            lock (_open)
            {
                if ((toServer ? _toServer : _toClient) == Flow.Pass)
                    return;
                changed = _changed.Task;
            }
            await changed.WaitAsync(_end.Token);
        }
    }
}

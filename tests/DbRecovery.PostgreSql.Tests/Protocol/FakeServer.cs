using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DbRecovery.PostgreSql.Tests.Protocol;

/// <summary>A server that misbehaves as it is told: it takes one connection and runs a script on it.</summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ends = new(Wait.Limit);
    private readonly Task _script;

    public FakeServer(Func<FakeSession, Task> script)
    {
        _listener.Start();
        _script = RunAsync(script);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        await _ends.CancelAsync();
        _listener.Stop();
        try
        {
            await _script;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or EndOfStreamException)
        {
            // the client went away, as it should
        }
        _ends.Dispose();
    }

    /// <summary>A message as the protocol has it.</summary>
    public static byte[] Message(char type, params byte[][] parts)
    {
        var body = parts.SelectMany(p => p).ToArray();
        return [(byte)type, .. Number(body.Length + 4), .. body];
    }

    public static byte[] Number(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Text(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    public static readonly byte[] LetIn = [.. Message('R', Number(0)), .. Message('Z', "I"u8.ToArray())];

    private async Task RunAsync(Func<FakeSession, Task> script)
    {
        using var client = await _listener.AcceptTcpClientAsync(_ends.Token);
        await using var stream = client.GetStream();
        await script(new FakeSession(stream, _ends.Token));
    }
}

/// <summary>The server's side of one connection.</summary>
internal sealed class FakeSession(NetworkStream stream, CancellationToken cancellationToken)
{
    public Task SendAsync(byte[] bytes) => stream.WriteAsync(bytes, cancellationToken).AsTask();

    /// <summary>Reads a message without a letter: the start-up, a request for TLS.</summary>
    public async Task<byte[]> StartUpAsync()
    {
        var length = new byte[4];
        await stream.ReadExactlyAsync(length, cancellationToken);
        var body = new byte[BinaryPrimitives.ReadInt32BigEndian(length) - 4];
        await stream.ReadExactlyAsync(body, cancellationToken);
        return body;
    }

    public async Task<(char Type, byte[] Body)> ReadAsync()
    {
        var type = new byte[1];
        await stream.ReadExactlyAsync(type, cancellationToken);
        return ((char)type[0], await StartUpAsync());
    }

    /// <summary>Lets the client in without asking for anything.</summary>
    public async Task LetInAsync()
    {
        await StartUpAsync();
        await SendAsync(FakeServer.LetIn);
    }

    /// <summary>Waits until the client goes away.</summary>
    public async Task UntilGoneAsync()
    {
        var bytes = new byte[1024];
        while (await stream.ReadAsync(bytes, cancellationToken) > 0)
        {
        }
    }
}

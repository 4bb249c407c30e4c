using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>
/// A small client of the frontend/backend protocol 3.0: simple queries and copy-out, for what the driver does not speak: the console of a
/// connection pooler, and base backups. One query at a time. After an error of the server it can go on; after every other one it is broken.
/// </summary>
internal sealed class WireConnection : IAsyncDisposable
{
    private const int CancelRequest = 80877102;
    private readonly WireOptions _options;
    private readonly TimeProvider _clock;
    private readonly WireStream _stream;
    private readonly Dictionary<string, string> _parameters = new(StringComparer.Ordinal);
    private byte[]? _key;

    /// <summary>Notices of one query that are kept.</summary>
    public const int MostNotices = 100;

    private WireConnection(WireOptions options, TimeProvider clock, Stream stream)
    {
        _options = options;
        _clock = clock;
        _stream = new WireStream(stream);
    }

    /// <summary>Parameters that the server reports, such as <c>server_version</c>.</summary>
    public IReadOnlyDictionary<string, string> Parameters => _parameters;

    /// <summary>Whether it cannot be used any more.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Connects and logs in.</summary>
    /// <exception cref="PostgresException">The server refused.</exception>
    /// <exception cref="TimeoutException">It took longer.</exception>
    /// <exception cref="SocketException">Nothing is there, or the host is not known.</exception>
    /// <exception cref="IOException">The connection broke, or what answers is no server.</exception>
    /// <exception cref="System.Security.Authentication.AuthenticationException">TLS was refused, or the certificate is not trusted.</exception>
    public static async Task<WireConnection> OpenAsync(WireOptions options, TimeProvider clock, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(clock, timeout, cancellationToken);
        try
        {
            var stream = await ConnectAsync(options, deadline.Token).ConfigureAwait(false);
            var connection = new WireConnection(options, clock, stream);
            try
            {
                connection._key = await WireLogin.RunAsync(connection._stream, options, connection._parameters, deadline.Token).ConfigureAwait(false);
                return connection;
            }
            catch
            {
                await stream.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new TimeoutException($"{options.Address} did not let us in within {timeout}");
        }
    }

    /// <summary>Runs statements by the simple protocol and gives all that they show.</summary>
    /// <exception cref="PostgresException">The server's error; the connection can be used on.</exception>
    /// <exception cref="TimeoutException">It took longer: what became of the statement is not known, and the connection is broken.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async Task<WireOutcome> QueryAsync(string sql, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(_clock, timeout, cancellationToken);
        return await RunAsync(sql, null, deadline, null, $"no answer within {timeout}").ConfigureAwait(false);
    }

    /// <summary>Runs a statement with copy-out, such as <c>BASE_BACKUP</c> or <c>COPY ... TO STDOUT</c>, and hands on its bytes as they come.</summary>
    /// <param name="sql">The statement.</param>
    /// <param name="handler">Takes the bytes; the server waits while it does.</param>
    /// <param name="idle">The time in which the next message must come.</param>
    /// <param name="cancellationToken">Cancels; the connection is broken then.</param>
    /// <exception cref="PostgresException">The server's error; the connection can be used on, and what the handler was given is not whole.</exception>
    /// <exception cref="TimeoutException">Nothing came for that time.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async Task<WireOutcome> CopyOutAsync(string sql, Func<CopyChunk, CancellationToken, ValueTask> handler, TimeSpan idle, CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(_clock, idle, cancellationToken);
        return await RunAsync(sql, handler, deadline, idle, $"nothing came for {idle}").ConfigureAwait(false);
    }

    /// <summary>Asks the server, over a connection of its own, to cancel what runs here. Whether it does is seen on the query itself.</summary>
    public async Task CancelAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (_key is null)
            return;
        using var deadline = new Deadline(_clock, timeout, cancellationToken);
        try
        {
            var stream = await ConnectAsync(_options, deadline.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                await stream.WriteAsync(new WireWriter().Int32(CancelRequest).Raw(_key).Done(), deadline.Token).ConfigureAwait(false);
                // the server closes when the request is delivered, and says nothing
                _ = await stream.ReadAsync(new byte[1], deadline.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new TimeoutException($"{_options.Address} did not take the cancel request within {timeout}");
        }
    }

    /// <summary>Says goodbye where that is possible at once, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!IsBroken)
        {
            using var deadline = new Deadline(_clock, TimeSpan.FromSeconds(1), CancellationToken.None);
            try
            {
                await _stream.WriteAsync(new WireWriter('X'), deadline.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // the server sees the end of the connection all the same
            }
        }
        IsBroken = true;
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<Stream> ConnectAsync(WireOptions options, CancellationToken cancellationToken)
    {
        var local = options.Host.StartsWith('/');
        var socket = local ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            EndPoint end = local ? new UnixDomainSocketEndPoint($"{options.Host.TrimEnd('/')}/.s.PGSQL.{options.Port}") : new DnsEndPoint(options.Host, options.Port);
            await socket.ConnectAsync(end, cancellationToken).ConfigureAwait(false);
            return await WireTls.ProtectAsync(new NetworkStream(socket, ownsSocket: true), options, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<WireOutcome> RunAsync(string sql, Func<CopyChunk, CancellationToken, ValueTask>? handler, Deadline deadline, TimeSpan? idle, string late)
    {
        ObjectDisposedException.ThrowIf(IsBroken, this);
        var query = new WireQuery(_options.ResultLimit);
        // whatever ends this before the server is ready again leaves an answer on its way that would be taken for the next one's
        IsBroken = true;
        try
        {
            await _stream.WriteAsync(new WireWriter('Q').Text(sql), deadline.Token).ConfigureAwait(false);
            while (await _stream.ReadAsync(_options.MessageLimit, deadline.Token).ConfigureAwait(false) is { Type: not 'Z' } message)
            {
                await TakeAsync(query, message, handler, deadline).ConfigureAwait(false);
                if (idle is { } time)
                    deadline.Renew(time);
            }
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new TimeoutException($"{_options.Address}: {late}");
        }
        catch (EndOfStreamException) when (query.Error is not null)
        {
            throw query.Error; // a server that ends the session says why, and closes
        }
        IsBroken = false;
        return query.Error is null ? query.Outcome : throw query.Error;
    }

    private async ValueTask TakeAsync(WireQuery query, WireMessage message, Func<CopyChunk, CancellationToken, ValueTask>? handler, Deadline deadline)
    {
        switch (message.Type)
        {
            case 'S':
                WireLogin.Remember(message, _parameters);
                break;
            case 'd' when handler is not null:
                // the time that the handler takes is not the server's
                deadline.Renew(Timeout.InfiniteTimeSpan);
                await handler(query.Chunk(message.Body), deadline.Token).ConfigureAwait(false);
                break;
            case 'd':
                break;
            case 'G':
                await _stream.WriteAsync(new WireWriter('f').Text("nothing is sent here"), deadline.Token).ConfigureAwait(false);
                break;
            default:
                query.Take(message);
                break;
        }
    }
}

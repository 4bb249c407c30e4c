using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DbRecovery.Engine.Watch;

/// <summary>What the watch says of itself.</summary>
/// <param name="Ok">Whether every cluster was looked at lately.</param>
/// <param name="Clusters">The clusters that are watched.</param>
/// <param name="Late">Those that were not.</param>
internal sealed record WatchReply(bool Ok, int Clusters, IReadOnlyList<string> Late);

/// <summary>What was wrong with a question.</summary>
internal sealed record RefusalReply(string Error);

/// <summary>
/// Answers load balancers over HTTP/1: 200 where it is so, 503 where it is not or not known, with a line of JSON.
/// <c>/primary</c> and <c>/replica?lag=1MB</c> (a size, or a time such as 5s) ask about the one cluster that is watched;
/// <c>/CLUSTER/primary</c> about one of several; <c>/CLUSTER/NODE/primary</c> whether it is that node, which is what HAProxy's
/// <c>option httpchk</c> asks for each server. <c>?cluster=</c> and <c>?node=</c> say the same. <c>/healthz</c> is about the watch itself.
/// It only reads what the watch knows: a question never reaches a database.
/// </summary>
internal sealed class WatchEndpoint : IDisposable
{
    private const int MostBytes = 8 * 1024;
    private const int MostConnections = 128;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private readonly TcpListener _listener;
    private readonly IReadOnlyList<ClusterWatch> _watches;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _room = new(MostConnections);

    /// <summary>Begins to listen.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: the address cannot be listened on.</exception>
    public WatchEndpoint(IPEndPoint address, IReadOnlyList<ClusterWatch> watches, TimeProvider clock)
    {
        (_watches, _clock) = (watches, clock);
        _listener = new TcpListener(address);
        try
        {
            _listener.Start();
        }
        catch (SocketException e)
        {
            _listener.Dispose();
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"nothing can listen on {address}: {e.Message}", "Give another port, or stop what uses it.", address.ToString(), e);
        }
        Address = (IPEndPoint)_listener.LocalEndpoint;
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address { get; }

    /// <summary>Answers until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Socket? socket = null;
            try
            {
                await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
                socket = await _listener.AcceptSocketAsync(cancellationToken).ConfigureAwait(false);
                var accepted = socket;
                _ = Task.Run(() => AnswerAsync(accepted, cancellationToken), CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException)
            {
                // a client that was gone before it was accepted, or no file descriptor left: others may fare better soon
                _room.Release();
                await Task.Delay(TimeSpan.FromMilliseconds(50), CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        _room.Dispose();
    }

    private async Task AnswerAsync(Socket socket, CancellationToken cancellationToken)
    {
        try
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            ends.CancelAfter(s_patience);
            using (socket)
            {
                var head = await ReadHeadAsync(socket, ends.Token).ConfigureAwait(false);
                var (status, body, withBody) = head is null ? (400, Error("this is no HTTP request"), true) : Answer(head);
                var text = $"HTTP/1.1 {status} {Reason(status)}\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{(withBody ? body : "")}";
                var bytes = Encoding.UTF8.GetBytes(text);
                for (var sent = 0; sent < bytes.Length;)
                    sent += await socket.SendAsync(bytes.AsMemory(sent), ends.Token).ConfigureAwait(false);
                socket.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // whoever asked is gone, or is too slow
        }
        finally
        {
            Release();
        }
    }

    private void Release()
    {
        try
        {
            _room.Release();
        }
        catch (ObjectDisposedException)
        {
            // the watch ended meanwhile
        }
    }

    private static async Task<string?> ReadHeadAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[MostBytes];
        var used = 0;
        while (used < buffer.Length)
        {
            var read = await socket.ReceiveAsync(buffer.AsMemory(used), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return null;
            used += read;
            if (buffer.AsSpan(0, used).IndexOf("\r\n\r\n"u8) >= 0 || buffer.AsSpan(0, used).IndexOf("\n\n"u8) >= 0)
                return Encoding.Latin1.GetString(buffer, 0, used);
        }
        return null;
    }

    private (int Status, string Body, bool WithBody) Answer(string head)
    {
        var words = head[..head.AsSpan().IndexOfAny('\r', '\n')].Split(' ');
        if (words.Length != 3 || !words[2].StartsWith("HTTP/1.", StringComparison.Ordinal))
            return (400, Error("this is no HTTP/1 request"), true);
        // OPTIONS is what HAProxy sends where nothing else is set
        if (words[0] is not ("GET" or "HEAD" or "OPTIONS"))
            return (405, Error("only GET, HEAD and OPTIONS are answered"), true);
        var (status, body) = Answer(new Question(words[1]));
        return (status, body, words[0] != "HEAD");
    }

    private (int Status, string Body) Answer(Question question)
    {
        if (question.What == "healthz" && question.Cluster is null)
        {
            var late = _watches.Where(w => w.State is not { } s || _clock.GetElapsedTime(s.NewestLook) > w.MostAge * 2).Select(w => w.Cluster.Name).ToList();
            return (late.Count == 0 ? 200 : 503, Text(new WatchReply(late.Count == 0, _watches.Count, late)));
        }
        if (question.What is not ("primary" or "replica"))
            return (404, Error("ask for /primary, /replica or /healthz"));
        if (question.Cluster is null && _watches.Count != 1)
            return (400, Error($"{_watches.Count} clusters are watched: ask for /CLUSTER/{question.What}"));
        if (_watches.FirstOrDefault(w => question.Cluster is null || w.Cluster.Name == question.Cluster) is not { } watch)
            return (404, Error($"no cluster '{question.Cluster}' is watched"));
        if (question.Node is { } node && watch.Cluster.Nodes.All(n => n.Name != node))
            return (404, Error($"cluster '{watch.Cluster.Name}' has no node '{node}'"));
        if (!question.TryLag(out var bytes, out var seconds))
            return (400, Error($"lag={question.Lag} is neither a size such as 1MB nor a time such as 5s"));
        var reply = watch.State is not { } state ? new RouteReply(false, watch.Cluster.Name, [], "it was not looked at yet")
            : question.What == "primary" ? state.Primary(question.Node, watch.MostAge, _clock)
            : state.Replica(question.Node, bytes, seconds, watch.MostAge, _clock);
        return (reply.Ok ? 200 : 503, Text(reply));
    }

    private static string Error(string text) => Text(new RefusalReply(text));

    private static string Text<T>(T value) => JsonSerializer.Serialize(value, EngineJson.Compact) + "\n";

    private static string Reason(int status) => status switch { 200 => "OK", 400 => "Bad Request", 404 => "Not Found", 405 => "Method Not Allowed", _ => "Service Unavailable" };

    /// <summary>What is asked, by path and query.</summary>
    private sealed class Question
    {
        private readonly Dictionary<string, string> _query = new(StringComparer.Ordinal);

        public Question(string target)
        {
            var mark = target.IndexOf('?');
            var parts = (mark < 0 ? target : target[..mark]).Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString).ToArray();
            foreach (var pair in mark < 0 ? [] : target[(mark + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                var equals = pair.IndexOf('=');
                _query[Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals])] = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..].Replace('+', ' '));
            }
            What = parts.Length is > 0 and <= 3 ? parts[^1] : "";
            Cluster = parts.Length >= 2 ? parts[0] : _query.GetValueOrDefault("cluster");
            Node = parts.Length == 3 ? parts[1] : _query.GetValueOrDefault("node");
        }

        public string What { get; }
        public string? Cluster { get; }
        public string? Node { get; }
        public string? Lag => _query.GetValueOrDefault("lag");

        public bool TryLag(out long? bytes, out double? seconds)
        {
            (bytes, seconds) = (null, null);
            if (Lag is not { Length: > 0 } text)
                return Lag is null;
            // a bare number is bytes, as Patroni has it
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var plain))
                bytes = plain;
            else if (Quantities.TryTypedSize(text, out var size))
                bytes = size;
            else if (Quantities.TryTypedDuration(text, out var time))
                seconds = time.TotalSeconds;
            return bytes is not null || seconds is not null;
        }
    }
}

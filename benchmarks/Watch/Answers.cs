using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace DbRecovery.Benchmarks.Watch;

/// <summary>
/// Stands for many servers: what a real one answers to each kind of question is kept for a second, and given to everybody who asks the same. So a
/// small machine watches more servers than it could run, and every question is answered by a real server again and again.
/// </summary>
internal sealed class Answers : IDisposable
{
    private static readonly TimeSpan s_kept = TimeSpan.FromSeconds(1);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<string, Answer> _answers = new();
    private readonly int _server;
    private long _given;

    public Answers(int server)
    {
        _server = server;
        _listener.Start(512);
        _ = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Answers given so far.</summary>
    public long Given => Interlocked.Read(ref _given);

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        foreach (var answer in _answers.Values)
            answer.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptSocketAsync(_end.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the end
        }
    }

    private async Task ServeAsync(Socket client)
    {
        client.NoDelay = true;
        using var stream = new NetworkStream(client, ownsSocket: true);
        try
        {
            // whoever asks a question first asks it of the server itself, on a session with the same past
            var past = new List<byte[]>();
            while (await Wire.QuestionAsync(stream, first: past.Count == 0, _end.Token) is { } question)
            {
                if (Wire.IsCancellation(question))
                    return;
                var text = Convert.ToBase64String(question) + Prepared(past, question);
                var answer = _answers.GetOrAdd(text, _ => new Answer(_server, [.. past], question));
                past.Add(question);
                await stream.WriteAsync(await answer.GetAsync(s_kept, _end.Token), _end.Token);
                Interlocked.Increment(ref _given);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // this session ends, as with a server that ends
        }
    }

    // a statement that was prepared before is named by what prepared it: two sessions may use a name for two things
    private static string Prepared(List<byte[]> past, byte[] question) =>
        Wire.Names(question, 'B').Any() ? string.Concat(past.Where(p => Wire.Names(p, 'P').Any()).Select(Convert.ToBase64String)) : "";

    /// <summary>What the server says to one question.</summary>
    private sealed class Answer(int server, byte[][] past, byte[] question) : IDisposable
    {
        // a login or a statement's preparation is no question that could be asked again on the same session
        private readonly bool _once = past.Length == 0 || Wire.Names(question, 'P').Any();
        private readonly SemaphoreSlim _turn = new(1);
        private NetworkStream? _session;
        private byte[]? _said;
        private long _at;

        public async ValueTask<byte[]> GetAsync(TimeSpan kept, CancellationToken cancellationToken)
        {
            if (_said is { } fresh && (_once || Stopwatch.GetElapsedTime(Volatile.Read(ref _at)) < kept))
                return fresh;
            await _turn.WaitAsync(cancellationToken);
            try
            {
                if (_said is null || (!_once && Stopwatch.GetElapsedTime(_at) >= kept))
                    (_said, _at) = (await AskAsync(cancellationToken), Stopwatch.GetTimestamp());
                return _said;
            }
            finally
            {
                _turn.Release();
            }
        }

        public void Dispose() => _session?.Dispose();

        private async Task<byte[]> AskAsync(CancellationToken cancellationToken)
        {
            if (_session is null)
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, server, cancellationToken);
                _session = new NetworkStream(socket, ownsSocket: true);
                foreach (var before in past)
                {
                    await _session.WriteAsync(before, cancellationToken);
                    await Wire.AnswerAsync(_session, cancellationToken);
                }
            }
            await _session.WriteAsync(question, cancellationToken);
            return await Wire.AnswerAsync(_session, cancellationToken);
        }
    }

    /// <summary>As much of the protocol as tells where questions and answers end.</summary>
    private static class Wire
    {
        /// <summary>Everything up to what makes a server answer; null at the session's end.</summary>
        public static async Task<byte[]?> QuestionAsync(Stream from, bool first, CancellationToken cancellationToken)
        {
            var all = new List<byte>();
            while (await MessageAsync(from, typed: !first, cancellationToken) is { } message)
            {
                if (!first && message[0] == 'X')
                    return null;
                all.AddRange(message);
                if (first || message[0] is (byte)'S' or (byte)'Q')
                    return [.. all];
            }
            return null;
        }

        /// <summary>Whether it is no question but the wish that another session's ends: it gets no answer.</summary>
        public static bool IsCancellation(byte[] question) => question.Length == 16 && BinaryPrimitives.ReadInt32BigEndian(question.AsSpan(4)) == 80877102;

        /// <summary>Everything up to 'ready for the next question'.</summary>
        public static async Task<byte[]> AnswerAsync(Stream from, CancellationToken cancellationToken)
        {
            var all = new List<byte>();
            while (await MessageAsync(from, typed: true, cancellationToken) is { } message)
            {
                all.AddRange(message);
                if (message[0] == 'Z')
                    return [.. all];
            }
            throw new IOException("the server ended the session");
        }

        /// <summary>The names of the prepared statements that messages of a kind give (P: parse) or use (B: bind).</summary>
        public static IEnumerable<string> Names(byte[] question, char kind)
        {
            for (var at = 0; at + 5 <= question.Length; at += 1 + BinaryPrimitives.ReadInt32BigEndian(question.AsSpan(at + 1)))
            {
                if (question[at] != kind)
                    continue;
                var name = at + 5;
                // a bind has the portal's name before
                if (kind == 'B')
                    name += Text(question, name).Length + 1;
                if (Text(question, name) is { Length: > 0 } given)
                    yield return given;
            }
        }

        private static string Text(byte[] bytes, int at) => System.Text.Encoding.UTF8.GetString(bytes, at, Array.IndexOf(bytes, (byte)0, at) - at);

        private static async Task<byte[]?> MessageAsync(Stream from, bool typed, CancellationToken cancellationToken)
        {
            var head = new byte[typed ? 5 : 4];
            if (await from.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken) < head.Length)
                return null;
            var message = new byte[head.Length - 4 + BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(head.Length - 4))];
            head.CopyTo(message, 0);
            await from.ReadExactlyAsync(message.AsMemory(head.Length), cancellationToken);
            return message;
        }
    }
}

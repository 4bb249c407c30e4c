using System.Buffers.Binary;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Messages over a stream of bytes, each bounded.</summary>
internal sealed class WireStream(Stream stream) : IAsyncDisposable
{
    private const int HeaderLength = 5;
    private byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    /// <summary>The stream below.</summary>
    public Stream Stream => stream;

    public ValueTask WriteAsync(WireWriter message, CancellationToken cancellationToken) => stream.WriteAsync(message.Done(), cancellationToken);

    /// <summary>Reads the next message.</summary>
    /// <param name="limit">Bytes that its body may have.</param>
    /// <param name="cancellationToken">Cancels; the stream is of no use then.</param>
    /// <exception cref="WireProtocolException">It is longer, or its length is impossible.</exception>
    /// <exception cref="EndOfStreamException">The connection was closed.</exception>
    public async ValueTask<WireMessage> ReadAsync(int limit, CancellationToken cancellationToken)
    {
        await FillAsync(HeaderLength, cancellationToken).ConfigureAwait(false);
        var type = (char)_buffer[_start];
        var length = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + 1)) - 4;
        if (type is < '1' or > 'z' || length < 0)
            throw new WireProtocolException("what answers is no PostgreSQL server: it sent something that is no message");
        if (length > limit)
            throw new WireProtocolException($"the server announced a message of {length} bytes, and at most {limit} are taken");
        await FillAsync(HeaderLength + length, cancellationToken).ConfigureAwait(false);
        var body = _buffer.AsMemory(_start + HeaderLength, length);
        _start += HeaderLength + length;
        return new WireMessage(type, body);
    }

    /// <summary>Closes the stream; what is under way on it ends.</summary>
    public ValueTask DisposeAsync() => stream.DisposeAsync();

    private async ValueTask FillAsync(int count, CancellationToken cancellationToken)
    {
        if (_end - _start >= count)
            return;
        MakeRoom(count);
        while (_end - _start < count)
        {
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw new EndOfStreamException("the server closed the connection");
            _end += read;
        }
    }

    private void MakeRoom(int count)
    {
        if (_buffer.Length - _start >= count)
            return;
        var target = _buffer.Length >= count ? _buffer : new byte[count];
        Buffer.BlockCopy(_buffer, _start, target, 0, _end - _start);
        (_buffer, _end, _start) = (target, _end - _start, 0);
    }
}

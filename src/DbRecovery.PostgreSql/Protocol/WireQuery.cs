using System.Text;
using Npgsql;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Gathers what the messages of one simple query say (manual section 55.2.2).</summary>
internal sealed class WireQuery(long resultLimit)
{
    private readonly List<WireResult> _results = [];
    private readonly List<string> _notices = [];
    private List<string> _columns = [];
    private List<IReadOnlyList<string?>> _rows = [];
    private long _bytes;
    private int _streams;

    /// <summary>The server's error; the first, where it gave several.</summary>
    public PostgresException? Error { get; private set; }

    /// <summary>What is gathered.</summary>
    public WireOutcome Outcome => new(_results, _notices);

    /// <summary>The result sets up to now, for the bytes of a copy-out.</summary>
    public CopyChunk Chunk(ReadOnlyMemory<byte> bytes) => new(_streams - 1, bytes, _results);

    /// <summary>Takes a message that is no CopyData.</summary>
    public void Take(WireMessage message)
    {
        switch (message.Type)
        {
            case 'T':
                Begin(message);
                break;
            case 'D':
                Row(message);
                break;
            case 'C':
                End(message.Read().Text());
                break;
            case 'I':
                End("");
                break;
            case 'H':
                _streams++;
                break;
            case 'E':
                Error ??= WireErrors.Read(message);
                break;
            case 'N':
                if (_notices.Count < WireConnection.MostNotices)
                    _notices.Add(WireErrors.Notice(message));
                break;
            case 'A' or 'c':
                break;
            default:
                throw new WireProtocolException("the server sent a message that has no place in an answer");
        }
    }

    private void Begin(WireMessage message)
    {
        // a base backup gives a result set without a command tag before its copy-out
        Close("");
        var reader = message.Read();
        var count = reader.Int16();
        _columns = [];
        for (var i = 0; i < count; i++)
        {
            _columns.Add(reader.Text());
            reader.Take(18); // table, column, type, its size and modifier, format
        }
        Count(message);
    }

    private void Row(WireMessage message)
    {
        Count(message);
        var reader = message.Read();
        var row = new string?[reader.Int16() is var count and >= 0 ? count : 0];
        if (row.Length != _columns.Count)
            throw new WireProtocolException("the server sent a row with another number of columns than it announced");
        for (var i = 0; i < row.Length; i++)
            row[i] = reader.Int32() is var length and >= 0 ? Encoding.UTF8.GetString(reader.Take(length)) : null;
        _rows.Add(row);
    }

    private void Count(WireMessage message)
    {
        _bytes += message.Body.Length + 32;
        if (_bytes > resultLimit)
            throw new WireProtocolException($"the answer has more than {resultLimit} bytes");
    }

    private void End(string tag)
    {
        if (_columns.Count == 0)
            _results.Add(new WireResult([], [], tag));
        else
            Close(tag);
    }

    private void Close(string tag)
    {
        if (_columns.Count == 0)
            return;
        _results.Add(new WireResult(_columns, _rows, tag));
        (_columns, _rows) = ([], []);
    }
}

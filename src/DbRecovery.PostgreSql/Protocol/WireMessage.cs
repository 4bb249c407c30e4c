using System.Buffers.Binary;
using System.Text;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>A message of the server. Its body is valid until the next one is read.</summary>
/// <param name="Type">The letter.</param>
/// <param name="Body">What follows the length.</param>
internal readonly record struct WireMessage(char Type, ReadOnlyMemory<byte> Body)
{
    /// <summary>Reads the body from its beginning.</summary>
    public WireReader Read() => new(Body.Span);
}

/// <summary>Reads the fields of a message, and never beyond its end.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    /// <summary>Bytes that are left.</summary>
    public readonly int Left => _rest.Length;

    public byte Byte() => Take(1)[0];

    public short Int16() => BinaryPrimitives.ReadInt16BigEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    /// <summary>Text up to the next zero byte.</summary>
    public string Text()
    {
        var end = _rest.IndexOf((byte)0);
        if (end < 0)
            throw new WireProtocolException("a text in a message has no end");
        var text = Encoding.UTF8.GetString(_rest[..end]);
        _rest = _rest[(end + 1)..];
        return text;
    }

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > _rest.Length)
            throw new WireProtocolException("a message is shorter than its content says");
        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public ReadOnlySpan<byte> Rest() => Take(_rest.Length);
}

/// <summary>Builds one message of ours.</summary>
internal sealed class WireWriter
{
    private readonly MemoryStream _bytes = new();
    private readonly int _lengthAt;

    /// <summary>Begins a message.</summary>
    /// <param name="type">The letter; null for the messages before the start-up, which have none.</param>
    public WireWriter(char? type = null)
    {
        if (type is { } letter)
            _bytes.WriteByte((byte)letter);
        _lengthAt = (int)_bytes.Length;
        Int32(0);
    }

    public WireWriter Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>Text and its zero byte. A text that has one inside would end early and turn its rest into something else.</summary>
    public WireWriter Text(string value)
    {
        if (value.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException("a text for the server holds a zero byte", nameof(value));
        _bytes.Write(Encoding.UTF8.GetBytes(value));
        _bytes.WriteByte(0);
        return this;
    }

    public WireWriter Raw(ReadOnlySpan<byte> value)
    {
        _bytes.Write(value);
        return this;
    }

    public ReadOnlyMemory<byte> Done()
    {
        var all = _bytes.GetBuffer().AsMemory(0, (int)_bytes.Length);
        BinaryPrimitives.WriteInt32BigEndian(all.Span[_lengthAt..], all.Length - _lengthAt);
        return all;
    }
}

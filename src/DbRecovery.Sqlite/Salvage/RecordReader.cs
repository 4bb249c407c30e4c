using System.Buffers.Binary;
using System.Text;
using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>A text value as UTF-8. The bytes stay as they are in a UTF-8 database, valid or not: SQLite allows both.</summary>
/// <param name="Utf8">The bytes.</param>
/// <param name="Units">The text as a UTF-16 database has it, where that is not valid and UTF-8 cannot say it; null for every other.</param>
internal sealed record RawText(byte[] Utf8, string? Units = null)
{
    /// <inheritdoc/>
    public bool Equals(RawText? other) => other is not null && Utf8.AsSpan().SequenceEqual(other.Utf8) && Units == other.Units;

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Utf8);
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => Encoding.UTF8.GetString(Utf8);
}

/// <summary>Decodes records (https://www.sqlite.org/fileformat2.html, section 2.1).</summary>
internal static class RecordReader
{
    private const int MaxFields = 32_767;
    private static readonly Encoding LittleEndian = new UnicodeEncoding(false, false, throwOnInvalidBytes: true);
    private static readonly Encoding BigEndian = new UnicodeEncoding(true, false, throwOnInvalidBytes: true);

    /// <summary>Decodes a record; null where it is not one, down to the last byte.</summary>
    /// <param name="payload">The whole record.</param>
    /// <param name="encoding">The database's text encoding: 1 UTF-8, 2 UTF-16 little endian, 3 big endian.</param>
    /// <returns>null, long, double, <see cref="RawText"/> or byte[] for each field.</returns>
    internal static object?[]? TryDecode(ReadOnlySpan<byte> payload, uint encoding)
    {
        var at = 0;
        if (!Varint.TryRead(payload, ref at, out var headerSize) || headerSize < (ulong)at || headerSize > (ulong)payload.Length)
            return null;
        var header = payload[..(int)headerSize];
        var body = (int)headerSize;
        var values = new List<object?>();
        while (at < header.Length)
        {
            if (values.Count == MaxFields || !Varint.TryRead(header, ref at, out var type)
                || Size(type) is not { } size || size > payload.Length - body
                || !TryValue(type, payload.Slice(body, (int)size), encoding, out var value))
                return null;
            values.Add(value);
            body += (int)size;
        }
        return body == payload.Length ? [.. values] : null;
    }

    /// <summary>Whether two fields hold the same. A whole number of a REAL column is stored as an integer.</summary>
    internal static bool Same(object? a, object? b) => (a, b) switch
    {
        (byte[] x, byte[] y) => x.AsSpan().SequenceEqual(y),
        (long x, double y) => x == y,
        (double x, long y) => x == y,
        _ => Equals(a, b),
    };

    private static long? Size(ulong type) => type switch
    {
        0 or 8 or 9 => 0,
        <= 4 => (long)type,
        5 => 6,
        6 or 7 => 8,
        10 or 11 => null,
        _ => (long)Math.Min((type - 12) / 2, int.MaxValue),
    };

    private static bool TryValue(ulong type, ReadOnlySpan<byte> bytes, uint encoding, out object? value)
    {
        value = type switch
        {
            0 => null,
            8 => 0L,
            9 => 1L,
            <= 6 => Integer(bytes),
            7 => BitConverter.Int64BitsToDouble(BinaryPrimitives.ReadInt64BigEndian(bytes)),
            _ when type % 2 == 0 => bytes.ToArray(),
            _ => Text(bytes, encoding),
        };
        // SQLite stores NULL where a computation gives no number
        return value is not double.NaN && (value is not null || type == 0);
    }

    private static object Integer(ReadOnlySpan<byte> bytes)
    {
        long value = (sbyte)bytes[0];
        foreach (var b in bytes[1..])
            value = value << 8 | b;
        return value;
    }

    private static RawText Text(ReadOnlySpan<byte> bytes, uint encoding)
    {
        if (encoding is not (2 or 3))
            return new RawText(bytes.ToArray());
        try
        {
            return new RawText(Encoding.UTF8.GetBytes((encoding == 2 ? LittleEndian : BigEndian).GetString(bytes)));
        }
        catch (DecoderFallbackException)
        {
            // half of a pair, as programs leave it that cut a text: SQLite keeps it, and a last odd byte is no part of it
            var units = new char[bytes.Length / 2];
            for (var i = 0; i < units.Length; i++)
                units[i] = (char)(encoding == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[(i * 2)..]) : BinaryPrimitives.ReadUInt16BigEndian(bytes[(i * 2)..]));
            return new RawText(Encoding.UTF8.GetBytes(units), new string(units));
        }
    }
}

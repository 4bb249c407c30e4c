using System.Buffers.Binary;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>The order of index entries, as SQLite's built-in collations have it.</summary>
internal sealed class KeyOrder
{
    private readonly IReadOnlyList<KeyPart> _parts;
    private readonly uint _encoding;

    private KeyOrder(IReadOnlyList<KeyPart> parts, uint encoding) => (_parts, _encoding) = (parts, encoding);

    /// <summary>The order; null where a collation is the application's own, so that order proves nothing here.</summary>
    internal static KeyOrder? TryMake(IReadOnlyList<KeyPart> parts, uint encoding) =>
        parts.Count > 0 && parts.All(p => p.Collation is "BINARY" or "NOCASE" or "RTRIM") ? new KeyOrder(parts, encoding) : null;

    /// <summary>Compares as far as both have fields.</summary>
    internal int Compare(object?[] a, object?[] b)
    {
        for (var i = 0; i < _parts.Count && i < a.Length && i < b.Length; i++)
        {
            var order = Compare(a[i], b[i], _parts[i].Collation);
            if (order != 0)
                return _parts[i].Descending ? -order : order;
        }
        return 0;
    }

    private int Compare(object? a, object? b, string collation)
    {
        var classes = Rank(a).CompareTo(Rank(b));
        if (classes != 0 || a is null || b is null)
            return classes;
        return (a, b) switch
        {
            (long x, long y) => x.CompareTo(y),
            (double x, double y) => x.CompareTo(y),
            (long x, double y) => Numbers(x, y),
            (double x, long y) => -Numbers(y, x),
            (RawText x, RawText y) => Texts(x, y, collation),
            (byte[] x, byte[] y) => x.AsSpan().SequenceCompareTo(y),
            _ => 0,
        };
    }

    private static int Rank(object? value) => value switch { null => 0, long or double => 1, RawText => 2, _ => 3 };

    private static int Numbers(long a, double b)
    {
        if (b >= 9.3e18)
            return -1;
        if (b <= -9.3e18)
            return 1;
        var near = ((double)a).CompareTo(b);
        return near != 0 ? near : a.CompareTo(b >= 9223372036854775807.0 ? long.MaxValue : (long)b);
    }

    private int Texts(RawText a, RawText b, string collation) => collation switch
    {
        "NOCASE" => Fold(a.Utf8).AsSpan().SequenceCompareTo(Fold(b.Utf8)),
        "RTRIM" => a.Utf8.AsSpan().TrimEnd((byte)' ').SequenceCompareTo(b.Utf8.AsSpan().TrimEnd((byte)' ')),
        // SQLite compares the bytes as they are stored: in UTF-16 that is an order of its own
        _ when _encoding != 1 => Wide(a).AsSpan().SequenceCompareTo(Wide(b)),
        _ => a.Utf8.AsSpan().SequenceCompareTo(b.Utf8),
    };

    private byte[] Wide(RawText text)
    {
        var units = text.Units ?? text.ToString();
        var bytes = new byte[units.Length * 2];
        for (var i = 0; i < units.Length; i++)
        {
            if (_encoding == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 2), units[i]);
            else
                BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(i * 2), units[i]);
        }
        return bytes;
    }

    private static byte[] Fold(byte[] text) => Array.ConvertAll(text, b => b is >= (byte)'A' and <= (byte)'Z' ? (byte)(b + 32) : b);
}

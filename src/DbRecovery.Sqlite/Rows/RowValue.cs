using System.Globalization;
using System.Text;
using DbRecovery.Sqlite.Native;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>One value of a row with its exact type. Text is kept as the UTF-8 bytes that SQLite gives, whatever they are.</summary>
internal readonly struct RowValue
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly byte[]? _bytes;
    private readonly long _bits;

    private RowValue(int type, long bits, byte[]? bytes) => (Type, _bits, _bytes) = (type, bits, bytes);

    /// <summary>SQLite's code of the type; 0 is NULL, too.</summary>
    internal int Type { get; }

    internal static RowValue Null => default;

    internal static RowValue Of(long value) => new(raw.SQLITE_INTEGER, value, null);

    internal static RowValue Of(string value) => new(raw.SQLITE_TEXT, 0, Encoding.UTF8.GetBytes(value));

    internal static RowValue OfBlob(byte[] value) => new(raw.SQLITE_BLOB, 0, value);

    internal static RowValue Of(sqlite3_stmt statement, int column)
    {
        var type = raw.sqlite3_column_type(statement, column);
        return type switch
        {
            raw.SQLITE_INTEGER => Of(raw.sqlite3_column_int64(statement, column)),
            raw.SQLITE_FLOAT => new(type, BitConverter.DoubleToInt64Bits(raw.sqlite3_column_double(statement, column)), null),
            raw.SQLITE_TEXT or raw.SQLITE_BLOB => new(type, 0, Bytes(statement, column, type).ToArray()),
            _ => default,
        };
    }

    /// <summary>Whether two columns of a row hold the same value of the same type.</summary>
    internal static bool Same(sqlite3_stmt statement, int first, int second)
    {
        var type = raw.sqlite3_column_type(statement, first);
        if (type != raw.sqlite3_column_type(statement, second))
            return false;
        return type switch
        {
            raw.SQLITE_INTEGER => raw.sqlite3_column_int64(statement, first) == raw.sqlite3_column_int64(statement, second),
            raw.SQLITE_FLOAT => BitConverter.DoubleToInt64Bits(raw.sqlite3_column_double(statement, first)) == BitConverter.DoubleToInt64Bits(raw.sqlite3_column_double(statement, second)),
            raw.SQLITE_TEXT or raw.SQLITE_BLOB => Bytes(statement, first, type).SequenceEqual(Bytes(statement, second, type)),
            _ => true,
        };
    }

    /// <summary>Whether another value is the same, of the same type.</summary>
    internal bool Same(RowValue other) => IsNull ? other.IsNull
        : Type == other.Type && _bits == other._bits && (_bytes ?? []).AsSpan().SequenceEqual(other._bytes ?? []);

    internal bool IsNull => Type is 0 or raw.SQLITE_NULL;

    /// <summary>Whether it has one type and value as a key: for telling neighbours apart.</summary>
    internal static bool Same(ReadOnlySpan<RowValue> first, ReadOnlySpan<RowValue> second)
    {
        if (first.Length != second.Length)
            return false;
        for (var i = 0; i < first.Length; i++)
            if (!first[i].Same(second[i]))
                return false;
        return true;
    }

    /// <summary>Gives it to a statement; SQLite's result code comes back.</summary>
    internal int Bind(sqlite3_stmt statement, int parameter) => Type switch
    {
        raw.SQLITE_INTEGER => raw.sqlite3_bind_int64(statement, parameter, _bits),
        raw.SQLITE_FLOAT => raw.sqlite3_bind_double(statement, parameter, BitConverter.Int64BitsToDouble(_bits)),
        raw.SQLITE_TEXT => SqlText.Bind(statement, parameter, _bytes),
        raw.SQLITE_BLOB => _bytes!.Length == 0 ? raw.sqlite3_bind_zeroblob(statement, parameter, 0) : raw.sqlite3_bind_blob(statement, parameter, _bytes.AsSpan()),
        _ => raw.sqlite3_bind_null(statement, parameter),
    };

    /// <summary>As scripts see it: null, <see cref="long"/>, <see cref="double"/>, <see cref="string"/> or an array of bytes.</summary>
    internal object? ToObject() => Type switch
    {
        raw.SQLITE_INTEGER => _bits,
        raw.SQLITE_FLOAT => BitConverter.Int64BitsToDouble(_bits),
        raw.SQLITE_TEXT => Encoding.UTF8.GetString(_bytes!),
        raw.SQLITE_BLOB => _bytes,
        _ => null,
    };

    /// <summary>SQLite's word for the type, as <c>typeof()</c> gives it.</summary>
    internal string TypeName => Type switch
    {
        raw.SQLITE_INTEGER => "integer",
        raw.SQLITE_FLOAT => "real",
        raw.SQLITE_TEXT => "text",
        raw.SQLITE_BLOB => "blob",
        _ => "null",
    };

    /// <summary>An SQL expression that gives exactly this value in a database of an encoding.</summary>
    /// <param name="encoding">The encoding of the database's text: a cast of bytes is read in it.</param>
    internal string ToSql(Encoding encoding) => Type switch
    {
        // the least integer has no literal: its digits alone are one too many
        raw.SQLITE_INTEGER => _bits == long.MinValue ? "(-9223372036854775807 - 1)" : _bits.ToString(CultureInfo.InvariantCulture),
        raw.SQLITE_FLOAT => Number(BitConverter.Int64BitsToDouble(_bits)),
        raw.SQLITE_TEXT => Text(_bytes!, encoding),
        raw.SQLITE_BLOB => $"X'{Convert.ToHexString(_bytes!)}'",
        _ => "NULL",
    };

    private static string Text(byte[] bytes, Encoding encoding)
    {
        string text;
        try
        {
            text = StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return $"CAST(X'{Convert.ToHexString(bytes)}' AS TEXT)";
        }
        // a shell ends a statement's text at a NUL, and may take line ends apart
        return text.AsSpan().IndexOfAny("\0\r\n\u001a\ufeff") >= 0
            ? $"CAST(X'{Convert.ToHexString(encoding.GetBytes(text))}' AS TEXT)"
            : $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
    }

    // SQLite's own reading of decimals is off by one in the last bit for some, and versions differ. A whole number and powers of two are
    // exact everywhere; the decimal stands beside them for the reader.
    private static string Number(double value)
    {
        if (double.IsInfinity(value))
            return value > 0 ? "9e999" : "-9e999";
        if (Math.Abs(value) < 1e15 && Math.Floor(value) == value)
            return (double.IsNegative(value) ? "-" : "") + Math.Abs(value).ToString("F1", CultureInfo.InvariantCulture);
        var bits = BitConverter.DoubleToInt64Bits(value);
        var power = (int)(bits >> 52 & 0x7ff);
        var whole = bits & 0xfffffffffffff;
        (whole, power) = power == 0 ? (whole, -1074) : (whole | 1L << 52, power - 1075);
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"(CAST({(value < 0 ? "-" : "")}{whole} AS REAL)"));
        for (; power != 0; power -= Math.Sign(power) * Math.Min(Math.Abs(power), 30))
            text.Append(power > 0 ? " * " : " / ").Append((1L << Math.Min(Math.Abs(power), 30)).ToString(CultureInfo.InvariantCulture)).Append(".0");
        return text.Append(CultureInfo.InvariantCulture, $" /* {value:R} */)").ToString();
    }

    private static ReadOnlySpan<byte> Bytes(sqlite3_stmt statement, int column, int type)
    {
        if (type == raw.SQLITE_TEXT)
            _ = raw.sqlite3_column_text(statement, column); // makes it UTF-8; the bytes then tell its length, NULs and all
        return raw.sqlite3_column_blob(statement, column);
    }
}

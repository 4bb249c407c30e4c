using System.Globalization;

namespace DbRecovery;

/// <summary>Durations and sizes as people write them, the same in inventories, runbooks and both shells.</summary>
public static class Quantities
{
    /// <summary>How a duration is written, for messages.</summary>
    public const string DurationForm = "a duration such as 250ms, 30s, 15m, 1h or 7d";
    /// <summary>How a size is written, for messages.</summary>
    public const string SizeForm = "a size such as 0B, 64KiB, 100MB or 1GiB";
    /// <summary>The longest duration, ten years, in seconds.</summary>
    public const double LongestSeconds = 3650 * 86400.0;

    private static readonly (string Unit, double Seconds)[] DurationUnits = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    private static readonly (string Unit, double Bytes)[] SizeUnits =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1),
    ];

    /// <summary>Reads a duration such as <c>250ms</c>, <c>30s</c> or <c>7d</c>; at most ten years.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The duration; zero where the text is none.</param>
    public static bool TryDuration(string text, out TimeSpan value)
    {
        var good = TryAmount(text, DurationUnits, StringComparison.Ordinal, NumberStyles.None, out var seconds) && seconds <= LongestSeconds;
        value = good ? TimeSpan.FromSeconds(seconds) : default;
        return good;
    }

    /// <summary>Reads a duration that was typed at a prompt: there may be spaces around it and before its unit, and <c>hh:mm:ss</c> is one, too.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The duration.</param>
    public static bool TryTypedDuration(string text, out TimeSpan value)
    {
        var trimmed = text.Trim();
        if (TryAmount(trimmed, DurationUnits, StringComparison.Ordinal, NumberStyles.AllowTrailingWhite, out var seconds) && seconds <= LongestSeconds)
        {
            value = TimeSpan.FromSeconds(seconds);
            return true;
        }
        // a bare number would be days
        value = default;
        return trimmed.Contains(':') && TimeSpan.TryParseExact(trimmed, ["c", @"h\:mm\:ss", @"hh\:mm\:ss"], CultureInfo.InvariantCulture, out value) && value >= TimeSpan.Zero;
    }

    /// <summary>The shorter of two times.</summary>
    public static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>The longer of two times.</summary>
    public static TimeSpan Most(TimeSpan one, TimeSpan other) => one > other ? one : other;

    /// <summary>Reads a size such as <c>0B</c>, <c>64KiB</c> or <c>1.5GB</c>; at most 8 EB.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">Bytes; 0 where the text is no size.</param>
    public static bool TrySize(string text, out long value) => TryBytes(text, StringComparison.Ordinal, NumberStyles.None, out value);

    /// <summary>Reads a size that was typed at a prompt: there may be spaces around it and before its unit, the unit may be in any case, <c>0</c> needs none, and <c>any</c> is the greatest there is.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">Bytes; 0 where the text is no size.</param>
    public static bool TryTypedSize(string text, out long value)
    {
        var trimmed = text.Trim();
        if (!trimmed.Equals("any", StringComparison.OrdinalIgnoreCase))
            return TryBytes(trimmed, StringComparison.OrdinalIgnoreCase, NumberStyles.AllowTrailingWhite, out value) || trimmed == "0";
        value = long.MaxValue;
        return true;
    }

    private static bool TryBytes(string text, StringComparison comparison, NumberStyles style, out long value)
    {
        var good = TryAmount(text, SizeUnits, comparison, style, out var bytes) && bytes < long.MaxValue;
        value = good ? (long)bytes : 0;
        return good;
    }

    private static bool TryAmount(string text, (string Unit, double Factor)[] units, StringComparison comparison, NumberStyles style, out double amount)
    {
        foreach (var (unit, factor) in units)
        {
            if (text.EndsWith(unit, comparison) && double.TryParse(text.AsSpan(0, text.Length - unit.Length), style | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out amount))
            {
                amount *= factor;
                return true;
            }
        }
        amount = 0;
        return false;
    }
}

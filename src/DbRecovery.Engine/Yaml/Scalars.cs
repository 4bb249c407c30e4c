using System.Globalization;

namespace DbRecovery.Engine.Yaml;

/// <summary>Durations and sizes as people write them, the same in inventories, runbooks and on the command line.</summary>
public static class Scalars
{
    /// <summary>How a duration is written, for messages.</summary>
    public const string DurationForm = "a duration such as 250ms, 30s, 15m, 1h or 7d";
    /// <summary>How a duration that is waited for is written, for messages.</summary>
    internal const string WaitForm = DurationForm + ", and at most 49d";
    /// <summary>How a size is written, for messages.</summary>
    public const string SizeForm = "a size such as 0B, 64KiB, 100MB or 1GiB";

    /// <summary>The longest duration, ten years, in seconds.</summary>
    internal const double LongestSeconds = 3650 * 86400.0;

    /// <summary>The longest time that a timer of the runtime can be set to.</summary>
    internal static readonly TimeSpan LongestTimer = TimeSpan.FromDays(49);

    private static readonly (string Unit, double Seconds)[] DurationUnits = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    private static readonly (string Unit, long Bytes)[] SizeUnits =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ];

    /// <summary>Reads a duration; at most ten years.</summary>
    public static bool TryDuration(string text, out TimeSpan value)
    {
        foreach (var (unit, seconds) in DurationUnits)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal) && TryAmount(text[..^unit.Length], out var amount) && amount * seconds <= LongestSeconds)
            {
                value = TimeSpan.FromSeconds(amount * seconds);
                return true;
            }
        }
        value = default;
        return false;
    }

    /// <summary>Reads a duration that is waited for; at most <see cref="LongestTimer"/>.</summary>
    internal static bool TryWait(string text, out TimeSpan value) => TryDuration(text, out value) && value <= LongestTimer;

    /// <summary>Reads a size in bytes; at most 8 EB.</summary>
    public static bool TrySize(string text, out long value)
    {
        foreach (var (unit, bytes) in SizeUnits)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal) && TryAmount(text[..^unit.Length], out var amount) && amount * bytes < long.MaxValue)
            {
                value = (long)(amount * bytes);
                return true;
            }
        }
        value = 0;
        return false;
    }

    /// <summary>Reads true or false. YAML's yes, no, on and off are not taken: they surprise.</summary>
    public static bool TryBool(string text, out bool value)
    {
        value = text == "true";
        return text is "true" or "false";
    }

    /// <summary>Reads a whole number.</summary>
    public static bool TryInt(string text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    /// <summary>Reads a number.</summary>
    public static bool TryNumber(string text, out double value) =>
        double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
        && double.IsFinite(value);

    private static bool TryAmount(string text, out double amount) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out amount);
}

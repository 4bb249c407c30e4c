using System.Globalization;

namespace DbRecovery.Shells;

/// <summary>Sizes and durations as people write them.</summary>
internal static class SizeText
{
    private static readonly (string Unit, long Factor)[] Sizes =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ];

    private static readonly (string Unit, double Seconds)[] Durations = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    /// <summary>Reads a size such as <c>0B</c>, <c>64KiB</c>, <c>1.5GB</c>; <c>any</c> is the greatest there is.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        var trimmed = text.Trim();
        if (trimmed.Equals("any", StringComparison.OrdinalIgnoreCase))
        {
            bytes = long.MaxValue;
            return true;
        }
        foreach (var (unit, factor) in Sizes)
            if (trimmed.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && TryNumber(trimmed[..^unit.Length], out var number))
            {
                var product = number * factor;
                if (product > long.MaxValue)
                    return false;
                bytes = (long)product;
                return true;
            }
        return trimmed == "0";
    }

    /// <summary>Reads a duration such as <c>250ms</c>, <c>30s</c>, <c>15m</c>, <c>1h</c>, <c>7d</c>, or <c>hh:mm:ss</c>.</summary>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        var trimmed = text.Trim();
        foreach (var (unit, seconds) in Durations)
            if (trimmed.EndsWith(unit, StringComparison.Ordinal) && TryNumber(trimmed[..^unit.Length], out var number))
            {
                duration = TimeSpan.Zero;
                if (number * seconds > 3_650_000d * 86400)
                    return false;
                duration = TimeSpan.FromSeconds(number * seconds);
                return true;
            }
        return TimeSpan.TryParseExact(trimmed, ["c", @"h\:mm\:ss", @"hh\:mm\:ss"], CultureInfo.InvariantCulture, out duration) && duration >= TimeSpan.Zero;
    }

    /// <summary>A size as people read it.</summary>
    public static string Size(long? bytes) => bytes switch
    {
        null => "unknown",
        long.MaxValue => "any",
        < 1024 => $"{bytes} B",
        < 1L << 20 => Scaled(bytes.Value, 1 << 10, "KiB"),
        < 1L << 30 => Scaled(bytes.Value, 1 << 20, "MiB"),
        _ => Scaled(bytes.Value, 1 << 30, "GiB"),
    };

    /// <summary>A duration as people read it.</summary>
    public static string Duration(TimeSpan? duration) => duration switch
    {
        null => "-",
        { TotalSeconds: < 1 } d => string.Create(CultureInfo.InvariantCulture, $"{d.TotalMilliseconds:0} ms"),
        { TotalMinutes: < 1 } d => string.Create(CultureInfo.InvariantCulture, $"{d.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } d => $"{d.Minutes} min {d.Seconds} s",
        { TotalDays: < 1 } d => $"{d.Hours} h {d.Minutes} min",
        { } d => $"{(int)d.TotalDays} d {d.Hours} h",
    };

    /// <summary>A moment as people read it.</summary>
    public static string Moment(DateTimeOffset? at) => at is { } t ? t.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "-";

    private static string Scaled(long bytes, double factor, string unit) => string.Create(CultureInfo.InvariantCulture, $"{bytes / factor:0.0} {unit}");

    private static bool TryNumber(string text, out double number) =>
        double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
}

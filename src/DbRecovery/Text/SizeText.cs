using System.Globalization;

namespace DbRecovery.Shells;

/// <summary>Sizes, durations and moments as people read them.</summary>
internal static class SizeText
{
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
}

using System.Globalization;

namespace DbRecovery.Engine.Yaml;

/// <summary>Truth values and numbers as inventories and runbooks have them. Durations and sizes are <see cref="Quantities"/>.</summary>
public static class Scalars
{
    /// <summary>How a duration that is waited for is written, for messages.</summary>
    internal const string WaitForm = Quantities.DurationForm + ", and at most 49d";

    /// <summary>The longest time that a timer of the runtime can be set to.</summary>
    internal static readonly TimeSpan LongestTimer = TimeSpan.FromDays(49);

    /// <summary>Reads a duration that is waited for; at most <see cref="LongestTimer"/>.</summary>
    internal static bool TryWait(string text, out TimeSpan value) => Quantities.TryDuration(text, out value) && value <= LongestTimer;

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
}

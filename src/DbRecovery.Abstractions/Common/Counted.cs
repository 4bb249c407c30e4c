using System.Globalization;

namespace DbRecovery;

/// <summary>Numbers of things as people read them: <c>1 row</c>, <c>2 rows</c>.</summary>
public static class Counted
{
    /// <summary>A number with its noun.</summary>
    /// <param name="count">The number.</param>
    /// <param name="one">What one is called, with whatever else of the sentence depends on the number.</param>
    /// <param name="many">The same for another number; null: with an s.</param>
    public static string Of(long count, string one, string? many = null) => count.ToString(CultureInfo.InvariantCulture) + " " + Noun(count, one, many);

    /// <summary>The noun alone, where the number is written in another way.</summary>
    /// <param name="count">The number.</param>
    /// <param name="one">What one is called.</param>
    /// <param name="many">The same for another number; null: with an s.</param>
    public static string Noun(long count, string one, string? many = null) => count == 1 ? one : many ?? one + "s";
}

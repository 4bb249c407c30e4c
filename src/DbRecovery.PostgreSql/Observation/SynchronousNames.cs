using System.Globalization;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>The value of <c>synchronous_standby_names</c>: <c>FIRST n (a, b)</c>, <c>ANY n (a, b)</c>, <c>n (a, b)</c> or <c>a, b</c>.</summary>
internal static class SynchronousNames
{
    /// <summary>How many standbys a commit waits for; null where the text cannot be understood.</summary>
    internal static int? Required(string text)
    {
        var rest = text.AsSpan().Trim();
        if (rest.IsEmpty)
            return 0;
        foreach (var word in (ReadOnlySpan<string>)["FIRST", "ANY"])
        {
            // a standby may have such a name: then no number follows
            if (rest.StartsWith(word, StringComparison.OrdinalIgnoreCase) && rest[word.Length..].TrimStart() is [>= '0' and <= '9', ..] after)
            {
                rest = after;
                break;
            }
        }
        var digits = 0;
        while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
            digits++;
        if (digits == 0 || rest[digits..].TrimStart() is not ['(', ..])
            return 1;
        return int.TryParse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : null;
    }
}

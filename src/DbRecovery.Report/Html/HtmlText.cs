using System.Globalization;
using System.Text;

namespace DbRecovery.Report.Html;

/// <summary>
/// Makes any text harmless and visible in HTML: between tags, in attributes and in SVG. Names of clusters, paths and SQL can hold
/// anything, so everything that is written goes through here.
/// </summary>
internal static class HtmlText
{
    /// <summary>Appends a text, encoded.</summary>
    public static void Append(StringBuilder to, string text)
    {
        foreach (var rune in text.EnumerateRunes())
            switch (rune.Value)
            {
                case '&': to.Append("&amp;"); break;
                case '<': to.Append("&lt;"); break;
                case '>': to.Append("&gt;"); break;
                case '"': to.Append("&quot;"); break;
                case '\'': to.Append("&#39;"); break;
                case '\t' or '\n' or '\r': to.Append(' '); break;
                case var value when IsHidden(value): to.Append(CultureInfo.InvariantCulture, $"[U+{value:X4}]"); break;
                default: to.Append(rune.ToString()); break;
            }
    }

    /// <summary>A text, encoded.</summary>
    public static string Encode(string text)
    {
        var encoded = new StringBuilder(text.Length + 16);
        Append(encoded, text);
        return encoded.ToString();
    }

    /// <summary>A text that says how much of it is left out where it is longer than a page can bear.</summary>
    public static string Bounded(string text)
    {
        if (text.Length <= ReportLimits.Characters)
            return text;
        var end = char.IsHighSurrogate(text[ReportLimits.Characters - 1]) ? ReportLimits.Characters - 1 : ReportLimits.Characters;
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, end)}… ({text.Length - end} more characters)");
    }

    // controls are no HTML; marks of direction would turn what stands beside them, and a name could then be read as another
    private static bool IsHidden(int value) => value is < 0x20 or (>= 0x7f and <= 0x9f) or 0x061c or 0x200b or 0x200e or 0x200f or 0xfeff
        or (>= 0x202a and <= 0x202e) or (>= 0x2060 and <= 0x206f) or (>= 0xfff9 and <= 0xfffb) or (>= 0xe0000 and <= 0xe007f)
        || (value & 0xfffe) == 0xfffe;
}

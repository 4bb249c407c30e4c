using System.Text;

namespace DbRecovery.Shells;

/// <summary>Long sentences under each other, for a screen of a certain width.</summary>
internal static class TextLayout
{
    /// <summary>What a person's eye follows without losing the line, and what a terminal surely has.</summary>
    public const int DefaultWidth = 100;

    /// <summary>
    /// A text behind a heading, wrapped between words, the further lines standing under the first. A word that is longer than the
    /// line, such as a path, stays whole: cut, it could not be copied.
    /// </summary>
    public static string Hang(string heading, string text, int width)
    {
        var lines = new StringBuilder(heading);
        var room = Math.Max(20, width - heading.Length);
        var margin = new string(' ', heading.Length);
        var used = 0;
        foreach (var word in text.ReplaceLineEndings(" ").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (used > 0 && used + 1 + word.Length > room)
            {
                lines.Append('\n').Append(margin);
                used = 0;
            }
            if (used > 0)
                lines.Append(' ');
            lines.Append(word);
            used += word.Length + (used > 0 ? 1 : 0);
        }
        return lines.ToString().TrimEnd();
    }

    /// <summary>Lines wrapped between words; what goes on stands as far in as its line does.</summary>
    public static string Wrap(string text, int width) => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n')
        .Select(line => Hang(line[..(line.Length - line.TrimStart(' ').Length)], line, width)));

    /// <summary>A text that ends in an ellipsis where it is longer than allowed.</summary>
    public static string Cut(string text, int most) => text.Length <= most ? text : string.Concat(text.AsSpan(0, most - 1).TrimEnd(), "…");

    /// <summary>A text without sentences that stand elsewhere in the same view.</summary>
    public static string Without(string text, IEnumerable<string> sentences)
    {
        var kept = text;
        foreach (var sentence in sentences.Where(s => s.Length > 0).OrderByDescending(s => s.Length))
            kept = kept.Replace(sentence, "", StringComparison.Ordinal);
        return kept.Length == text.Length ? text : kept.TrimEnd(' ', ';', ':') is { Length: > 0 } rest ? rest.Replace(": ; ", ": ", StringComparison.Ordinal) : text;
    }
}

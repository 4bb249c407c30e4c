using System.Globalization;
using DbRecovery.Shells;

namespace DbRecovery.Report.Html;

/// <summary>What a state means for people. Each has a shape and a word besides its colour.</summary>
internal enum Tone
{
    None,
    Good,
    Warn,
    Bad,
    Info,
}

/// <summary>A column of a table.</summary>
internal sealed record Column<T>(string Heading, Action<HtmlWriter, T> Cell, bool Number = false);

/// <summary>Parts that several sections use.</summary>
internal static class Markup
{
    // more columns than this are printed on a page turned on its side
    private const int MostUpright = 10;

    /// <summary>The shapes of the tones, drawn once and used by name.</summary>
    public static void Shapes(HtmlWriter to)
    {
        to.Open("svg", ("width", "0"), ("height", "0"), ("aria-hidden", "true"), ("class", "shapes"), ("focusable", "false"));
        Shape(to, "i-good", "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zM7 11.2l5-5.2-1.2-1.1L7 8.8 5.1 6.9 4 8z");
        Shape(to, "i-warn", "M8 1.2 15.4 14.5H.6zM7.2 5.8v4.4h1.6V5.8zM7.2 11.3v1.6h1.6v-1.6z");
        Shape(to, "i-bad", "M5 1h6l4 4v6l-4 4H5l-4-4V5zM5.2 6.3 6.9 8 5.2 9.7 6.3 10.8 8 9.1 9.7 10.8 10.8 9.7 9.1 8 10.8 6.3 9.7 5.2 8 6.9 6.3 5.2z");
        Shape(to, "i-info", "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zM7.2 7v5h1.6V7zM7.2 4v1.8h1.6V4z");
        Shape(to, "i-none", "M2 7h12v2H2z");
        to.Close().Line();
    }

    private static void Shape(HtmlWriter to, string id, string path) =>
        to.Open("symbol", ("id", id), ("viewBox", "0 0 16 16")).Open("path", ("d", path), ("fill-rule", "evenodd")).Close().Close();

    /// <summary>A state: its shape, its colour and its word.</summary>
    public static HtmlWriter Badge(this HtmlWriter to, Tone tone, string word)
    {
        var name = Name(tone);
        to.Open("span", ("class", $"badge {name}"));
        to.Open("svg", ("class", "icon"), ("aria-hidden", "true"), ("focusable", "false")).Open("use", ("href", $"#i-{name}")).Close().Close();
        return to.Text(word).Close();
    }

    /// <summary>The class of a tone.</summary>
    public static string Name(Tone tone) => tone.ToString().ToLowerInvariant();

    /// <summary>A moment.</summary>
    public static HtmlWriter Moment(this HtmlWriter to, DateTimeOffset? at) => at is { } t
        ? to.Leaf("time", SizeText.Moment(t), ("datetime", t.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)))
        : to.Text("-");

    /// <summary>An id or a path; a short one is not broken over lines.</summary>
    public static HtmlWriter Id(this HtmlWriter to, string? text) => to.Open("code", ("class", text is { Length: <= 40 } ? "whole" : null)).Foreign(text).Close();

    /// <summary>A length of time without the part that is nothing: 1 d and not 1 d 0 h.</summary>
    public static string Span(TimeSpan span)
    {
        var text = SizeText.Duration(span);
        return text.Split(' ') is [var first, var unit, "0", _] ? $"{first} {unit}" : text;
    }

    /// <summary>A whole number, its thousands set apart.</summary>
    public static string Number(long? value) => value is { } number ? number.ToString("#,0", CultureInfo.InvariantCulture) : "unknown";

    /// <summary>A number with its noun.</summary>
    public static string Count(long count, string one, string? many = null) => $"{Number(count)} {Counted.Noun(count, one, many)}";

    /// <summary>The word of an enum as people read it: AwaitingApproval is awaiting approval.</summary>
    public static string Words(Enum value) => string.Concat(value.ToString().Select((c, i) => char.IsAsciiLetterUpper(c) ? (i == 0 ? "" : " ") + char.ToLowerInvariant(c) : c.ToString()));

    /// <summary>A fact's value, bounded.</summary>
    public static string Value(FactValue? value)
    {
        if (value is not { } known)
            return "nothing could be read";
        if (known.Type != FactType.List || known.AsList() is not { } list || list.Count <= ReportLimits.Values)
            return known.ToString() is { Length: > 0 } text ? text : "empty";
        return $"{string.Join(", ", list.Take(ReportLimits.Values))} and {Number(list.Count - ReportLimits.Values)} more";
    }

    /// <summary>
    /// A table in a region of its own, which scrolls where the page is narrow and can be reached by the keyboard.
    /// The first column names its row.
    /// </summary>
    public static void Table<T>(this HtmlWriter to, string caption, IEnumerable<T> rows, params Column<T>[] columns)
    {
        var id = to.NextId();
        to.Open("div", ("class", columns.Length > MostUpright ? "scroll wide" : "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-labelledby", id));
        to.Open("table").Leaf("caption", caption, ("id", id)).Open("thead").Open("tr");
        foreach (var column in columns)
            to.Leaf("th", column.Heading, ("scope", "col"), ("class", column.Number ? "number" : null));
        to.Close().Close().Open("tbody").Line();
        foreach (var row in rows)
        {
            to.Open("tr");
            foreach (var column in columns)
            {
                var first = column == columns[0];
                to.Open(first ? "th" : "td", ("scope", first ? "row" : null), ("class", column.Number ? "number" : null));
                column.Cell(to, row);
                to.Close();
            }
            to.Close().Line();
        }
        to.Close().Close().Close().Line();
    }

    /// <summary>A figure with its name.</summary>
    public static void Figure(this HtmlWriter to, string name, string value, string? note = null)
    {
        to.Open("div").Leaf("dt", name).Open("dd").Leaf("strong", value);
        if (note is not null)
            to.Text(" ").Open("span", ("class", "note")).Foreign(note).Close();
        to.Close().Close();
    }

    /// <summary>Begins a part that can be folded; the heading is its handle.</summary>
    public static HtmlWriter Fold(this HtmlWriter to, string heading, bool open, int level = 4) => to.Open("details", ("open", open ? "" : null)).Open("summary").Leaf($"h{level}", heading).Close().Line();

    /// <summary>Begins a section with its heading.</summary>
    public static HtmlWriter Section(this HtmlWriter to, string id, string heading) =>
        to.Open("section", ("id", id), ("aria-labelledby", $"{id}-h")).Leaf("h2", heading, ("id", $"{id}-h")).Line();

    /// <summary>A remark on what is or is not shown.</summary>
    public static HtmlWriter Note(this HtmlWriter to, string text) => to.Leaf("p", text, ("class", "note")).Line();
}

using System.Globalization;
using System.Text;

namespace DbRecovery.Report.Html;

/// <summary>Writes elements. Names of elements and attributes are the program's own words; every value and text is encoded.</summary>
internal sealed class HtmlWriter
{
    private static readonly HashSet<string> Void = ["meta", "br"];
    private readonly StringBuilder _text = new();
    private readonly Stack<string> _open = new();
    private int _ids;

    /// <summary>An id that the page does not have yet.</summary>
    public string NextId() => string.Create(CultureInfo.InvariantCulture, $"x{++_ids}");

    /// <summary>Begins an element. An attribute whose value is null is left out.</summary>
    public HtmlWriter Open(string name, params (string Name, string? Value)[] attributes)
    {
        _text.Append('<').Append(name);
        foreach (var (attribute, value) in attributes)
            if (value is not null)
            {
                _text.Append(' ').Append(attribute).Append("=\"");
                HtmlText.Append(_text, value);
                _text.Append('"');
            }
        _text.Append('>');
        if (!Void.Contains(name))
            _open.Push(name);
        return this;
    }

    /// <summary>Ends the element that was begun last.</summary>
    public HtmlWriter Close()
    {
        _text.Append("</").Append(_open.Pop()).Append('>');
        return this;
    }

    /// <summary>Writes a text.</summary>
    public HtmlWriter Text(string? text)
    {
        HtmlText.Append(_text, text ?? "");
        return this;
    }

    /// <summary>Writes a text from outside: bounded, and isolated so that its direction of writing is its own affair.</summary>
    public HtmlWriter Foreign(string? text) => text is { Length: > 0 } ? Leaf("bdi", HtmlText.Bounded(text)) : this;

    /// <summary>Writes an element that holds a text only.</summary>
    public HtmlWriter Leaf(string name, string? text, params (string Name, string? Value)[] attributes) => Open(name, attributes).Text(text).Close();

    /// <summary>Begins a new line in the source: the page is text that people compare.</summary>
    public HtmlWriter Line()
    {
        _text.Append('\n');
        return this;
    }

    /// <summary>Writes the program's own style sheet or script as it is.</summary>
    public HtmlWriter Asset(string text)
    {
        _text.Append(text);
        return this;
    }

    /// <summary>The page.</summary>
    /// <exception cref="InvalidOperationException">An element is still open.</exception>
    public override string ToString() => _open.Count == 0 ? _text.ToString() : throw new InvalidOperationException($"<{_open.Peek()}> is not closed");
}

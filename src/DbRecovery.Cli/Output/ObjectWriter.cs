using System.Text.Json;

namespace DbRecovery.Cli.Output;

/// <summary>How objects are written.</summary>
internal enum OutputFormat
{
    /// <summary>A table on a terminal, JSON lines else.</summary>
    Auto,
    /// <summary>A table, or a text for one object.</summary>
    Table,
    /// <summary>JSON: one object a line.</summary>
    Json,
}

/// <summary>Writes objects as JSON lines, or collects them for a table.</summary>
internal sealed class ObjectWriter(AppEnvironment environment, OutputFormat format, bool color)
{
    private readonly bool _json = format == OutputFormat.Json || (format == OutputFormat.Auto && !environment.OutIsTerminal);

    /// <summary>Whether JSON is written.</summary>
    public bool IsJson => _json;

    /// <summary>Whether JSON was asked for, rather than chosen because the output is a pipe.</summary>
    public bool IsJsonAsked => format == OutputFormat.Json;

    /// <summary>Whether a person reads.</summary>
    public bool IsTable => !_json;

    /// <summary>Writes a text that is the output itself, such as a script.</summary>
    public void WriteText(string text) => environment.Out.WriteLine(text);

    /// <summary>
    /// Lets the serializer get to know a type while the engine is at work: that takes it as long as a quick look at a database does.
    /// </summary>
    public void Prepare<T>()
    {
        if (_json)
            _ = Task.Run(() => DbRecoveryJson.Compact.GetTypeInfo(typeof(T)));
    }

    /// <summary>Writes objects: JSON lines, or a table.</summary>
    public void WriteAll<T>(IReadOnlyList<T> values, string whenNone)
    {
        if (_json)
        {
            foreach (var value in values)
                WriteJson(value);
            return;
        }
        if (values.Count == 0)
            environment.Out.WriteLine(whenNone);
        else
            Tables.Write(values, environment.Out, environment.Width(), color);
    }

    /// <summary>Writes one object: JSON, or a text.</summary>
    public void WriteOne<T>(T value, Func<T, int, string> text)
    {
        if (_json)
            WriteJson(value);
        else
            environment.Out.WriteLine(text(value, Width));
    }

    /// <summary>Writes one object of many that come one after the other, so that whoever reads has it at once.</summary>
    public void WriteNow<T>(T value, Func<T, int, string> text)
    {
        WriteOne(value, text);
        environment.Out.Flush();
    }

    /// <summary>Writes a text for people under a table; nothing where JSON is written or the text is empty.</summary>
    public void WriteBelow(Func<int, string> text)
    {
        if (!_json && text(Width) is { Length: > 0 } below)
            environment.Out.WriteLine(below);
    }

    /// <summary>Writes a second table for people; nothing where JSON is written or there is nothing in it.</summary>
    public void WriteTableBelow<T>(IReadOnlyList<T> values)
    {
        if (!_json && values.Count > 0)
            Tables.Write(values, environment.Out, environment.Width(), color);
    }

    /// <summary>The columns that a text may take.</summary>
    public int Width => environment.Width();

    private void WriteJson<T>(T value)
    {
        environment.Out.WriteLine(JsonSerializer.Serialize(value, DbRecoveryJson.Compact));
        environment.Out.Flush();
    }
}

using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Reads JSON token by token. The serializer first has to get to know each type, which takes longer than a backup of a database in which
/// nothing changed: so the documents that every command reads are read and written by hand.
/// </summary>
internal static class JsonReading
{
    /// <summary>Reads a value; the reader is at its first token, and afterwards at its last.</summary>
    public delegate T Value<T>(ref Utf8JsonReader reader);

    /// <summary>Goes to the next property of an object; false at its end.</summary>
    public static bool Next(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.PropertyName;

    /// <summary>Whether the reader is at a property of that name; then it goes to its value.</summary>
    public static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> name) => reader.ValueTextEquals(name) && reader.Read();

    /// <summary>Passes over a property that is not known.</summary>
    public static void Pass(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }

    /// <summary>Demands that an object begins here.</summary>
    public static void Begin(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("an object is missing");
    }

    public static string Text(ref Utf8JsonReader reader) => reader.GetString() ?? throw new JsonException("a text is missing");

    public static int Int(ref Utf8JsonReader reader) => reader.GetInt32();

    public static int? OptionalInt(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.Null ? null : reader.GetInt32();

    public static long? OptionalLong(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.Null ? null : reader.GetInt64();

    public static DateTimeOffset? OptionalTime(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.Null ? null : reader.GetDateTimeOffset();

    public static T Named<T>(ref Utf8JsonReader reader) where T : struct, Enum =>
        Enum.TryParse<T>(Text(ref reader), ignoreCase: true, out var value) ? value : throw new JsonException($"there is no such {typeof(T).Name}");

    public static List<T> List<T>(ref Utf8JsonReader reader, Value<T> item)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("a list is missing");
        var list = new List<T>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            list.Add(item(ref reader));
        return list;
    }

    public static Dictionary<string, string> Texts(ref Utf8JsonReader reader)
    {
        Begin(ref reader);
        var texts = new Dictionary<string, string>();
        while (Next(ref reader))
        {
            var name = Text(ref reader);
            reader.Read();
            texts[name] = Text(ref reader);
        }
        return texts;
    }

    /// <summary>A value that has to be there.</summary>
    public static T Required<T>(T? value, string name) where T : class => value ?? throw new JsonException($"'{name}' is missing");

    /// <summary>A value that has to be there.</summary>
    public static T Required<T>(T? value, string name) where T : struct => value ?? throw new JsonException($"'{name}' is missing");
}

using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace DbRecovery;

/// <summary>The one way in which DbRecovery writes its objects as JSON: camelCase names, enums as strings, nulls left out.</summary>
public static class DbRecoveryJson
{
    /// <summary>One object a line.</summary>
    public static JsonSerializerOptions Compact { get; } = Create(indented: false);

    /// <summary>For people.</summary>
    public static JsonSerializerOptions Indented { get; } = Create(indented: true);

    /// <summary>
    /// <see cref="Compact"/>, or <see cref="Indented"/>, that also knows types of another assembly. Where code can be made at run time they know
    /// every type as it is; the native executable knows what was written down for it when it was built.
    /// </summary>
    /// <param name="own">What the other assembly's types look like.</param>
    /// <param name="indented">Whether the JSON is for people.</param>
    public static JsonSerializerOptions With(IJsonTypeInfoResolver own, bool indented = false) =>
        RuntimeFeature.IsDynamicCodeSupported ? indented ? Indented : Compact : Create(indented, own);

    private static void IgnoredIsNotRequired(JsonTypeInfo type)
    {
        foreach (var property in type.Properties)
            if (property is { IsRequired: true, Set: null })
                property.IsRequired = false;
    }

    private static JsonSerializerOptions Create(bool indented, IJsonTypeInfoResolver? own = null)
    {
        var options = new JsonSerializerOptions
        {
            // a required property that is not written (a definition carried along a pipeline) cannot be demanded when reading either
            TypeInfoResolver = (RuntimeFeature.IsDynamicCodeSupported ? new DefaultJsonTypeInfoResolver() : JsonTypeInfoResolver.Combine(DomainJson.Default, own))
                .WithAddedModifier(IgnoredIsNotRequired),
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DictionaryKeyPolicy = null,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            WriteIndented = indented,
            // a row may hold an infinity
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
            // paths and messages stay readable; the output is never put into HTML unescaped
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            Converters = { new FactValueConverter(), new FactSetConverter() },
        };
        // what was written down for an enum says by itself that it is written as its name
        if (RuntimeFeature.IsDynamicCodeSupported)
            options.Converters.Add(new JsonStringEnumConverter());
        return options;
    }
}

/// <summary>Writes a fact's value as the JSON kind that it has, and reads it back as bool, long, double, string or list of strings.</summary>
internal sealed class FactValueConverter : JsonConverter<FactValue>
{
    public override FactValue Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        JsonTokenType.Number when reader.TryGetInt64(out var whole) => whole,
        JsonTokenType.Number => reader.GetDouble(),
        JsonTokenType.String => reader.GetString()!,
        JsonTokenType.StartArray => FactValue.OfList(JsonSerializer.Deserialize<string[]>(ref reader, options)!),
        _ => throw new JsonException("a fact's value is a bool, number, string or list of strings"),
    };

    public override void Write(Utf8JsonWriter writer, FactValue value, JsonSerializerOptions options)
    {
        switch (value.Type)
        {
            case FactType.Bool: writer.WriteBooleanValue(value.AsBool()); break;
            case FactType.Int: writer.WriteNumberValue(value.AsInt()); break;
            case FactType.Number: writer.WriteNumberValue(value.AsNumber()); break;
            case FactType.Text: writer.WriteStringValue(value.AsText()); break;
            case FactType.List: JsonSerializer.Serialize(writer, value.AsList(), options); break;
            default: throw new JsonException($"no JSON for a fact of type {value.Type}");
        }
    }
}

/// <summary>Writes a set of facts as the list that it is, ordered by name, and reads it back.</summary>
internal sealed class FactSetConverter : JsonConverter<FactSet>
{
    public override FactSet Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(JsonSerializer.Deserialize<Fact[]>(ref reader, options) ?? []);

    public override void Write(Utf8JsonWriter writer, FactSet value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, value.ToArray(), options);
}

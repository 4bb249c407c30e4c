using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Tests.Runbooks;

/// <summary>The part of JSON Schema that our schemas use; a keyword that it does not know fails the test.</summary>
internal sealed class SchemaValidator(JsonObject root)
{
    private static readonly HashSet<string> Notes = ["$schema", "title", "description", "definitions"];

    public bool Valid(JsonNode? value) => Valid(value, root);

    private bool Valid(JsonNode? value, JsonNode? schema)
    {
        if (schema is not JsonObject rules)
            return schema!.GetValue<bool>();
        if (rules["$ref"] is { } reference)
            return Valid(value, Resolve(reference.GetValue<string>()));
        return rules.All(r => Notes.Contains(r.Key) || Holds(r.Key, r.Value!, value, rules));
    }

    public JsonObject Resolve(string reference) => root["definitions"]![reference["#/definitions/".Length..]]!.AsObject();

    private bool Holds(string keyword, JsonNode rule, JsonNode? value, JsonObject rules) => keyword switch
    {
        "type" => rule is JsonArray types ? types.Any(t => Is(t!.GetValue<string>(), value)) : Is(rule.GetValue<string>(), value),
        "enum" => rule.AsArray().Any(v => JsonNode.DeepEquals(v, value)),
        "const" => JsonNode.DeepEquals(rule, value),
        "pattern" => !Is("string", value) || Regex.IsMatch(value!.GetValue<string>(), rule.GetValue<string>()),
        "minimum" => !Is("number", value) || value!.GetValue<double>() >= rule.GetValue<int>(),
        "maximum" => !Is("number", value) || value!.GetValue<double>() <= rule.GetValue<int>(),
        "minItems" => value is not JsonArray list || list.Count >= rule.GetValue<int>(),
        "minProperties" => value is not JsonObject map || map.Count >= rule.GetValue<int>(),
        "maxProperties" => value is not JsonObject map || map.Count <= rule.GetValue<int>(),
        "items" => value is not JsonArray list || list.All(i => Valid(i, rule)),
        "required" => value is not JsonObject map || rule.AsArray().All(k => map.ContainsKey(k!.GetValue<string>())),
        "properties" => value is not JsonObject map || rule.AsObject().All(p => !map.ContainsKey(p.Key) || Valid(map[p.Key], p.Value)),
        "propertyNames" => value is not JsonObject map || map.All(p => Valid(JsonValue.Create(p.Key), rule)),
        "additionalProperties" => value is not JsonObject map || map.All(p => rules["properties"]?.AsObject().ContainsKey(p.Key) == true || Valid(p.Value, rule)),
        "anyOf" => rule.AsArray().Any(s => Valid(value, s)),
        "allOf" => rule.AsArray().All(s => Valid(value, s)),
        "oneOf" => rule.AsArray().Count(s => Valid(value, s)) == 1,
        "not" => !Valid(value, rule),
        "if" => Valid(value, rule) ? Valid(value, rules["then"]) : true,
        "then" => true,
        _ => throw new InvalidOperationException($"the validator does not know '{keyword}'"),
    };

    private static bool Is(string type, JsonNode? value) => (type, value?.GetValueKind()) switch
    {
        ("object", System.Text.Json.JsonValueKind.Object) or ("array", System.Text.Json.JsonValueKind.Array) or ("string", System.Text.Json.JsonValueKind.String) => true,
        ("boolean", System.Text.Json.JsonValueKind.True or System.Text.Json.JsonValueKind.False) => true,
        ("number", System.Text.Json.JsonValueKind.Number) => true,
        ("integer", System.Text.Json.JsonValueKind.Number) => double.IsInteger(value!.GetValue<double>()),
        _ => false,
    };

    /// <summary>A document as an editor sees it: YAML's core types.</summary>
    public static JsonNode? FromYaml(string text)
    {
        var findings = new FindingList("x.yml");
        var node = YamlReader.Read(text, findings);
        Assert.Empty(findings.InOrder());
        return Convert(node!);
    }

    private static JsonNode? Convert(YamlNode node) => node switch
    {
        YamlMapping map => new JsonObject(map.Items.Select(i => KeyValuePair.Create(i.Key.Text, Convert(i.Value)))),
        YamlSequence list => new JsonArray([.. list.Items.Select(Convert)]),
        YamlScalar { IsNull: true } => null,
        YamlScalar { Quoted: false } scalar when Scalars.TryBool(scalar.Text, out var flag) => JsonValue.Create(flag),
        YamlScalar { Quoted: false } scalar when Scalars.TryNumber(scalar.Text, out var number) => JsonValue.Create(number),
        YamlScalar scalar => JsonValue.Create(scalar.Text),
        _ => throw new InvalidOperationException(),
    };
}

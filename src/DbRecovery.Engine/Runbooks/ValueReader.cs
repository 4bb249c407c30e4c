using System.Text;
using System.Text.RegularExpressions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Turns YAML into values and conditions. What a look-up means is checked by the linter.</summary>
internal static partial class ValueReader
{
    /// <summary>What stands for the text <c>${</c> itself.</summary>
    public const string Escape = "$${";

    /// <summary>A value: scalars with <c>${path}</c> look-ups in them, lists and mappings of such. <c>$${</c> is the text <c>${</c>.</summary>
    public static RunbookValue Value(YamlNode node, FindingList findings) => node switch
    {
        YamlScalar { IsNull: true } => Nothing(node, findings),
        YamlScalar scalar => Scalar(scalar, findings),
        YamlSequence sequence => new ListValue(node.At, [.. sequence.Items.Select(i => Value(i, findings))]),
        YamlMapping map => new MapValue(node.At, map.Items.ToDictionary(i => i.Key.Text, i => Value(i.Value, findings), StringComparer.Ordinal)),
        _ => throw new InvalidOperationException($"no value for {node.GetType().Name}"),
    };

    /// <summary>The values of a mapping, but for the keys that mean something else.</summary>
    public static Dictionary<string, RunbookValue> Values(MapReader? map, FindingList findings, params string[] except) =>
        (map?.Entries() ?? []).Where(e => !except.Contains(e.Key.Text)).ToDictionary(e => e.Key.Text, e => Value(e.Value, findings), StringComparer.Ordinal);

    private static LiteralValue Nothing(YamlNode node, FindingList findings)
    {
        findings.Error(node.At, "missing-value", "A value is missing here.", "Write \"\" for empty text.");
        return new LiteralValue(node.At, "");
    }

    private static RunbookValue Scalar(YamlScalar scalar, FindingList findings)
    {
        var parts = new List<RunbookValue>();
        var text = new StringBuilder();
        var end = 0;
        foreach (Match match in LookUp().Matches(scalar.Text))
        {
            AddText(scalar, scalar.Text[end..match.Index], text, findings);
            end = match.Index + match.Length;
            if (match.Value == Escape)
            {
                text.Append("${");
                continue;
            }
            AddPart(scalar, text, parts);
            parts.Add(new LookupValue(scalar.At, match.Groups[1].Value));
        }
        AddText(scalar, scalar.Text[end..], text, findings);
        AddPart(scalar, text, parts);
        return parts switch
        {
            [] => new LiteralValue(scalar.At, ""),
            [var only] => only,
            _ => new TextValue(scalar.At, parts),
        };
    }

    private static void AddText(YamlScalar scalar, string piece, StringBuilder text, FindingList findings)
    {
        if (piece.Contains("${", StringComparison.Ordinal))
            findings.Error(scalar.At, "look-up", $"'{scalar.Text}' has a look-up that cannot be read.", $"Write ${{name.name}}, with letters, digits, dots, dashes and underscores: there are no expressions. {Escape} is the text ${{ itself.");
        text.Append(piece);
    }

    private static void AddPart(YamlScalar scalar, StringBuilder text, List<RunbookValue> parts)
    {
        if (text.Length > 0)
            parts.Add(new LiteralValue(scalar.At, text.ToString()));
        text.Clear();
    }

    /// <summary>A condition; null, with a finding, if it is none.</summary>
    public static Condition? Condition(YamlNode node, FindingList findings, int depth = 0)
    {
        const int deepest = 16;
        if (depth > deepest)
        {
            findings.Error(node.At, "too-deep", $"More than {deepest} conditions are nested.");
            return null;
        }
        if (MapReader.Over(node, findings, "a condition") is not { } map)
            return null;
        if (map.Has("fact"))
            return Fact(map, findings);
        var (any, all, not) = (map.List("any"), map.List("all"), map.Node("not"));
        map.End();
        if (Junctions.Count(map.Has) != 1)
        {
            findings.Error(node.At, "condition", "A condition has one of fact, any, all, not.", "Such as { fact: disk.free, atLeast: 1GB }.");
            return null;
        }
        return (any, all, not) switch
        {
            ({ } items, _, _) => new AnyCondition(node.At, Items(items, map.PlaceOf("any"), findings, depth)),
            (_, { } items, _) => new AllCondition(node.At, Items(items, map.PlaceOf("all"), findings, depth)),
            (_, _, { } item) when Condition(item, findings, depth + 1) is { } inner => new NotCondition(node.At, inner),
            _ => null,
        };
    }

    private static readonly string[] Junctions = ["any", "all", "not"];

    private static List<Condition> Items(IReadOnlyList<YamlNode> nodes, SourcePosition at, FindingList findings, int depth)
    {
        if (nodes.Count == 0)
            findings.Error(at, "condition", "'any' and 'all' need at least one condition.");
        return [.. nodes.Select(n => Condition(n, findings, depth + 1)).OfType<Condition>()];
    }

    private static FactCondition? Fact(MapReader map, FindingList findings)
    {
        var (fact, otherwise) = (map.Text("fact"), map.Text("otherwise"));
        var found = Words.Comparisons.Keys.Select(word => (Word: word, Node: map.Node(word))).Where(c => c.Node is not null).ToArray();
        map.End();
        if (found is not [var (comparison, value)])
        {
            findings.Error(map.At, "condition", $"The condition on '{fact}' needs one comparison.", $"There are: {string.Join(", ", Words.Comparisons.Keys)}.");
            return null;
        }
        return fact is null ? null : new FactCondition(map.At, fact, Words.Comparisons[comparison], Value(value!, findings)) { Otherwise = otherwise };
    }

    [GeneratedRegex(@"\$\$\{|\$\{([A-Za-z0-9_.-]{1,200})\}")]
    private static partial Regex LookUp();
}

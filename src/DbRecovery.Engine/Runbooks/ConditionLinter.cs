using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Checks the names and types in conditions, and finds conditions that can never be true.</summary>
internal sealed class ConditionLinter(ValueSchema schema, FindingList findings)
{
    public void Check(Condition condition)
    {
        switch (condition)
        {
            case AnyCondition any:
                foreach (var item in any.Items)
                    Check(item);
                break;
            case AllCondition all:
                foreach (var item in all.Items)
                    Check(item);
                break;
            case NotCondition not:
                Check(not.Item);
                break;
            case FactCondition fact:
                CheckFact(fact);
                break;
        }
    }

    private void CheckFact(FactCondition condition)
    {
        if (schema.Find(condition.Fact) is not { } type)
        {
            findings.Error(condition.At, "unknown-fact", $"There is no fact '{condition.Fact}'.",
                NearNames.Nearest(condition.Fact, schema.Paths) is { } near ? $"Did you mean '{near}'?" : "A step's outputs are known only after it.");
            return;
        }
        var numeric = type is FactType.Int or FactType.Number;
        if (!numeric && condition.Comparison is Comparison.AtLeast or Comparison.Above or Comparison.Below && !numeric)
            findings.Error(condition.At, "wrong-type", $"'{condition.Fact}' is a {type}; it is no number that could be more or less.", "Use 'is' or 'in'.");
        if (type == FactType.List)
            findings.Error(condition.At, "wrong-type", $"'{condition.Fact}' is a list, which nothing can be compared with.");
        switch (condition.Comparison, condition.Value)
        {
            case (Comparison.In, ListValue { Items.Count: 0 }):
                findings.Error(condition.Value.At, "unreachable", "Nothing is in an empty list.");
                break;
            case (Comparison.In, ListValue list):
                foreach (var item in list.Items)
                    CheckBound(condition.Fact, type, item);
                break;
            case (Comparison.In, _):
                findings.Error(condition.Value.At, "wrong-type", "'in' needs a list.");
                break;
            default:
                CheckBound(condition.Fact, type, condition.Value);
                break;
        }
    }

    private void CheckBound(string fact, FactType type, RunbookValue bound)
    {
        switch (bound)
        {
            case LiteralValue literal when type != FactType.List && !Literals.TryFact(literal.Text, type, out _):
                findings.Error(bound.At, "wrong-value", $"'{fact}' is a {type} and cannot be compared with '{literal.Text}'.");
                break;
            case LookupValue look when schema.Find(look.Path) is null:
                findings.Error(bound.At, "unknown-look-up", $"There is nothing to look up as '{look.Path}' here.",
                    NearNames.Nearest(look.Path, schema.Paths) is { } near ? $"Did you mean '{near}'?" : null);
                break;
            case LookupValue look when schema.Find(look.Path) is { } other && other != type && !(IsNumber(other) && IsNumber(type)):
                findings.Error(bound.At, "wrong-type", $"'{fact}' is a {type} and '${{{look.Path}}}' a {other}.");
                break;
            case ListValue or MapValue or TextValue:
                findings.Error(bound.At, "wrong-type", $"'{fact}' can be compared with one value or one look-up.");
                break;
        }
    }

    private static bool IsNumber(FactType type) => type is FactType.Int or FactType.Number;

    /// <summary>Whether conditions that must all be true exclude one another, as far as written-out values show it.</summary>
    public static bool IsContradiction(IReadOnlyList<Condition> conditions)
    {
        var facts = conditions.SelectMany(Conjuncts).ToArray();
        if (facts.OfType<AnyCondition>().Any(any => any.Items.All(item => IsContradiction([item, .. facts.Where(f => f is FactCondition)]))))
            return true;
        return facts.OfType<FactCondition>().GroupBy(f => f.Fact, StringComparer.Ordinal).Any(g => Excludes([.. g]));
    }

    private static IEnumerable<Condition> Conjuncts(Condition condition) =>
        condition is AllCondition all ? all.Items.SelectMany(Conjuncts) : [condition];

    private static bool Excludes(IReadOnlyList<FactCondition> conditions)
    {
        HashSet<string>? allowed = null;
        var (least, most) = (double.NegativeInfinity, double.PositiveInfinity);
        foreach (var condition in conditions)
        {
            if (Texts(condition) is { } texts)
                allowed = allowed is null ? [.. texts] : [.. allowed.Intersect(texts)];
            else if (condition.Value is LiteralValue literal && (Literals.TryFact(literal.Text, FactType.Number, out var bound) || Literals.TryFact(literal.Text, FactType.Int, out bound)))
            {
                if (condition.Comparison is Comparison.AtLeast or Comparison.Above)
                    least = Math.Max(least, bound.AsNumber());
                else if (condition.Comparison == Comparison.Below)
                    most = Math.Min(most, bound.AsNumber());
            }
        }
        return allowed is { Count: 0 } || least >= most;
    }

    private static IEnumerable<string>? Texts(FactCondition condition) => (condition.Comparison, condition.Value) switch
    {
        (Comparison.Is, LiteralValue literal) => [literal.Text],
        (Comparison.In, ListValue list) when list.Items.All(i => i is LiteralValue) => list.Items.Select(i => ((LiteralValue)i).Text),
        _ => null,
    };
}

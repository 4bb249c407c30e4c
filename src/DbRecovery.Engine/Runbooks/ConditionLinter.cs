using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Checks the names and types in conditions.</summary>
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
}

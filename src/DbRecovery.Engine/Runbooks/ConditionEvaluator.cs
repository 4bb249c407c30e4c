namespace DbRecovery.Engine.Runbooks;

/// <summary>What a condition came to.</summary>
/// <param name="Result">True, false, or null for unknown.</param>
/// <param name="Explanation">Which facts decided, or are unknown.</param>
public sealed record ConditionOutcome(bool? Result, string Explanation);

/// <summary>Evaluates conditions in Kleene's three-valued logic.</summary>
internal static class ConditionEvaluator
{
    public static ConditionOutcome Evaluate(Condition condition, IValueSource values) => condition switch
    {
        FactCondition fact => Fact(fact, values),
        AnyCondition any => Junction(any.Items, values, decidedBy: true),
        AllCondition all => Junction(all.Items, values, decidedBy: false),
        NotCondition not => Evaluate(not.Item, values) is var inner ? new(!inner.Result, inner.Explanation) : throw new InvalidOperationException(),
        _ => throw new InvalidOperationException($"no evaluation for {condition.GetType().Name}"),
    };

    // one true decides an "any", one false an "all"; else one unknown makes the whole unknown
    private static ConditionOutcome Junction(IReadOnlyList<Condition> items, IValueSource values, bool decidedBy)
    {
        var outcomes = items.Select(i => Evaluate(i, values)).ToArray();
        if (outcomes.FirstOrDefault(o => o.Result == decidedBy) is { } deciding)
            return deciding;
        bool? result = outcomes.Any(o => o.Result is null) ? null : !decidedBy;
        return new(result, string.Join("; ", outcomes.Where(o => o.Result == result).Select(o => o.Explanation)));
    }

    private static ConditionOutcome Fact(FactCondition condition, IValueSource values)
    {
        var (value, because) = values.Resolve(condition.Fact);
        if (value is not { } known)
            return new(null, $"{condition.Fact} is unknown: {because}");
        if (condition is { Comparison: Comparison.In, Value: ListValue list })
        {
            var outcomes = list.Items.Select(i => Compare(condition, known, i, Comparison.Is, values)).ToArray();
            bool? result = outcomes.Any(o => o.Result == true) ? true : outcomes.Any(o => o.Result is null) ? null : false;
            return new(result, $"{condition.Fact} is {known}");
        }
        return Compare(condition, known, condition.Value, condition.Comparison, values);
    }

    private static ConditionOutcome Compare(FactCondition condition, FactValue known, RunbookValue with, Comparison comparison, IValueSource values)
    {
        var (bound, because) = with switch
        {
            LookupValue look => values.Resolve(look.Path),
            LiteralValue literal when Literals.TryFact(literal.Text, known.Type, out var read) => Resolution.Known(read),
            _ => Resolution.Unknown($"'{condition.Fact}' cannot be compared with that"),
        };
        if (bound is not { } limit)
            return new(null, $"{condition.Fact} is {known}, and its bound is unknown: {because}");
        bool? result = comparison switch
        {
            Comparison.Is => IsNumber(known) && IsNumber(limit) ? known.AsNumber().Equals(limit.AsNumber()) : known == limit,
            _ when !IsNumber(known) || !IsNumber(limit) => null,
            Comparison.AtLeast => known.AsNumber() >= limit.AsNumber(),
            Comparison.Above => known.AsNumber() > limit.AsNumber(),
            Comparison.Below => known.AsNumber() < limit.AsNumber(),
            _ => null,
        };
        return new(result, $"{condition.Fact} is {known}{(result == true ? "" : $", not {Words.Comparisons.First(w => w.Value == comparison).Key} {limit}")}");
    }

    private static bool IsNumber(FactValue value) => value.Type is FactType.Int or FactType.Number;
}

namespace DbRecovery.Engine.Runbooks;

/// <summary>What a runbook asks for.</summary>
internal static class RunbookWords
{
    /// <summary>Whether it asks, anywhere, for something whose name begins so. A text that only looks like it counts, too.</summary>
    public static bool Mentions(Runbook runbook, string beginning)
    {
        return runbook.Guards.Any(InCondition) || InCondition(runbook.Approval?.When) || InValue(runbook.Limits.MaxDataLoss)
            || runbook.Steps.Concat(runbook.Escalate).Any(s => InCondition(s.When) || InValue(s.Timeout) || s.With.Values.Any(InValue))
            || runbook.Verify.Any(c => c.With.Values.Any(InValue));

        bool Begins(string text) => text.StartsWith(beginning, StringComparison.Ordinal);

        bool InCondition(Condition? condition) => condition switch
        {
            FactCondition fact => Begins(fact.Fact) || InValue(fact.Value),
            AnyCondition any => any.Items.Any(InCondition),
            AllCondition all => all.Items.Any(InCondition),
            NotCondition not => InCondition(not.Item),
            _ => false,
        };

        bool InValue(RunbookValue? value) => value switch
        {
            LookupValue look => Begins(look.Path),
            LiteralValue literal => Begins(literal.Text),
            TextValue text => text.Parts.Any(InValue),
            ListValue list => list.Items.Any(InValue),
            MapValue map => map.Items.Values.Any(InValue),
            _ => false,
        };
    }
}

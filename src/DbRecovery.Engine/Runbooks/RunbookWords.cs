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

        bool InCondition(Condition? condition) => condition.Facts().Any(f => Begins(f.Fact) || InValue(f.Value));

        bool InValue(RunbookValue? value) => value?.Leaves().Any(l => l is LookupValue look ? Begins(look.Path) : l is LiteralValue literal && Begins(literal.Text)) == true;
    }
}

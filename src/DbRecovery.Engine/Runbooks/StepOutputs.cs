using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Finds look-ups of outputs that may not be there: those of a step that may have been left out.</summary>
internal sealed class StepOutputs(FindingList findings)
{
    private readonly Dictionary<string, HashSet<string>> _conditional = new(StringComparer.Ordinal);

    /// <summary>Checks a step's look-ups and remembers its own condition.</summary>
    public void Check(RunbookStep step)
    {
        var held = Conjuncts(step.When).Select(Text).ToHashSet(StringComparer.Ordinal);
        foreach (var (look, producer) in Lookups(step))
        {
            if (_conditional.TryGetValue(producer, out var needed) && !needed.IsSubsetOf(held) && !Demands(step.When, producer))
                findings.Error(look.At, "conditional-output", $"'${{{look.Path}}}' is not there where the condition of the step '{producer}' left it out; the step '{step.Id}' would fail.",
                    $"Give the step '{step.Id}' the same 'when', or take the condition from '{producer}'.");
        }
        if (step.When is not null)
            _conditional[step.Id] = held;
    }

    /// <summary>Checks a step of the escalation: it runs wherever the runbook stopped, so that no step's outputs are certain.</summary>
    public void CheckEscalation(RunbookStep step)
    {
        foreach (var (look, producer) in Lookups(step).Where(l => !Demands(step.When, l.Producer)))
            findings.Error(look.At, "conditional-output", $"'${{{look.Path}}}' is not there where the runbook stopped before the step '{producer}'; nobody would be told.",
                "Look up what is known from the beginning, such as ${fault.summary} or ${incident.id}.");
    }

    private static IEnumerable<(LookupValue Look, string Producer)> Lookups(RunbookStep step) =>
        step.With.Values.Append(step.Timeout).OfType<RunbookValue>().SelectMany(v => v.Leaves()).OfType<LookupValue>()
            .Select(look => (look, Parts: look.Path.Split('.'))).Where(l => l.Parts is ["steps", _, _]).Select(l => (l.look, l.Parts[1]));

    // a condition on an output of the step is unknown without it, and so not true
    private static bool Demands(Condition? when, string producer)
    {
        var outputs = $"steps.{producer}.";
        return Conjuncts(when).Select(c => c is NotCondition not ? not.Item : c).OfType<FactCondition>().Any(f => f.Fact.StartsWith(outputs, StringComparison.Ordinal));
    }

    private static IEnumerable<Condition> Conjuncts(Condition? condition) => condition switch
    {
        null => [],
        AllCondition all => all.Items.SelectMany(Conjuncts),
        _ => [condition],
    };

    // the same words in another place are the same condition
    private static string Text(Condition condition) => condition switch
    {
        FactCondition fact => $"{fact.Fact} {fact.Comparison} {Text(fact.Value)}",
        NotCondition not => $"not({Text(not.Item)})",
        AnyCondition any => $"any({string.Join(';', any.Items.Select(Text))})",
        AllCondition all => $"all({string.Join(';', all.Items.Select(Text))})",
        _ => throw new InvalidOperationException($"no text for {condition.GetType().Name}"),
    };

    private static string Text(RunbookValue value) => value switch
    {
        LiteralValue literal => $"'{literal.Text}'",
        LookupValue look => $"${{{look.Path}}}",
        ListValue list => $"[{string.Join(',', list.Items.Select(Text))}]",
        _ => "?",
    };
}

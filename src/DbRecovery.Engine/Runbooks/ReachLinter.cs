using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Finds what a runbook can never come to because conditions on the way exclude one another.</summary>
internal sealed class ReachLinter
{
    private readonly Runbook _runbook;
    private readonly FindingList _findings;
    private readonly Contradictions _contradictions;
    private readonly List<Condition> _match = [];

    public ReachLinter(Runbook runbook, ValueSchema schema, FindingList findings)
    {
        (_runbook, _findings, _contradictions) = (runbook, findings, new Contradictions(schema));
        // what 'match' says of the fault's id holds to the end
        var at = new SourcePosition(1, 1);
        if (!runbook.Match.Faults.Any(f => f.EndsWith('*')))
            _match.Add(new FactCondition(at, "fault.id", Comparison.In, new ListValue(at, [.. runbook.Match.Faults.Select(f => new LiteralValue(at, f))])));
        if (runbook.Match.When is { } when)
            _match.Add(when);
    }

    /// <summary>The conditions under which a runbook answers, and those under which it may act.</summary>
    public void CheckMatchAndGuards()
    {
        if (_runbook.Match.When is { } when && _contradictions.Exclude(_match))
            _findings.Error(when.At, "unreachable", "This runbook can never answer: the condition contradicts itself or 'faults'.", "Mend the condition.");
        else if (_contradictions.Exclude([.. _match, .. _runbook.Guards]))
        {
            var guard = _runbook.Guards.Where((_, i) => _contradictions.Exclude([.. _match, .. _runbook.Guards.Take(i + 1)])).First();
            _findings.Error(guard.At, "unreachable", "This guard can never hold: it contradicts itself, 'match' or a guard before it.", "Mend the condition.");
        }
    }

    /// <summary>The condition under which a person is asked.</summary>
    public void CheckApproval(Condition when)
    {
        if (Excludes(when, _match))
            _findings.Error(when.At, "unreachable", "This approval can never be asked for.", "Leave 'when' out to ask always, or mend the condition.");
    }

    /// <summary>The condition of a step. Guards hold again before a destructive one; before another, what they ask for may have changed.</summary>
    public void CheckStep(RunbookStep step, Condition when, bool destructive)
    {
        if (Excludes(when, destructive ? [.. _match, .. _runbook.Guards] : _match))
            _findings.Error(step.At, "unreachable", $"The step '{step.Id}' can never run: its condition contradicts itself, 'match'{(destructive ? " or the guards" : "")}.", "Mend the condition, or take the step out.");
    }

    /// <summary>A condition that is verified.</summary>
    public void CheckVerification(Condition condition)
    {
        if (_contradictions.Exclude([condition]))
            _findings.Error(condition.At, "unreachable", "This check can never pass: the condition contradicts itself.", "Mend the condition.");
    }

    // where what must hold excludes itself, that has its own finding
    private bool Excludes(Condition condition, IReadOnlyList<Condition> holding) =>
        _contradictions.Exclude([condition]) || (!_contradictions.Exclude(holding) && _contradictions.Exclude([.. holding, condition]));
}

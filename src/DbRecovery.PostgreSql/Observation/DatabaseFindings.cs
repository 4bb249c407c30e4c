namespace DbRecovery.PostgreSql.Observation;

/// <summary>What the checks of several databases found, put together. What one database did not allow makes a clean result unknown, never a finding.</summary>
internal sealed class DatabaseFindings
{
    private const int Most = 100;

    private readonly Dictionary<FactDefinition, List<string>> _found = [];
    private readonly Dictionary<FactDefinition, string> _unseen = [];

    /// <summary>Notes that a check ran.</summary>
    internal void Checked(FactDefinition fact)
    {
        if (!_found.ContainsKey(fact))
            _found[fact] = [];
    }

    /// <summary>Notes what a check found.</summary>
    internal void Add(FactDefinition fact, string finding)
    {
        Checked(fact);
        if (_found[fact].Count < Most)
            _found[fact].Add(finding);
    }

    /// <summary>Notes that a check could not run somewhere.</summary>
    internal void Unseen(FactDefinition fact, string because) => _unseen.TryAdd(fact, because);

    /// <summary>Puts those of another database to them.</summary>
    internal void Add(DatabaseFindings other)
    {
        foreach (var (fact, findings) in other._found)
        {
            Checked(fact);
            foreach (var finding in findings)
                Add(fact, finding);
        }
        foreach (var (fact, because) in other._unseen)
            Unseen(fact, because);
    }

    /// <summary>Makes facts of it.</summary>
    internal void Record(FactSet facts, params ReadOnlySpan<FactDefinition> expected)
    {
        foreach (var fact in expected)
        {
            var found = _found.GetValueOrDefault(fact);
            if (found is { Count: > 0 } || found is not null && !_unseen.ContainsKey(fact))
                facts.Set(fact, FactValue.OfList(found));
            else
                facts.SetUnknown(fact, _unseen.GetValueOrDefault(fact) ?? "no database could be looked at");
        }
    }
}

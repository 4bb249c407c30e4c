namespace DbRecovery.Engine.Faults;

/// <summary>The fault classes: what a runbook may match and which details it may look up.</summary>
public static class FaultCatalogue
{
    /// <summary>The classes that every inventory has, and what people may ask for.</summary>
    public static IReadOnlyList<FaultClass> Classes { get; } = [.. FaultClassifier.KnownClasses, .. PlannedOperations.Classes];

    /// <summary>Those, and the <c>custom.*</c> classes of the clusters' own checks.</summary>
    public static IReadOnlyList<FaultClass> With(IEnumerable<ClusterDefinition> clusters) =>
        [.. Classes, .. clusters
            .SelectMany(c => c.Checks.Select(k => (Check: k, c.Engine)))
            .GroupBy(k => k.Check.Fault, StringComparer.Ordinal)
            .Select(g => new FaultClass(g.Key, g.Min(k => k.Check.Severity), g.Select(k => k.Engine).Distinct().ToArray(),
                $"the check {string.Join(", ", g.Select(k => k.Check.Name).Distinct())} of the inventory is not met", Rules.CustomCheckRule.Details))];
}

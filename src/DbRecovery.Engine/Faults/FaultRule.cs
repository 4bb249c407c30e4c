using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults;

/// <summary>The rule of one fault class: a pure function of the whole cluster's view.</summary>
internal abstract class FaultRule
{
    // what mends itself in a moment, such as a receiver that is between two attempts, is no reason to act
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>The class.</summary>
    public abstract FaultClass Class { get; }

    /// <summary>
    /// Classes whose faults on the same node are consequences of this one, or cannot be told from it while it lasts.
    /// </summary>
    public virtual IReadOnlyList<string> Explains => [];

    /// <summary>The faults of this class in the view.</summary>
    public abstract IEnumerable<Fault> Judge(ClusterView view);

    /// <summary>Rounds that must agree where the evidence says nothing of its own.</summary>
    protected virtual int Confirmations(ClusterView view) => 0;

    /// <summary>Rounds for what often mends itself: as many as make some seconds at the pace of the polls.</summary>
    protected static int Patient(ClusterView view) => Math.Max(view.Cluster.Policy.Confirmations,
        (int)Math.Ceiling(s_patience / (view.Cluster.Policy.Poll > TimeSpan.Zero ? view.Cluster.Policy.Poll : s_patience)));

    /// <summary>Makes a fault of this class.</summary>
    protected Fault Make(ClusterView view, string? node, FaultConfidence confidence, string summary, IReadOnlyList<Evidence> evidence,
        IReadOnlyList<string>? ruledOut = null, IReadOnlyDictionary<string, FactValue>? details = null, FaultSeverity? severity = null, int? confirmations = null) => new()
        {
            Id = Class.Id,
            Severity = severity ?? Class.Severity,
            Confidence = confidence,
            Cluster = view.Cluster.Name,
            Engine = view.Cluster.Engine,
            Node = node,
            Summary = summary,
            DetectedAt = view.At,
            Evidence = evidence,
            RuledOut = ruledOut ?? [],
            Details = details ?? new Dictionary<string, FactValue>(),
            Confirmations = confirmations ?? Confirmations(view),
            Definition = view.Cluster,
        };
}

/// <summary>A rule that looks at one node at a time.</summary>
internal abstract class NodeRule : FaultRule
{
    public sealed override IEnumerable<Fault> Judge(ClusterView view) =>
        Class.Engines.Count > 0 && !Class.Engines.Contains(view.Cluster.Engine)
            ? []
            : view.Nodes.Select(node => Judge(view, node)).OfType<Fault>();

    /// <summary>The fault of a node; null where there is none.</summary>
    protected abstract Fault? Judge(ClusterView view, NodeObservation node);
}

/// <summary>Short ways to say what was seen.</summary>
internal static class Seen
{
    /// <summary>A fact of the observation as evidence.</summary>
    public static Evidence Evidence(this NodeObservation node, FactDefinition fact, string shows, string? threshold = null, bool stable = true) => new()
    {
        Fact = fact.Name,
        Value = node.Facts.Value(fact),
        Threshold = threshold,
        Node = node.Node,
        At = node.ObservedAt,
        Shows = shows,
        Stable = stable,
    };
}

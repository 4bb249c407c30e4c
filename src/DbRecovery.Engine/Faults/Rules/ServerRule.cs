using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A rule about a cluster of servers. Nodes of another cluster, and the second name of a server that is listed twice, are no part of what it judges.</summary>
internal abstract class ServerRule : FaultRule
{
    /// <summary>The engines whose nodes are servers.</summary>
    protected static readonly IReadOnlyList<string> Servers = ["postgresql"];

    /// <summary>The engines of the <c>pg.*</c> classes.</summary>
    protected static readonly IReadOnlyList<string> PostgreSql = ["postgresql"];

    public sealed override IEnumerable<Fault> Judge(ClusterView view) =>
        Class.Engines.Contains(view.Cluster.Engine) ? Judge(view, view.Replication) : [];

    protected sealed override int Confirmations(ClusterView view) => view.Cluster.Policy.Confirmations;

    /// <summary>The faults of this class in the view.</summary>
    protected abstract IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster);

    /// <summary>Evidence that is no fact of an observation.</summary>
    protected static Evidence Says(NodeObservation node, string fact, FactValue? value, string shows, string? threshold = null, bool stable = true) => new()
    {
        Fact = fact, Value = value, Threshold = threshold, Node = node.Node, At = node.ObservedAt, Shows = shows, Stable = stable,
    };

    /// <summary>How a node answered, as evidence.</summary>
    protected static Evidence Answer(NodeObservation node) => node.Facts.Value(PostgreSqlFacts.ConnectError) is not null
        ? node.Evidence(PostgreSqlFacts.ConnectError, node.Errors.FirstOrDefault()?.Told ?? "why no session was had")
        : Says(node, "reachability", node.Reachability.ToString(), node.Errors.FirstOrDefault()?.Message ?? "how the node answered");

    /// <summary>An error with one of these SQLSTATEs that the node gave; null for none.</summary>
    protected static ObservedError? Error(NodeObservation node, params ReadOnlySpan<string> codes)
    {
        foreach (var error in node.Errors)
            if (codes.Contains(error.Code))
                return error;
        return null;
    }
}

/// <summary>A rule about one server at a time.</summary>
internal abstract class ServerNodeRule : ServerRule
{
    protected sealed override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster) =>
        cluster.Members.Select(node => Judge(view, cluster, node)).OfType<Fault>();

    /// <summary>The fault of a node; null where there is none.</summary>
    protected abstract Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node);
}

namespace DbRecovery.Engine.Watch;

/// <summary>One node as a load balancer may be told of it.</summary>
/// <param name="Name">The node.</param>
/// <param name="Answers">Whether it answered its last look.</param>
/// <param name="Role">Its part then.</param>
/// <param name="ReadOnly">Whether it refuses writes although it is primary.</param>
/// <param name="LagBytes">Bytes that it has not applied; null where that is not known.</param>
/// <param name="LagSeconds">The same as time.</param>
/// <param name="LookedAt">When the look began, on the clock that cannot be set.</param>
internal sealed record RouteNode(string Name, bool Answers, NodeRole Role, bool ReadOnly, long? LagBytes, double? LagSeconds, long LookedAt);

/// <summary>What a load balancer is told.</summary>
/// <param name="Ok">Whether the node, or one of the cluster, is what was asked for.</param>
/// <param name="Cluster">The cluster.</param>
/// <param name="Nodes">The nodes that are.</param>
/// <param name="Why">Why there is none.</param>
internal sealed record RouteReply(bool Ok, string Cluster, IReadOnlyList<string> Nodes, string? Why);

/// <summary>What the last round of a cluster allows to say about where to send writes and reads. In doubt there is no primary.</summary>
internal sealed class RouteState
{
    private static readonly string[] s_doubts = ["topology.split-brain", "topology.stale-primary", "pg.standby.promoted-out-of-band"];
    private static readonly string[] s_strangers = ["pg.sysid-mismatch", "config.node-twice"];
    private readonly string _cluster;
    private readonly string? _doubt;
    private readonly IReadOnlyList<RouteNode> _nodes;

    public RouteState(string cluster, IReadOnlyList<RouteNode> nodes, string? doubt) => (_cluster, _nodes, _doubt) = (cluster, nodes, doubt);

    /// <summary>When the newest look began.</summary>
    public long NewestLook => _nodes.Max(n => n.LookedAt);

    /// <summary>The state after a round.</summary>
    /// <param name="report">The judgement.</param>
    /// <param name="begun">When the look at each node began, in the order of the cluster's nodes.</param>
    public static RouteState Of(HealthReport report, IReadOnlyList<long> begun)
    {
        // another cluster's server is none of this one's, and a server with two names is one
        var strangers = report.Faults.Where(f => s_strangers.Contains(f.Id)).Select(f => f.Node).ToHashSet(StringComparer.Ordinal);
        var end = report.Observations.SelectMany(o => new[] { o.Role == NodeRole.Primary ? o.Position?.Ordinal : null, o.Upstream?.UpstreamEnd?.Ordinal }).Max();
        return new RouteState(report.Cluster, [.. report.Observations.Select((o, i) => new RouteNode(o.Node, o.Reachability == Reachability.Reachable && !strangers.Contains(o.Node), o.Role,
            o.Facts.Bool(PostgreSqlFacts.DefaultReadOnly) == true, o.Facts.Int(ReplicationFacts.LagBytes) ?? (o.Upstream?.Applied?.Ordinal is { } applied && end is { } e ? Math.Max(0, e - applied) : null),
            o.Facts.Number(ReplicationFacts.LagTime), begun[i]))], report.Faults.FirstOrDefault(f => s_doubts.Contains(f.Id))?.Summary);
    }

    /// <summary>Whether the node is the primary; without a node, which one is.</summary>
    public RouteReply Primary(string? node, TimeSpan mostAge, TimeProvider clock)
    {
        var claims = _nodes.Where(n => n is { Answers: true, Role: NodeRole.Primary }).ToList();
        var why = _doubt is not null ? _doubt
            : claims.Count == 0 ? "no node is known to be primary"
            : claims.Count > 1 ? $"{string.Join(" and ", claims.Select(n => n.Name))} both take writes"
            : IsOld(claims[0], mostAge, clock) ? $"{claims[0].Name} was primary, and that is too long ago to say it of now"
            : claims[0].ReadOnly ? $"{claims[0].Name} refuses writes"
            : node is not null && claims[0].Name != node ? $"{claims[0].Name} is primary"
            : null;
        return new RouteReply(why is null, _cluster, why is null ? [claims[0].Name] : [], why);
    }

    /// <summary>Whether the node is a replica within the bound; without a node, which ones are.</summary>
    public RouteReply Replica(string? node, long? lagBytes, double? lagSeconds, TimeSpan mostAge, TimeProvider clock)
    {
        var asked = _nodes.Where(n => node is null || n.Name == node).Select(n => (n.Name, Why: NoReplica(n, lagBytes, lagSeconds, mostAge, clock))).ToList();
        var fit = asked.Where(n => n.Why is null).Select(n => n.Name).ToList();
        return new RouteReply(fit.Count > 0, _cluster, fit, fit.Count > 0 ? null : string.Join("; ", asked.Select(n => n.Why)));
    }

    private static string? NoReplica(RouteNode node, long? lagBytes, double? lagSeconds, TimeSpan mostAge, TimeProvider clock) =>
        !node.Answers || IsOld(node, mostAge, clock) ? $"{node.Name} does not answer"
        : node.Role != NodeRole.Replica ? $"{node.Name} is no replica"
        : lagBytes is { } bytes && !(node.LagBytes <= bytes) ? $"{node.Name} is {node.LagBytes?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "an unknown number of"} bytes behind"
        : lagSeconds is { } seconds && !(node.LagSeconds <= seconds) ? $"{node.Name} is {node.LagSeconds?.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture) ?? "an unknown number of"} s behind"
        : null;

    private static bool IsOld(RouteNode node, TimeSpan mostAge, TimeProvider clock) => clock.GetElapsedTime(node.LookedAt) > mostAge;
}

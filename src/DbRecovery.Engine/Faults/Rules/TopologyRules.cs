using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A node of another cluster is in this one's inventory.</summary>
internal sealed class SystemIdMismatchRule : ServerRule
{
    public override FaultClass Class { get; } = new("pg.sysid-mismatch", FaultSeverity.DataAtRisk, PostgreSql,
        "the node's data has another origin than the cluster's: it belongs to another cluster and is never touched as one of this",
        [new("systemId", FactType.Text, null, "its system identifier"), new("expected", FactType.Text, null, "the cluster's")]);

    // it is no part of the cluster: nothing else that it shows is this cluster's fault
    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster) => cluster.Foreign.Select(node =>
    {
        var sure = view.LastPrimary?.SystemId == cluster.SystemId || view.Nodes.Count(n => n.SystemId == cluster.SystemId) > view.Nodes.Count(n => n.SystemId == node.SystemId);
        return Make(view, node.Node, sure ? FaultConfidence.Certain : FaultConfidence.Possible, $"'{node.Node}' holds another cluster's data",
            [Says(node, "node.systemId", node.SystemId!, "its system identifier", cluster.SystemId)],
            ["pg.replica.timeline-diverged: a replica that diverged still has the cluster's system identifier",
                sure ? "the others being the foreign ones: they are more, or were the cluster's before" : "which of the two is this cluster's cannot be told"],
            new Dictionary<string, FactValue> { ["systemId"] = node.SystemId!, ["expected"] = cluster.SystemId ?? "" });
    });
}

/// <summary>One server has two names in the inventory.</summary>
internal sealed class NodeTwiceRule : ServerRule
{
    public override FaultClass Class { get; } = new("config.node-twice", FaultSeverity.Degraded, Servers,
        "two nodes of the inventory are one server: it would be counted twice where a majority is needed",
        [new("same", FactType.Text, null, "the other name of the server")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster) => cluster.Twice.Select(pair =>
        Make(view, pair.Second.Node, FaultConfidence.Certain, $"'{pair.Second.Node}' and '{pair.First.Node}' are the same server",
            [pair.Second.Evidence(PostgreSqlFacts.StartedAt, "the same start to the microsecond, and the same data"), pair.First.Evidence(PostgreSqlFacts.StartedAt, "the same start")],
            ["topology.split-brain: there is one server"], new Dictionary<string, FactValue> { ["same"] = pair.First.Node }, confirmations: 1));
}

/// <summary>More than one node takes writes.</summary>
internal sealed class SplitBrainRule : ServerRule
{
    public override FaultClass Class { get; } = new("topology.split-brain", FaultSeverity.DataAtRisk, Servers,
        "two nodes or more with the same origin take writes",
        [new("nodes", FactType.List, null, "the nodes that take writes"), new("primary", FactType.Text, null, "the one that the last takeover made primary; empty where that cannot be told")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        var writable = cluster.Writable;
        if (writable.Count < 2)
            return [];
        // which of them is right the epoch of a takeover tells, or the memory of one that went to the higher timeline; else a person has to say
        var ranked = writable.OrderByDescending(Epoch).ThenByDescending(Timeline).ToList();
        var told = Epoch(ranked[0]) > Epoch(ranked[1]) || (Epoch(ranked[0]) == Epoch(ranked[1]) && Timeline(ranked[0]) > Timeline(ranked[1]) && view.LastPrimary?.Node == ranked[0].Node);
        var stale = told && writable.Count == 2 ? ranked[1].Node : null;
        return [Make(view, stale, FaultConfidence.Certain, $"{string.Join(" and ", writable.Select(n => $"'{n.Node}'"))} both take writes",
            [.. writable.Select(n => n.Evidence(PostgreSqlFacts.Timeline, "it is not in recovery, on this timeline"))],
            ["another cluster's node: the system identifiers are equal", "one server under two names: their starts or ports differ"],
            new Dictionary<string, FactValue> { ["nodes"] = FactValue.OfList(writable.Select(n => n.Node)), ["primary"] = told ? ranked[0].Node : "" }, confirmations: 1)];
    }

    private static long Epoch(NodeObservation node) => node.Facts.Text(ReplicationFacts.EpochPrimary) == node.Node ? node.Facts.Int(ReplicationFacts.Epoch) ?? 0 : 0;

    private static long Timeline(NodeObservation node) => node.Facts.Int(PostgreSqlFacts.Timeline) ?? 0;
}

/// <summary>A former primary takes writes again, alone.</summary>
internal sealed class StalePrimaryRule : ServerRule
{
    public override FaultClass Class { get; } = new("topology.stale-primary", FaultSeverity.DataAtRisk, Servers,
        "the only node that takes writes is a former primary: its timeline or its takeover epoch is behind",
        [new("lastPrimary", FactType.Text, null, "the node that was primary last")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        if (cluster.Leader is not { } leader || view.LastPrimary is not { } last || last.Node == leader.Node || !IsBehind(leader, last))
            return [];
        return [Make(view, leader.Node, FaultConfidence.Likely, $"'{leader.Node}' takes writes, and '{last.Node}' took over from it before",
            [leader.Evidence(PostgreSqlFacts.Timeline, "the timeline that it writes", $"at least {last.Position?.History}")],
            ["pg.standby.promoted-out-of-band: a promotion raises the timeline, and this one is lower"],
            new Dictionary<string, FactValue> { ["lastPrimary"] = last.Node }, confirmations: 1)];
    }

    /// <summary>Whether a node that takes writes is on an older timeline than the primary that is remembered.</summary>
    public static bool IsBehind(NodeObservation node, LastPrimary last) =>
        node.Facts.Int(PostgreSqlFacts.Timeline) is { } timeline && long.TryParse(last.Position?.History, System.Globalization.CultureInfo.InvariantCulture, out var before) && timeline < before;
}

/// <summary>Somebody else promoted a replica.</summary>
internal sealed class PromotedOutOfBandRule : ServerRule
{
    public override FaultClass Class { get; } = new("pg.standby.promoted-out-of-band", FaultSeverity.DataAtRisk, PostgreSql,
        "a replica was promoted, and not by a takeover of DbRecovery: the primary that was before may come back and take writes, too",
        [new("lastPrimary", FactType.Text, null, "the node that was primary before")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        if (cluster.Leader is not { } leader || view.LastPrimary is not { } last || last.Node == leader.Node || StalePrimaryRule.IsBehind(leader, last))
            return [];
        var before = cluster.Find(last.Node);
        return [Make(view, leader.Node, FaultConfidence.Likely, $"'{leader.Node}' was promoted behind DbRecovery's back; '{last.Node}' was the primary",
            [leader.Evidence(PostgreSqlFacts.Timeline, "it is not in recovery, on this timeline", last.Position?.History), leader.Evidence(ReplicationFacts.EpochPrimary, "the node that the last takeover made primary", leader.Node),
                .. before is null ? [] : new[] { Answer(before) }],
            ["a takeover of DbRecovery: that would have raised the epoch that the node's data holds", "a planned change: the former primary does not follow"],
            new Dictionary<string, FactValue> { ["lastPrimary"] = last.Node })];
    }
}

/// <summary>Every node answers, and none takes writes.</summary>
internal sealed class NoWritablePrimaryRule : ServerRule
{
    public override FaultClass Class { get; } = new("topology.no-writable-primary", FaultSeverity.Outage, Servers,
        "the nodes answer, and none of them takes writes",
        [new("cause", FactType.Text, null, "read-only: a primary refuses writes; replicas-only: every node follows"), new("lastPrimary", FactType.Text, null, "the node that was primary last; empty where nobody knows")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        if (cluster.Leader is { } leader)
            return leader.Facts.Bool(PostgreSqlFacts.DefaultReadOnly) == true
                ? [Make(view, leader.Node, FaultConfidence.Certain, $"the primary '{leader.Node}' is read-only by default",
                    [leader.Evidence(PostgreSqlFacts.DefaultReadOnly, "new transactions are read-only", "false")], ["pg.sync-blocked: writes are refused, they do not wait"],
                    Details("read-only", leader.Node))]
                : [];
        var members = cluster.Members;
        // where a node that may be the primary gives no answer, it is that node's fault
        if (cluster.Writable.Count > 0 || members.Count == 0 || !members.Any(cluster.Fresh)
            || members.Any(n => n.Reachability != Reachability.Reachable && (cluster.Primary is null || cluster.Primary == n.Node)) || members.Any(n => n is { Reachability: Reachability.Reachable, Role: not NodeRole.Replica }))
            return [];
        // what the inventory lists may be the standbys of a primary that it forgot
        var strangers = members.Where(n => n.Upstream is { Streaming: true, Address.Length: > 0 } && cluster.UpstreamOf(n) is null).ToList();
        var forgotten = strangers.Count == 0 ? "" : $"; '{strangers[0].Node}' receives from {strangers[0].Upstream!.Address}, which is no node of the inventory: if that is the primary, add it";
        return [Make(view, null, FaultConfidence.Likely, $"every node that answers is a replica{forgotten}",
            [.. members.Where(n => n.Reachability == Reachability.Reachable).Select(n => n.Evidence(PostgreSqlFacts.InRecovery, "it replays a log")),
                .. strangers.Select(n => Says(n, "upstream", n.Upstream!.Address, "it receives from this address"))],
            ["pg.primary.dead: no node that could be the primary is silent", "a switchover under way cannot be ruled out in the first rounds"],
            Details("replicas-only", view.LastPrimary?.Node ?? ""), confirmations: Patient(view))];
    }

    private static Dictionary<string, FactValue> Details(string cause, string primary) => new() { ["cause"] = cause, ["lastPrimary"] = primary };
}

/// <summary>A route leads elsewhere than to the primary.</summary>
internal sealed class RoutingWrongTargetRule : ServerRule
{
    public override FaultClass Class { get; } = new("routing.wrong-target", FaultSeverity.Degraded, Servers,
        "a route does not lead to the primary, or not to it alone",
        [new("routes", FactType.List, null, "the routes"), new("targets", FactType.List, null, "where they lead"), new("primary", FactType.Text, null, "the primary")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        // without one primary there is no right target, and a paused route is paused by somebody's intent
        if (cluster.Leader is not { } leader || view.LastPrimary is { } last && last.Node != leader.Node)
            return [];
        var wrong = view.Routes.Where(r => r.UnknownBecause is null && !r.Paused && r.LeadsTo != leader.Node).ToList();
        if (wrong.Count == 0)
            return [];
        return [Make(view, leader.Node, FaultConfidence.Certain, $"{string.Join(", ", wrong.Select(r => $"'{r.Route}'"))} leads to {string.Join(", ", wrong.SelectMany(r => r.Targets).DefaultIfEmpty("nothing"))}, not to the primary '{leader.Node}'",
            [.. wrong.Select(r => new Evidence
            {
                Fact = $"route.{r.Route}", Value = FactValue.OfList(r.Targets), Threshold = leader.Node, Node = leader.Node, At = r.ObservedAt, Shows = "where the route leads",
            })],
            ["topology.no-writable-primary: the primary itself answers and is not in recovery"],
            new Dictionary<string, FactValue>
            {
                ["routes"] = FactValue.OfList(wrong.Select(r => r.Route)), ["targets"] = FactValue.OfList(wrong.SelectMany(r => r.Targets).Distinct()), ["primary"] = leader.Node,
            })];
    }
}

using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>It is rather this machine that is cut off.</summary>
internal sealed class WatcherIsolatedRule : ServerRule
{
    public override FaultClass Class { get; } = new("net.watcher-isolated", FaultSeverity.Notice, Servers,
        "so few nodes answer this machine that it may be this machine that is cut off: nothing is done to any of them",
        [new("silent", FactType.List, null, "the nodes that give no answer"), new("answering", FactType.Int, null, "the nodes that do")]);

    protected override IEnumerable<Fault> Judge(ClusterView view, ReplicationView cluster)
    {
        var silent = cluster.Members.Where(n => NodeOutage.Of(cluster, n).Kind == OutageKind.WatcherIsolated).ToList();
        if (silent.Count == 0)
            return [];
        var answering = cluster.Members.Count(n => n.Reachability is Reachability.Reachable or Reachability.Refusing || NodeOutage.Look(n) != OutageKind.HostUnreachable);
        return [Make(view, null, answering == 0 ? FaultConfidence.Likely : FaultConfidence.Possible,
            $"{Counted.Of(silent.Count, "node")} of {cluster.Members.Count} give no answer: this machine may be cut off",
            [.. silent.Select(Answer)],
            ["node.host-unreachable: that several machines are gone at once cannot be told from here, so nothing is concluded", "pg.primary.dead: no majority of the other nodes can confirm it"],
            new Dictionary<string, FactValue> { ["silent"] = FactValue.OfList(silent.Select(n => n.Node)), ["answering"] = (long)answering })];
    }
}

/// <summary>A node lives, and we cannot reach it.</summary>
internal sealed class PartialPartitionRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("net.partial-partition", FaultSeverity.Degraded, Servers,
        "this machine cannot talk to a node that other nodes are in touch with: it lives",
        [new("primary", FactType.Bool, null, "whether it is the primary"), new("inTouch", FactType.List, null, "the nodes that are in touch with it")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var outage = NodeOutage.Of(cluster, node);
        if (outage.Kind != OutageKind.Partition)
            return null;
        return Make(view, node.Node, FaultConfidence.Likely, $"'{node.Node}' does not answer this machine, and {string.Join(", ", outage.InTouch.Select(n => n.Node))} is in touch with it",
            [Answer(node), .. outage.InTouch.Select(n => cluster.Word(n, node) == StreamWord.Streams
                ? n.Evidence(PostgreSqlFacts.ReceiptAge, "it receives from it: the time since the last message", stable: false)
                : Says(n, "downstream", node.Node, "it sends its log there"))],
            ["pg.primary.dead, node.host-unreachable: a node that another one receives from is alive"],
            // in the first moment of a death the others have not noticed yet; a partition can wait
            new Dictionary<string, FactValue> { ["primary"] = outage.Primary, ["inTouch"] = FactValue.OfList(outage.InTouch.Select(n => n.Node)) }, confirmations: Patient(view));
    }
}

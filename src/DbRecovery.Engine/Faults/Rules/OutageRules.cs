using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A rule about a node that gives no answer.</summary>
internal abstract class OutageRule : ServerNodeRule
{
    protected static readonly IReadOnlyList<FactDefinition> OutageDetails =
    [
        new("primary", FactType.Bool, null, "whether it is, or last was, the primary"),
        new("confirmed", FactType.Bool, null, "whether the other nodes confirm that the primary is gone: most of them answer, and those that followed it receive nothing"),
        new("witnesses", FactType.List, null, "the replicas that followed it and receive nothing from it"),
        new("majority", FactType.Bool, null, "whether these are more than half of the nodes that may be in touch with it"),
    ];

    protected sealed override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node) => Judge(view, cluster, node, NodeOutage.Of(cluster, node));

    /// <summary>The fault of a node, from what its silence means; null where it is none of this class.</summary>
    protected abstract Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeOutage outage);

    protected static Dictionary<string, FactValue> Details(NodeOutage outage) => new()
    {
        ["primary"] = outage.Primary, ["confirmed"] = outage.Confirmed, ["witnesses"] = FactValue.OfList(outage.Witnesses.Select(w => w.Node)), ["majority"] = outage.Majority,
    };

    // a standby's end leaves a cluster that serves
    protected static FaultSeverity Severity(ReplicationView cluster, NodeOutage outage) => outage.Primary || cluster.Writable.Count == 0 ? FaultSeverity.Outage : FaultSeverity.Degraded;

    protected static IEnumerable<Evidence> Witnesses(NodeOutage outage) => outage.Witnesses.Select(w => w.Upstream is { Streaming: true }
        ? w.Evidence(PostgreSqlFacts.ReceiptAge, "it hears nothing from it any more", stable: false)
        : w.Evidence(PostgreSqlFacts.ReceiverStatus, "it receives nothing from it"));
}

/// <summary>The primary is gone, and the others confirm it.</summary>
internal sealed class PrimaryDeadRule : OutageRule
{
    public override FaultClass Class { get; } = new("pg.primary.dead", FaultSeverity.Outage, PostgreSql,
        "the primary gives no answer, most of the other nodes do, and those that followed it receive nothing from it",
        [.. OutageDetails, new("cause", FactType.Text, null, "process-down: its machine refuses connections; host-unreachable: nothing answers"),
            new("lagBytes", FactType.Int, "B", "bytes that the furthest replica is behind what is known of the primary's log; unknown where nothing is")]);

    public override IReadOnlyList<string> Explains => ["node.process-down", "node.host-unreachable"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeOutage outage)
    {
        if (outage is not { Confirmed: true, Kind: OutageKind.ProcessDown or OutageKind.HostUnreachable })
            return null;
        var details = Details(outage);
        details["cause"] = outage.Kind == OutageKind.ProcessDown ? "process-down" : "host-unreachable";
        if (outage.Witnesses.Select(w => w.Facts.Int(ReplicationFacts.ReceiveLagBytes)).Where(l => l is not null).Min() is { } lag)
            details["lagBytes"] = lag;
        var hard = outage is { Kind: OutageKind.ProcessDown, AllGone: true };
        return Make(view, node.Node, hard && !cluster.Inferred ? FaultConfidence.Certain : FaultConfidence.Likely,
            $"the primary '{node.Node}' is gone ({details["cause"]}), and {string.Join(", ", outage.Witnesses.Select(w => w.Node))} {(outage.Witnesses.Count == 1 ? "receives" : "receive")} nothing from it",
            [Answer(node), .. Witnesses(outage)],
            ["net.partial-partition: nobody is in touch with it", "net.watcher-isolated: most of the other nodes answer",
                "node.conn-exhausted, node.auth-rejected, pg.primary.crash-recovery: it gave no error packet", "node.hung: it does not take connections",
                cluster.Inferred ? "a planned stop cannot be ruled out: nobody remembers the primary, only the replicas are set to follow it" : "a standby: it was the primary when it was last seen"],
            // a watch has looked at the silence as often as must agree, and the witnesses' own silence has lasted
            details, confirmations: hard ? Math.Min(2, view.Cluster.Policy.Confirmations) : outage.Kind == OutageKind.HostUnreachable ? 1 : null);
    }
}

/// <summary>A server takes connections and does not speak.</summary>
internal sealed class HungRule : OutageRule
{
    public override FaultClass Class { get; } = new("node.hung", FaultSeverity.Outage, Servers,
        "the node takes connections, and its server gives no answer within the deadline: it may come back to life at any moment", OutageDetails);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeOutage outage)
    {
        if (outage.Kind != OutageKind.Hung)
            return null;
        return Make(view, node.Node, outage.Confirmed ? FaultConfidence.Likely : FaultConfidence.Possible, $"'{node.Node}' takes connections and its server does not answer",
            [Answer(node), .. Witnesses(outage)],
            ["node.host-unreachable: its machine takes connections",
                outage.Primary && outage.Witnesses.Count > 0 ? "an overloaded server: its replicas receive nothing either" : "an overloaded server cannot be ruled out"],
            Details(outage), Severity(cluster, outage));
    }
}

/// <summary>The machine answers, the server is gone.</summary>
internal sealed class ProcessDownRule : OutageRule
{
    public override FaultClass Class { get; } = new("node.process-down", FaultSeverity.Outage, Servers,
        "the node's machine refuses connections: its server does not run", OutageDetails);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeOutage outage)
    {
        if (outage.Kind != OutageKind.ProcessDown)
            return null;
        return Make(view, node.Node, FaultConfidence.Likely, $"the server of '{node.Node}' does not run", [Answer(node), .. Witnesses(outage)],
            ["node.host-unreachable: the connection was refused at once", "pg.primary.crash-recovery: a server that starts answers with an error packet", "a planned stop cannot be told from a crash"],
            Details(outage), Severity(cluster, outage));
    }
}

/// <summary>Nothing answers at a node's address.</summary>
internal sealed class HostUnreachableRule : OutageRule
{
    public override FaultClass Class { get; } = new("node.host-unreachable", FaultSeverity.Outage, Servers,
        "nothing answers at the node's address within the deadline", OutageDetails);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeOutage outage)
    {
        if (outage.Kind != OutageKind.HostUnreachable)
            return null;
        return Make(view, node.Node, cluster.Others(node).Any(cluster.Fresh) ? FaultConfidence.Likely : FaultConfidence.Possible, $"nothing answers at the address of '{node.Node}'",
            [Answer(node), .. Witnesses(outage)],
            ["node.process-down: a machine without the server refuses at once",
                cluster.Others(node).Any(cluster.Fresh) ? "net.watcher-isolated: other nodes answer" : "net.watcher-isolated cannot be ruled out: no other node answers"],
            Details(outage), Severity(cluster, outage));
    }
}

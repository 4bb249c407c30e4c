using System.Globalization;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A rule about a replica that answers, and whose upstream answers: without that nothing is wrong with the replica.</summary>
internal abstract class ReplicaRule : ServerNodeRule
{
    protected sealed override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node) =>
        node is { Reachability: Reachability.Reachable, Role: NodeRole.Replica } ? Judge(view, cluster, node, UpstreamFor(view, cluster, node)) : null;

    /// <summary>The fault of a replica.</summary>
    protected abstract Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream);

    /// <summary>
    /// The node that the replica has to follow, if that answers: the one of the inventory, else the one that it is set to follow, else the primary, so that
    /// a replica of a node that is gone is one that does not receive from the primary.
    /// </summary>
    protected static NodeObservation? UpstreamFor(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var declared = view.Cluster.Nodes.FirstOrDefault(n => n.Name == node.Node)?.Upstream;
        return new[] { declared, cluster.UpstreamOf(node), cluster.Leader?.Node }.OfType<string>().Where(name => name != node.Node)
            .Select(cluster.Find).FirstOrDefault(n => n is { Reachability: Reachability.Reachable } && cluster.Members.Contains(n));
    }

    protected static bool Streams(NodeObservation node) => node.Upstream is { Streaming: true };

    protected static SlotObservation? SlotOf(NodeObservation? upstream, NodeObservation node) =>
        node.Facts.Text(PostgreSqlFacts.ConfiguredSlot) is { Length: > 0 } name ? upstream?.Slots.FirstOrDefault(s => s.Name == name) : null;

    protected static Dictionary<string, FactValue> Details(NodeObservation? upstream, params (string Name, FactValue? Value)[] more)
    {
        var details = new Dictionary<string, FactValue> { ["upstream"] = upstream?.Node ?? "" };
        foreach (var (name, value) in more)
            if (value is { } known)
                details[name] = known;
        return details;
    }

    protected static readonly FactDefinition UpstreamDetail = new("upstream", FactType.Text, null, "the node that it has to follow; empty where that is not known");
}

/// <summary>The log that a replica needs is gone.</summary>
internal sealed class WalGapRule : ReplicaRule
{
    public override FaultClass Class { get; } = new("pg.replica.wal-gap", FaultSeverity.Degraded, PostgreSql,
        "the upstream has removed log that the replica still needs: it cannot catch up by streaming",
        [UpstreamDetail, new("slot", FactType.Text, null, "the replica's slot on the upstream; empty for none")]);

    public override IReadOnlyList<string> Explains => ["pg.replica.receiver-down", "pg.replica.lagging"];

    /// <summary>Whether a replica's slot is lost, or its next byte is older than all that its upstream still has.</summary>
    public static bool IsGapped(NodeObservation node, NodeObservation? upstream)
    {
        if (upstream is null || Streams(node))
            return false;
        if (SlotOf(upstream, node) is { WalStatus: "lost" })
            return true;
        return Lsn(upstream.Facts.Text(PostgreSqlFacts.OldestWal)) is { } oldest && (node.Upstream?.Received ?? node.Position)?.Ordinal is { } received && received < oldest;
    }

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream)
    {
        if (!IsGapped(node, upstream))
            return null;
        var slot = SlotOf(upstream, node);
        return Make(view, node.Node, FaultConfidence.Certain, $"'{node.Node}' needs log that '{upstream!.Node}' does not have any more",
            [slot is { WalStatus: "lost" } ? Says(upstream, "slot.walStatus", slot.WalStatus, $"the slot '{slot.Name}' of the replica", "reserved")
                : upstream.Evidence(PostgreSqlFacts.OldestWal, "the oldest log that is still there", (node.Upstream?.Received ?? node.Position)?.Value, stable: false),
                node.Evidence(PostgreSqlFacts.ReceiverStatus, "nothing is received", "streaming")],
            ["a network error: the upstream itself says that the log is gone", "pg.replica.receiver-down: with every setting right it could not stream either"],
            Details(upstream, ("slot", slot?.Name ?? "")), confirmations: Patient(view));
    }

    /// <summary>A position such as <c>16/B374D848</c> as a number; null where it is none.</summary>
    public static long? Lsn(string? text) =>
        text?.Split('/') is [var high, var low] && uint.TryParse(high, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var h) && uint.TryParse(low, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var l)
            ? ((long)h << 32) | l
            : null;
}

/// <summary>A replica's history is not its upstream's.</summary>
internal sealed class TimelineDivergedRule : ReplicaRule
{
    public override FaultClass Class { get; } = new("pg.replica.timeline-diverged", FaultSeverity.Degraded, PostgreSql,
        "the replica has log that its upstream's timeline does not contain: it cannot follow without a rewind or a rebuild",
        [UpstreamDetail, new("timeline", FactType.Int, null, "the replica's timeline"), new("upstreamTimeline", FactType.Int, null, "the upstream's"), new("bytes", FactType.Int, "B", "log beyond the fork; unknown where the fork is")]);

    public override IReadOnlyList<string> Explains => ["pg.replica.receiver-down", "pg.replica.lagging"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream)
    {
        if (upstream is null || Streams(node) || node.Facts.Int(PostgreSqlFacts.Timeline) is not { } own || upstream.Facts.Int(PostgreSqlFacts.Timeline) is not { } theirs)
            return null;
        var (apart, fork) = Parted(node, own, upstream, theirs);
        var at = (node.Upstream?.Received ?? node.Position)?.Ordinal;
        long? beyond = fork is { } f && at is { } a ? a - f : null;
        // a replica follows a higher timeline by itself, unless it is beyond the fork; without knowing the fork, a receiver that stays away says it
        if (apart == false || (apart is null && (beyond <= 0 || (beyond is null && !IsSetToFollow(cluster, node, upstream)))))
            return null;
        var known = beyond is not null || apart == true;
        return Make(view, node.Node, known ? FaultConfidence.Certain : FaultConfidence.Possible, $"'{node.Node}' is on timeline {own} and cannot follow '{upstream.Node}' on timeline {theirs}",
            [node.Evidence(PostgreSqlFacts.Timeline, "the replica's timeline", theirs.ToString(CultureInfo.InvariantCulture)), upstream.Evidence(PostgreSqlFacts.Timeline, "its upstream's timeline"),
                upstream.Evidence(PostgreSqlFacts.TimelineForks, "where its upstream's timeline left the earlier ones", (node.Upstream?.Received ?? node.Position)?.Value),
                node.Evidence(PostgreSqlFacts.ReceiverStatus, "nothing is received", "streaming")],
            [!known ? "pg.replica.receiver-down cannot be ruled out: the fork is not known" : beyond is null ? "pg.replica.receiver-down: its upstream's history does not lead over its timeline" : "pg.replica.receiver-down: its log goes beyond the fork"],
            Details(upstream, ("timeline", own), ("upstreamTimeline", theirs), ("bytes", beyond is { } b ? Math.Max(0, b) : null)), confirmations: Patient(view));
    }

    /// <summary>
    /// Whether two histories have parted: certainly, certainly not, or (null) that depends on how far the replica went on its own; and where
    /// the upstream left the replica's timeline, if that is known. Two promotions at one time make two timelines of one number.
    /// </summary>
    private static (bool? Apart, long? Fork) Parted(NodeObservation node, long own, NodeObservation upstream, long theirs)
    {
        var forks = upstream.Facts.List(PostgreSqlFacts.TimelineForks);
        if (own == theirs)
            return (forks is not null && node.Facts.List(PostgreSqlFacts.TimelineForks) is { } mine && !mine.SequenceEqual(forks), null);
        if (own > theirs)
            return (true, null);
        // as 'timeline: position'; a history that does not name the replica's timeline left it before that began
        var named = forks?.Select(line => line.Split(": ")).FirstOrDefault(p => p is [var t, _] && t == own.ToString(CultureInfo.InvariantCulture));
        return forks is not null && named is null ? (true, null) : (null, WalGapRule.Lsn(named?[1]));
    }

    private static bool IsSetToFollow(ReplicationView cluster, NodeObservation node, NodeObservation upstream) =>
        cluster.UpstreamOf(node) == upstream.Node && (node.Facts.Text(PostgreSqlFacts.ConfiguredSlot) is null or "" || SlotOf(upstream, node) is { WalStatus: not "lost" });
}

/// <summary>A replica receives nothing, or from the wrong node.</summary>
internal sealed class ReceiverDownRule : ReplicaRule
{
    public override FaultClass Class { get; } = new("pg.replica.receiver-down", FaultSeverity.Degraded, PostgreSql,
        "the replica receives nothing although its upstream answers, or it receives from the wrong node",
        [UpstreamDetail, new("cause", FactType.Text, null, "no-conninfo, wrong-upstream, slot-missing, slot-taken or unknown"), new("slot", FactType.Text, null, "the slot that it is set to use; empty for none")]);

    public override IReadOnlyList<string> Explains => ["pg.replica.lagging"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream)
    {
        if (upstream is null || Cause(view, cluster, node, upstream) is not { } cause)
            return null;
        return Make(view, node.Node, cause == "unknown" ? FaultConfidence.Likely : FaultConfidence.Certain, $"'{node.Node}' does not receive from '{upstream.Node}' ({cause})",
            [node.Evidence(PostgreSqlFacts.ReceiverStatus, "the state of its receiver", "streaming"), node.Evidence(PostgreSqlFacts.ConfiguredHost, "the host that it is set to follow"),
                node.Evidence(PostgreSqlFacts.ConfiguredSlot, "the slot that it is set to use")],
            ["pg.primary.dead: its upstream answers", "pg.replica.wal-gap: its upstream still has the log, as far as it says", "pg.replica.timeline-diverged: the timelines do not show it"],
            Details(upstream, ("cause", cause), ("slot", node.Facts.Text(PostgreSqlFacts.ConfiguredSlot) ?? "")), confirmations: Patient(view));
    }

    private static string? Cause(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation upstream)
    {
        var set = cluster.UpstreamOf(node);
        if (Streams(node))
        {
            // a cascading replica that follows the primary itself is well served
            var declared = view.Cluster.Nodes.FirstOrDefault(n => n.Name == node.Node)?.Upstream;
            return set is not null && declared is not null && set != declared && set != cluster.Primary ? "wrong-upstream" : null;
        }
        if (node.Facts.Text(PostgreSqlFacts.ConfiguredHost) is "")
            return "no-conninfo";
        if (set is not null && set != upstream.Node)
            return "wrong-upstream";
        if (node.Facts.Text(PostgreSqlFacts.ConfiguredSlot) is { Length: > 0 })
            return SlotOf(upstream, node) switch { null => "slot-missing", { Active: true } => "slot-taken", _ => "unknown" };
        return "unknown";
    }
}

/// <summary>Replay is paused.</summary>
internal sealed class ReplayPausedRule : ReplicaRule
{
    public override FaultClass Class { get; } = new("pg.replica.replay-paused", FaultSeverity.Degraded, PostgreSql,
        "the replica receives its log and does not apply it: replay is paused", [UpstreamDetail, new("lagBytes", FactType.Int, "B", "bytes that it has not applied")]);

    public override IReadOnlyList<string> Explains => ["pg.replica.lagging"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream) =>
        node.Facts.Bool(PostgreSqlFacts.ReplayPaused) != true ? null : Make(view, node.Node, FaultConfidence.Certain, $"replay of '{node.Node}' is paused",
            [node.Evidence(PostgreSqlFacts.ReplayPaused, "paused by somebody, or by a setting that the primary raised", "false")],
            ["pg.replica.lagging: it does not try to apply"], Details(upstream, ("lagBytes", node.Facts.Value(ReplicationFacts.LagBytes))), confirmations: Patient(view));
}

/// <summary>A replica is behind.</summary>
internal sealed class LaggingRule : ReplicaRule
{
    private const long MiB = 1024 * 1024;
    private const long LeastBytes = 16 * MiB;
    private const double LeastSeconds = 30;

    public override FaultClass Class { get; } = new("pg.replica.lagging", FaultSeverity.Degraded, PostgreSql,
        "the replica has not applied more than the policy allows, or than is ordinary",
        [UpstreamDetail, new("lagBytes", FactType.Int, "B", "bytes that it has not applied"), new("lagSeconds", FactType.Number, "s", "the same as time; unknown where nobody tells")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node, NodeObservation? upstream)
    {
        var (bytes, seconds) = (node.Facts.Int(ReplicationFacts.LagBytes), node.Facts.Number(ReplicationFacts.LagTime));
        // time alone says nothing: after a quiet night one new transaction is hours behind the last one
        if (upstream is null || !(bytes > Thresholds.MostLag(view.Cluster) || (bytes > LeastBytes && seconds > LeastSeconds)))
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, FormattableString.Invariant($"'{node.Node}' is {bytes / MiB} MiB behind"),
            [node.Evidence(ReplicationFacts.LagBytes, "bytes that it has not applied", $"at most {Thresholds.MostLag(view.Cluster)}", stable: false), node.Evidence(ReplicationFacts.LagTime, "the same as time", stable: false)],
            ["a quiet primary: bytes are missing", "pg.replica.receiver-down: it receives", "pg.replica.replay-paused: replay is not paused"],
            Details(upstream, ("lagBytes", bytes!.Value), ("lagSeconds", seconds is { } s ? s : null)), confirmations: Patient(view));
    }
}

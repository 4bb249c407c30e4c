using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>What is stored is not what was written.</summary>
internal sealed class CorruptionRule : ServerNodeRule
{
    /// <summary>The id of the fault.</summary>
    public const string Id = "pg.corruption";

    public override FaultClass Class { get; } = new(Id, FaultSeverity.DataAtRisk, PostgreSql,
        "pages or indexes of the database are damaged",
        [new("objects", FactType.List, null, "what is damaged, as 'database: schema.table: message'; empty where only a checksum tells"),
            new("checksumFailures", FactType.Int, null, "pages that failed their checksum since the statistics were reset"), new("primary", FactType.Bool, null, "whether it is the primary"),
            new("indexesOnly", FactType.Bool, null, "whether all that is damaged is indexes"),
            new("awaited", FactType.Bool, null, "whether transactions wait for it: without it fewer replicas are left than the primary waits for")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var objects = node.Facts.List(PostgreSqlFacts.CorruptObjects) ?? [];
        var failures = node.Facts.Int(PostgreSqlFacts.ChecksumFailures) ?? 0;
        var error = PageDamage.Error(node);
        if (!PageDamage.IsSeen(node))
            return null;
        var details = new Dictionary<string, FactValue>
        {
            ["objects"] = FactValue.OfList(objects), ["checksumFailures"] = failures, ["primary"] = cluster.Primary == node.Node,
            ["indexesOnly"] = objects.Count > 0 && failures == 0 && error?.Code != "XX001" && objects.All(o => o.Contains(" index ", StringComparison.OrdinalIgnoreCase) || o.Contains("index \"", StringComparison.OrdinalIgnoreCase)),
        };
        if (IsAwaited(view, cluster, node) is { } awaited)
            details["awaited"] = awaited;
        return Make(view, node.Node, objects.Count > 0 || error is not null ? FaultConfidence.Certain : FaultConfidence.Likely,
            objects.Count > 0 ? $"'{node.Node}' has damaged data: {string.Join("; ", objects.Take(3))}" : $"'{node.Node}' has read damaged pages",
            [.. objects.Count > 0 ? [node.Evidence(PostgreSqlFacts.CorruptObjects, "what a check found", "none")] : Array.Empty<Evidence>(),
                .. failures > 0 ? [node.Evidence(PostgreSqlFacts.ChecksumFailures, "pages that failed their checksum", "0", stable: false)] : Array.Empty<Evidence>(),
                .. error is null ? [] : new[] { Says(node, "error", error.Code, error.Message) }],
            ["disk.stalled-or-eio: the page could be read", objects.Count == 0 && error is null ? "damage that was mended since: the count stays until the statistics are reset" : "an earlier damage: it was seen now"],
            details, IsCopy(cluster, node) ? FaultSeverity.Degraded : null, confirmations: 1);
    }

    // what a sound primary has is not at risk; else the copy may be the best that there is
    private static bool IsCopy(ReplicationView cluster, NodeObservation node) =>
        node.Role == NodeRole.Replica && cluster.Leader is { } leader && PageDamage.IsKnown(leader) == false;

    private static bool? IsAwaited(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (cluster.Leader is not { } leader || view.LastPrimary is not { } last || last.Node != leader.Node)
            return null;
        var synchronous = leader.Downstreams.Where(d => d is { State: "streaming", SyncState: "sync" or "quorum" or "potential" }).Select(d => d.Name).ToList();
        return synchronous.Contains(node.Node) && synchronous.Count <= last.SynchronousRequired;
    }
}

/// <summary>The disk does not read or write.</summary>
internal sealed class DiskErrorRule : ServerNodeRule
{
    private static readonly TimeSpan s_stalled = TimeSpan.FromSeconds(10);

    public override FaultClass Class { get; } = new("disk.stalled-or-eio", FaultSeverity.Outage, Servers,
        "the operating system fails to read or write the database's files, or does not come to an end of it",
        [new("primary", FactType.Bool, null, "whether it is the primary"), new("stalled", FactType.Bool, null, "whether writing goes on and does not end, rather than fail")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var error = Error(node, "58030");
        if (error is null && !IsStalled(view, node))
            return null;
        var details = new Dictionary<string, FactValue> { ["primary"] = cluster.Primary == node.Node, ["stalled"] = error is null };
        return error is not null
            ? Make(view, node.Node, FaultConfidence.Certain, $"'{node.Node}' cannot read or write its files: {error.Message}", [Says(node, "error", error.Code, error.Message)],
                ["pg.corruption: nothing was read", "disk.full: that has an error of its own"], details)
            : Make(view, node.Node, FaultConfidence.Likely, $"statements on '{node.Node}' wait for the disk of its log, and the log does not grow",
                [node.Evidence(PostgreSqlFacts.LogWaitLongest, "the longest time of such a statement", FormattableString.Invariant($"at most {s_stalled.TotalSeconds} s"), stable: false),
                    Says(node, "log", node.Position?.Value ?? "", "the end of its log, which does not move", stable: false)],
                ["a busy disk: the log would grow", "node.hung: a read is answered", "pg.sync-blocked: the wait is for the node's own disk"], details, confirmations: Patient(view));
    }

    // Nothing is written to try it: a write of ours would hang like the others. Who waits for the log to be on disk, while that does not move, says as much.
    private static bool IsStalled(ClusterView view, NodeObservation node) => node.Role == NodeRole.Primary && node.Facts.Number(PostgreSqlFacts.LogWaitLongest) > s_stalled.TotalSeconds
        && view.LastPrimary is { StandsSince: { } since } last && last.Node == node.Node && last.Position?.Ordinal == node.Position?.Ordinal && node.ObservedAt - since >= s_stalled;
}

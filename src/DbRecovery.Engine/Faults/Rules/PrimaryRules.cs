using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>Commits wait for replicas that are not there.</summary>
internal sealed class SyncBlockedRule : ServerNodeRule
{
    private const double SlowSeconds = 10;

    public override FaultClass Class { get; } = new("pg.sync-blocked", FaultSeverity.Outage, PostgreSql,
        "commits wait for synchronous replicas: too few are connected, or they are too slow",
        [new("cause", FactType.Text, null, "quorum-missing or slow-replica"), new("required", FactType.Int, null, "replicas that a commit waits for"),
            new("present", FactType.Int, null, "of these, those that stream"), new("waiters", FactType.Int, null, "sessions that wait"), new("names", FactType.List, null, "the names of synchronous_standby_names")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (node.Role != NodeRole.Primary || node.Facts.Int(PostgreSqlFacts.SyncRequired) is not > 0)
            return null;
        var (required, present) = (node.Facts.Int(PostgreSqlFacts.SyncRequired)!.Value, node.Facts.Int(PostgreSqlFacts.SyncPresent));
        var (waiters, longest) = (node.Facts.Int(PostgreSqlFacts.SyncWaiters) ?? 0, node.Facts.Number(PostgreSqlFacts.SyncWaitLongest) ?? 0);
        var missing = present < required;
        if (!missing && !(waiters > 0 && longest > SlowSeconds))
            return null;
        var details = new Dictionary<string, FactValue>
        {
            ["cause"] = missing ? "quorum-missing" : "slow-replica", ["required"] = required, ["waiters"] = waiters, ["names"] = FactValue.OfList(SynchronousNames.Of(node)),
        };
        if (present is { } there)
            details["present"] = there;
        // where nobody writes nobody waits yet; the next commit will
        return Make(view, node.Node, FaultConfidence.Certain, missing ? $"commits on '{node.Node}' wait: {present} of {required} synchronous replicas are connected" : $"commits on '{node.Node}' wait {longest:F0} s for a synchronous replica",
            [node.Evidence(PostgreSqlFacts.SyncPresent, "synchronous replicas that stream", $"at least {required}"), node.Evidence(PostgreSqlFacts.SyncNames, "synchronous_standby_names"),
                node.Evidence(PostgreSqlFacts.SyncWaiters, "sessions that wait for a replica", "0", stable: false)],
            ["pg.primary.dead: it answers, and reads work", "perf.lock-pileup: the wait is for a replica, not for a lock"],
            details, waiters > 0 ? FaultSeverity.Outage : FaultSeverity.Degraded, Patient(view));
    }
}

/// <summary>Transaction numbers run out.</summary>
internal sealed class WraparoundRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.wraparound", FaultSeverity.Outage, PostgreSql,
        "old transactions are not frozen, and the server will refuse writes, or does",
        [new("age", FactType.Int, "transactions", "the greatest age"), new("database", FactType.Text, null, "the database"), new("holder", FactType.Text, null, "what holds old rows back; empty for nothing")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var age = node.Facts.Int(PostgreSqlFacts.XidAge);
        var refused = Error(node, "54000");
        if (node.Role == NodeRole.Replica || (!(age > Thresholds.MostXidAge) && refused is null))
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, $"transactions of '{node.Facts.Text(PostgreSqlFacts.XidAgeDatabase)}' on '{node.Node}' are {age} old and not frozen",
            [node.Evidence(PostgreSqlFacts.XidAge, "the greatest age", $"at most {Thresholds.MostXidAge}", stable: false), node.Evidence(PostgreSqlFacts.XminHolder, "what holds old rows back", stable: false),
                .. refused is null ? [] : new[] { Says(node, "error", refused.Code, refused.Message) }],
            ["topology.no-writable-primary: the age was measured"],
            new Dictionary<string, FactValue>
            {
                ["age"] = age ?? 0, ["database"] = node.Facts.Text(PostgreSqlFacts.XidAgeDatabase) ?? "", ["holder"] = node.Facts.Text(PostgreSqlFacts.XminHolder) ?? "",
            }, confirmations: 1);
    }
}

/// <summary>A slot has lost its log.</summary>
internal sealed class SlotLostRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.slot.lost", FaultSeverity.Degraded, PostgreSql,
        "the log that a replication slot had to keep is gone", [new("slots", FactType.List, null, "the slots"), new("logical", FactType.Bool, null, "whether one of them is logical")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        // a replica that lacks its log has a fault of its own, which makes its slot anew
        var told = cluster.Members.Where(n => n.Role == NodeRole.Replica && WalGapRule.IsGapped(n, node)).Select(n => n.Facts.Text(PostgreSqlFacts.ConfiguredSlot)).ToHashSet();
        var lost = node.Slots.Where(s => s.WalStatus == "lost" && !told.Contains(s.Name)).ToList();
        if (lost.Count == 0)
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, $"the log of {Counted.Of(lost.Count, "slot")} on '{node.Node}' is gone: {string.Join(", ", lost.Select(s => s.Name))}",
            [.. lost.Select(s => Says(node, "slot.walStatus", "lost", $"the slot '{s.Name}'", "reserved"))],
            ["pg.replica.receiver-down: the slot is there, and of no use"],
            new Dictionary<string, FactValue> { ["slots"] = FactValue.OfList(lost.Select(s => s.Name)), ["logical"] = lost.Exists(s => s.Type == "logical") }, confirmations: Patient(view));
    }
}

/// <summary>A slot without a consumer keeps ever more log.</summary>
internal sealed class SlotBloatRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.slot.bloat", FaultSeverity.Degraded, PostgreSql,
        "a replication slot that nobody reads keeps so much log that the disk may fill, or the slot be lost",
        [new("slots", FactType.List, null, "the slots"), new("heldBytes", FactType.Int, "B", "the most that one of them holds back")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var bloated = node.Slots.Where(Thresholds.IsBloated).ToList();
        if (bloated.Count == 0)
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, $"{Counted.Of(bloated.Count, "slot")} on '{node.Node}' that nobody reads keeps log: {string.Join(", ", bloated.Select(s => s.Name))}",
            [.. bloated.Select(s => Says(node, "slot.heldBytes", s.HeldBytes is { } held ? held : null, $"the slot '{s.Name}' ({s.WalStatus})", $"at most {Thresholds.MostHeldBySlot}", stable: false))],
            ["pg.archive-failing: the log is held by the slot", "pg.slot.lost: the log is still there"],
            new Dictionary<string, FactValue> { ["slots"] = FactValue.OfList(bloated.Select(s => s.Name)), ["heldBytes"] = bloated.Max(s => s.HeldBytes ?? 0) }, confirmations: Patient(view));
    }
}

/// <summary>Log cannot be archived.</summary>
internal sealed class ArchiveFailingRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.archive-failing", FaultSeverity.Degraded, PostgreSql,
        "the server cannot archive its log: it keeps all of it until it can",
        [new("failed", FactType.Int, null, "failed attempts"), new("file", FactType.Text, null, "the file that could not be archived")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node) =>
        node.Facts.Bool(PostgreSqlFacts.ArchiveFailing) != true ? null : Make(view, node.Node, FaultConfidence.Certain, $"'{node.Node}' cannot archive its log",
            [node.Evidence(PostgreSqlFacts.ArchiveFailing, "the last attempt failed", "false"), node.Evidence(PostgreSqlFacts.ArchiveFailedCount, "failed attempts", stable: false), node.Evidence(PostgreSqlFacts.ArchiveLastFailed, "the file", stable: false)],
            ["pg.slot.bloat: the archiver itself says that it failed"],
            new Dictionary<string, FactValue> { ["failed"] = node.Facts.Int(PostgreSqlFacts.ArchiveFailedCount) ?? 0, ["file"] = node.Facts.Text(PostgreSqlFacts.ArchiveLastFailed) ?? "" }, confirmations: Patient(view));
}

/// <summary>A prepared transaction that nobody ends.</summary>
internal sealed class PreparedOrphanRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.prepared-orphan", FaultSeverity.Degraded, PostgreSql,
        "a prepared transaction holds its locks and nobody ends it; it outlives restarts and promotions",
        [new("count", FactType.Int, null, "prepared transactions"), new("oldest", FactType.Number, "s", "the age of the oldest")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (node.Role == NodeRole.Replica || node.Facts.Number(PostgreSqlFacts.PreparedOldest) is not { } oldest || node.Facts.Int(PostgreSqlFacts.PreparedCount) is 0)
            return null;
        if (oldest <= Thresholds.MostPrepared.TotalSeconds)
            return null;
        var count = node.Facts.Int(PostgreSqlFacts.PreparedCount) ?? 1;
        return Make(view, node.Node, FaultConfidence.Likely, FormattableString.Invariant($"a transaction on '{node.Node}' is prepared and not ended since {TimeSpan.FromSeconds(oldest):d\\.hh\\:mm\\:ss}"),
            [node.Evidence(PostgreSqlFacts.PreparedOldest, "the age of the oldest", $"at most {Thresholds.MostPrepared}", stable: false), node.Evidence(PostgreSqlFacts.PreparedCount, "prepared transactions")],
            ["perf.lock-pileup: no session holds it, so none can be ended", "a transaction manager at work: it ends a transaction within seconds"],
            new Dictionary<string, FactValue> { ["count"] = count, ["oldest"] = oldest }, confirmations: 1);
    }
}

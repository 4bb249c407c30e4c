using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>Sessions queue up behind a lock.</summary>
internal sealed class LockPileupRule : ServerNodeRule
{
    private const int Many = 5;
    private const double ManySeconds = 5, LongSeconds = 60;

    public override FaultClass Class { get; } = new("perf.lock-pileup", FaultSeverity.Degraded, Servers,
        "sessions wait for a lock: many of them, or one for long",
        [new("blocked", FactType.Int, null, "sessions that wait"), new("longest", FactType.Number, "s", "the longest wait"), new("roots", FactType.List, null, "the sessions that the others wait for")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var (blocked, longest) = (node.Facts.Int(PostgreSqlFacts.Blocked) ?? 0, node.Facts.Number(PostgreSqlFacts.BlockedLongest) ?? 0);
        if (!(blocked >= Many && longest > ManySeconds) && !(blocked > 0 && longest > LongSeconds))
            return null;
        var roots = node.Facts.List(PostgreSqlFacts.RootBlockers) ?? [];
        return Make(view, node.Node, FaultConfidence.Certain, $"{Counted.Of((int)Math.Min(blocked, int.MaxValue), "session")} on '{node.Node}' wait for locks{(roots.Count > 0 ? $" behind {string.Join("; ", roots.Take(3))}" : "")}",
            [node.Evidence(PostgreSqlFacts.Blocked, "sessions that wait", $"under {Many}, or none for over {LongSeconds} s", stable: false), node.Evidence(PostgreSqlFacts.BlockedLongest, "the longest wait", stable: false),
                node.Evidence(PostgreSqlFacts.RootBlockers, "whom they wait for", stable: false)],
            ["node.hung: others are served", "pg.sync-blocked: the wait is for a lock, not for a replica"],
            new Dictionary<string, FactValue> { ["blocked"] = blocked, ["longest"] = longest, ["roots"] = FactValue.OfList(roots) });
    }
}

/// <summary>A transaction is open for too long.</summary>
internal sealed class LongTransactionRule : ServerNodeRule
{
    private static readonly TimeSpan s_open = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_idle = TimeSpan.FromMinutes(10);

    public override FaultClass Class { get; } = new("perf.long-transaction", FaultSeverity.Notice, Servers,
        "a transaction has been open for over an hour, or does nothing for over ten minutes: rows cannot be cleaned up behind it",
        [new("age", FactType.Number, "s", "the age of the oldest transaction"), new("idle", FactType.Number, "s", "the longest time that one does nothing")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var (age, idle) = (node.Facts.Number(PostgreSqlFacts.LongestTransaction) ?? 0, node.Facts.Number(PostgreSqlFacts.IdleInTransaction) ?? 0);
        if (age <= s_open.TotalSeconds && idle <= s_idle.TotalSeconds)
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, FormattableString.Invariant($"a transaction on '{node.Node}' is open since {TimeSpan.FromSeconds(Math.Max(age, idle)):d\\.hh\\:mm\\:ss}"),
            [node.Evidence(PostgreSqlFacts.LongestTransaction, "the age of the oldest", $"at most {s_open}", stable: false), node.Evidence(PostgreSqlFacts.IdleInTransaction, "the longest that does nothing", $"at most {s_idle}", stable: false)],
            ["perf.lock-pileup: that is told where somebody waits", "pg.prepared-orphan: a session holds it"],
            new Dictionary<string, FactValue> { ["age"] = age, ["idle"] = idle }, confirmations: 1);
    }
}

using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A writer died in the middle, and nobody has played its journal back.</summary>
internal sealed class SqliteRecoveryNeededRule : NodeRule
{
    public override FaultClass Class { get; } = new("sqlite.recovery-needed", FaultSeverity.Degraded, ["sqlite"],
        "a journal or WAL that a dead writer left must be played back",
        [new("file", FactType.Text, null, "the journal or WAL")]);

    public override IReadOnlyList<string> Explains => ["data.missing-object", "data.constraint-broken", "perf.latency"];

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var facts = node.Facts;
        if (facts.Bool(SqliteFacts.RecoveryNeeded) != true || SqliteFileState.Of(view, node) is not { Damage: null, Cause: null })
            return null;
        // the fact was gathered in steps: a process that came meanwhile is recovering it, or writing
        if (facts.List(SqliteFacts.OpenBy) is { Count: > 0 } || facts.Text(SqliteFacts.Lock) is not (null or "none"))
            return null;
        return Make(view, node.Node, facts.List(SqliteFacts.OpenBy) is null ? FaultConfidence.Likely : FaultConfidence.Certain,
            "a transaction was cut off; its journal waits to be played back",
            [node.Evidence(SqliteFacts.RecoveryNeeded, "nobody is recovering it", "false"), node.Evidence(SqliteFacts.RecoveryFile, "what must be played back")],
            ["a live writer: no process has the database open", "sqlite.corrupt: what looks broken in between is judged after the journal was played back"],
            new Dictionary<string, FactValue> { ["file"] = facts.Text(SqliteFacts.RecoveryFile) ?? "" });
    }
}

/// <summary>A lock that is held for too long.</summary>
internal sealed class SqliteBusyRule : NodeRule
{
    public override FaultClass Class { get; } = new("sqlite.busy", FaultSeverity.Degraded, ["sqlite"],
        "a lock could not be had within the busy timeout",
        [new("holder", FactType.Text, null, "who holds it, as 'pid 123 (name): lock'; unknown where that cannot be seen")]);

    public override IReadOnlyList<string> Explains => ["perf.latency"];

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var refused = SqliteCodes.Primary(node) is SqliteCodes.Busy or SqliteCodes.Locked;
        if (!refused && node.Facts.Bool(SqliteFacts.WriteBlocked) != true)
            return null;
        var holders = node.Facts.List(SqliteFacts.LockHolders) ?? [];
        return Make(view, node.Node, holders.Count > 0 ? FaultConfidence.Certain : FaultConfidence.Likely,
            holders.Count > 0 ? $"the database is locked by {string.Join("; ", holders)}" : "the database is locked by a process that cannot be seen",
            [refused ? node.Evidence(SqliteFacts.OpenError, "SQLite's result code", "0") : node.Evidence(SqliteFacts.WriteBlocked, "no write lock within the busy timeout", "false"),
                node.Evidence(SqliteFacts.Lock, "the strongest lock that others hold", stable: false),
                node.Evidence(SqliteFacts.LockHolders, "who holds locks", stable: false)],
            ["sqlite.corrupt: a lock says nothing about the content", "a short transaction: the busy timeout was waited for"],
            new Dictionary<string, FactValue> { ["holder"] = holders.Count > 0 ? string.Join("; ", holders) : "unknown" });
    }
}

using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>The disk has no room, or too little.</summary>
internal sealed class DiskFullRule : NodeRule
{
    public override FaultClass Class { get; } = new("disk.full", FaultSeverity.Outage, [],
        "the disk of the data is full, or nearly",
        [new("free", FactType.Int, "B", "space that this user may still fill")]);

    /// <summary>Whether a write failed for want of space, or nothing useful can be written any more.</summary>
    public static bool NothingLeft(NodeObservation node) =>
        Refused(node) || node.Facts.Int(CommonFacts.DiskFree) is < Thresholds.NoSpaceLeft;

    // SQLite's SQLITE_FULL; PostgreSQL's disk_full
    private static bool Refused(NodeObservation node) => SqliteCodes.Primary(node) == SqliteCodes.Full || node.Errors.Any(e => e.Code == "53100");

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var least = Thresholds.LeastFree(view.Cluster, node);
        var free = node.Facts.Int(CommonFacts.DiskFree);
        var full = NothingLeft(node);
        if (!full && !(free < least))
            return null;
        var refused = Refused(node);
        var quota = refused && free >= least;
        return Make(view, node.Node, quota ? FaultConfidence.Likely : FaultConfidence.Certain,
            quota ? "the database may not grow: a quota is reached, or another disk of it is full" : full ? "the disk of the data is full" : "the disk of the data is nearly full",
            [node.Evidence(CommonFacts.DiskFree, "free space", $"at least {least} B", stable: false),
                .. SqliteCodes.Primary(node) == SqliteCodes.Full ? [node.Evidence(SqliteFacts.OpenError, "SQLite's result code", "0")] : Array.Empty<Evidence>(),
                .. node.Errors.Where(e => e.Code == "53100").Take(1).Select(e => new Evidence { Fact = "error", Value = e.Code, Node = node.Node, At = node.ObservedAt, Shows = e.Message })],
            ["a hung or damaged database: the shortage of space was measured"],
            free is { } known ? new Dictionary<string, FactValue> { ["free"] = known } : null,
            // what still works, with little room left, is no outage yet
            full ? FaultSeverity.Outage : FaultSeverity.Degraded);
    }
}

/// <summary>Declared data is not there.</summary>
internal sealed class MissingObjectRule : NodeRule
{
    public override FaultClass Class { get; } = new("data.missing-object", FaultSeverity.DataAtRisk, [],
        "a declared table is gone, or has fewer rows than declared",
        [new("objects", FactType.List, null, "the tables")]);

    public override IReadOnlyList<string> Explains => ["data.constraint-broken"];

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var gone = node.Facts.List(CommonFacts.MissingTables) ?? [];
        var few = node.Facts.List(CommonFacts.ShortTables) ?? [];
        if (gone.Count + few.Count == 0)
            return null;
        var sqlite = view.Cluster.Engine == "sqlite";
        var writing = !sqlite || node.Facts.Text(SqliteFacts.Lock) is "reserved" or "pending" or "exclusive" or "wal-writer";
        string[] objects = [.. gone, .. few.Select(TableOf)];
        return Make(view, node.Node, writing ? FaultConfidence.Possible : FaultConfidence.Likely,
            gone.Count > 0 ? $"declared tables are gone: {string.Join(", ", objects)}" : $"declared tables have too few rows: {string.Join(", ", few)}",
            [.. gone.Count > 0 ? [node.Evidence(CommonFacts.MissingTables, "declared, and not in the schema", "none")] : Array.Empty<Evidence>(),
                .. few.Count > 0 ? [node.Evidence(CommonFacts.ShortTables, "fewer rows than declared", "none")] : Array.Empty<Evidence>()],
            [writing ? $"a change of the schema under way cannot be ruled out{(sqlite ? ": a writer holds a lock" : "")}" : "a change of the schema under way: nobody holds a write lock",
                sqlite ? "sqlite.corrupt: the schema could be read" : "pg.corruption: the schema could be read"],
            new Dictionary<string, FactValue> { ["objects"] = FactValue.OfList(objects) });
    }

    // the counts are at the end, and a table's name may hold ': '
    private static string TableOf(string line) => line.LastIndexOf(": ", StringComparison.Ordinal) is > 0 and var at ? line[..at] : line;
}

/// <summary>Rows break the constraints that the schema declares.</summary>
internal sealed class ConstraintBrokenRule : NodeRule
{
    public override FaultClass Class { get; } = new("data.constraint-broken", FaultSeverity.Degraded, [],
        "rows break foreign keys, NOT NULL or CHECK constraints",
        [new("tables", FactType.List, null, "the tables with such rows")]);

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var rows = node.Facts.Int(SqliteFacts.ForeignKeyViolations) ?? 0;
        var checks = StructureLines.Read(node).BrokenConstraints;
        if (rows == 0 && checks.Count == 0)
            return null;
        var children = (node.Facts.List(SqliteFacts.ForeignKeyTables) ?? [])
            .Select(line => line.Split(" -> ", 2)[0]);
        string[] tables = [.. children.Concat(checks).Distinct(StringComparer.Ordinal)];
        return Make(view, node.Node, FaultConfidence.Certain, $"rows break declared constraints in {string.Join(", ", tables)}",
            [.. rows > 0 ? [node.Evidence(SqliteFacts.ForeignKeyViolations, "rows without a parent", "0", stable: false), node.Evidence(SqliteFacts.ForeignKeyTables, "where", stable: false)] : Array.Empty<Evidence>(),
                .. checks.Count > 0 ? [node.Evidence(SqliteFacts.StructureErrors, "rows that break NOT NULL, a type or a CHECK", "none")] : Array.Empty<Evidence>()],
            ["sqlite.corrupt: the structure of the database is whole; SQLite lets such rows in where foreign_keys is off"],
            new Dictionary<string, FactValue> { ["tables"] = FactValue.OfList(tables) });
    }
}

/// <summary>The light read takes too long.</summary>
internal sealed class LatencyRule : NodeRule
{
    public override FaultClass Class { get; } = new("perf.latency", FaultSeverity.Notice, [],
        "a light read takes longer than declared, or far longer than usual",
        [new("latency", FactType.Number, "s", "the time that it took"), new("baseline", FactType.Number, "s", "the usual time; unknown before the tenth probe")]);

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        if (node.Facts.Number(CommonFacts.ProbeLatency) is not { } latency || Thresholds.SlowestProbe(view, node) is not { } bound || latency <= bound)
            return null;
        var details = new Dictionary<string, FactValue> { ["latency"] = latency };
        if (node.Facts.Number(CommonFacts.ProbeBaseline) is { } baseline)
            details["baseline"] = baseline;
        return Make(view, node.Node, view.Cluster.Expects.MaxLatency is null ? FaultConfidence.Likely : FaultConfidence.Certain,
            FormattableString.Invariant($"a light read took {latency * 1000:F0} ms, over {bound * 1000:F0} ms"),
            [node.Evidence(CommonFacts.ProbeLatency, "the time of the light read", FormattableString.Invariant($"at most {bound:0.###} s"), stable: false)],
            view.Cluster.Engine == "sqlite" ? ["sqlite.busy: no lock was waited for"] :
            [
                "perf.lock-pileup: a light read takes no lock that others hold",
                Thresholds.OthersLate(view, node).Any() ? "a load of this machine or of the network: another node answered sooner" : "a load of this machine or of the network cannot be ruled out: there is no other node to compare with",
            ], details, confirmations: Patient(view));
    }
}

/// <summary>A check of the user's own is not met.</summary>
internal sealed class CustomCheckRule : FaultRule
{
    /// <summary>What every custom fault tells.</summary>
    public static readonly IReadOnlyList<FactDefinition> Details =
        [new("check", FactType.Text, null, "the check's name"), new("value", FactType.Text, null, "the value as text"), new("threshold", FactType.Text, null, "the bound as text")];

    public override FaultClass Class { get; } = new("custom.*", FaultSeverity.Degraded, [], "a check of the inventory is not met", Details);

    public override IEnumerable<Fault> Judge(ClusterView view) => view.CustomChecks.Where(r => r.Holds == false).Select(r =>
        Make(view, r.Node, FaultConfidence.Certain, $"the check '{r.Check.Name}' gave {r.Value}, not {r.Threshold}",
            [new Evidence
            {
                Fact = $"check.{r.Check.Name}", Value = r.Value, Threshold = r.Threshold, Node = r.Node, At = view.At,
                Shows = "the value of the check's query", Stable = false,
            }],
            ["a failing query: it gave a value"],
            new Dictionary<string, FactValue> { ["check"] = r.Check.Name, ["value"] = r.Value?.ToString() ?? "", ["threshold"] = r.Threshold },
            r.Check.Severity) with { Id = r.Check.Fault });
}

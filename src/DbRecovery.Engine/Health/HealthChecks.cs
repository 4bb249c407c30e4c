using DbRecovery.Engine.Faults.Rules;

namespace DbRecovery.Engine.Health;

/// <summary>Holds what was seen against what should be, check by check. A check states; whether it adds up to a fault, the rules say.</summary>
internal static partial class HealthChecks
{
    private static readonly HashSet<string> s_always = new(StringComparer.Ordinal) { "file", "open", "header", "tables" };
    private static readonly HashSet<string> s_beyondQuick = new(StringComparer.Ordinal) { "structure", "rows", "foreign-keys" };

    /// <summary>Whether a node cannot be called healthy without a check. Others are unknown in the ordinary: a database in use cannot be compared with its backup.</summary>
    public static bool IsEssential(string check, ObservationLevel level) => s_always.Contains(check) || (level != ObservationLevel.Quick && s_beyondQuick.Contains(check));

    /// <summary>The checks of one node.</summary>
    public static IReadOnlyList<HealthCheck> OfNode(ClusterView view, NodeObservation node)
    {
        var of = new NodeChecks(view.Cluster, node);
        of.Add("reachable", CheckCategory.Availability, node.Reachability == Reachability.Reachable ? CheckVerdict.Pass
            : node.Reachability == Reachability.TimedOut ? CheckVerdict.Unknown : CheckVerdict.Fail,
            node.Reachability.ToString(), null, "Reachable", node.Reachability == Reachability.Reachable || node.Errors.Count == 0 ? $"the node answered: {node.Reachability}" : $"{view.Cluster.Node(node.Node).Address}: {node.Errors[0].Told}");
        if (view.Cluster.Engine == "sqlite")
            Sqlite(of, view);
        if (view.Cluster.Engine == "postgresql" && node.Reachability == Reachability.Reachable)
            PostgreSql(of, view);
        of.Fact("tables", CheckCategory.Consistency, CommonFacts.MissingTables, "none missing", v => Verdict(v.AsList().Count == 0));
        of.Fact("rows", CheckCategory.Consistency, CommonFacts.ShortTables, "none short", v => Verdict(v.AsList().Count == 0));
        if (Thresholds.SlowestProbe(view, node) is { } slowest)
            of.Fact("latency", CheckCategory.Performance, CommonFacts.ProbeLatency, FormattableString.Invariant($"at most {slowest:0.###}"),
                v => v.AsNumber() > slowest ? CheckVerdict.Warn : CheckVerdict.Pass);
        else
            of.Fact("latency", CheckCategory.Performance, CommonFacts.ProbeLatency, null, _ => CheckVerdict.Pass);
        var least = Thresholds.LeastFree(view.Cluster, node);
        of.Fact("free-space", CheckCategory.Capacity, CommonFacts.DiskFree, $"at least {least}", v => Verdict(v.AsInt() >= least));
        foreach (var result in view.CustomChecks.Where(r => r.Node == node.Node))
            of.Add(result.Check.Name, CheckCategory.Custom, result.Holds is { } holds ? Verdict(holds) : CheckVerdict.Unknown, result.Value, null, result.Threshold,
                result.UnknownBecause ?? $"the query gave {result.Value?.ToString() ?? "no value"}");
        return of.Checks;
    }

    private static void Sqlite(NodeChecks of, ClusterView view)
    {
        var file = SqliteFileState.Of(view, of.Node);
        of.Add("file", CheckCategory.Availability, of.Node.Facts.Bool(SqliteFacts.FileExists) is null && file is { Cause: null, Damage: null } ? CheckVerdict.Unknown
            : Verdict(file is { Cause: null, Damage: null }), file.Damage ?? file.Cause ?? "ok", null, "ok", file.Summary.Length > 0 ? file.Summary : "the file is where it should be");
        of.Fact("open", CheckCategory.Availability, SqliteFacts.OpenError, "0", v => Verdict(v.AsInt() == 0));
        of.Fact("file-writable", CheckCategory.Availability, SqliteFacts.FileWritable, "true", v => v.AsBool() ? CheckVerdict.Pass : CheckVerdict.Warn);
        of.Fact("write-lock", CheckCategory.Availability, SqliteFacts.WriteBlocked, "false", v => Verdict(!v.AsBool()));
        of.Fact("recovery", CheckCategory.Availability, SqliteFacts.RecoveryNeeded, "false", v => Verdict(!v.AsBool()));
        of.Fact("header", CheckCategory.Integrity, SqliteFacts.Header, "ok", v => Verdict(v.AsText() == "ok" || (v.AsText() == "empty" && file is { Cause: null, Damage: null })));
        of.Fact("length", CheckCategory.Integrity, SqliteFacts.MissingBytes, "0", v => Verdict(v.AsInt() == 0));
        of.Fact("structure", CheckCategory.Integrity, SqliteFacts.StructureErrorCount, "0", v => Verdict(v.AsInt() == 0));
        of.Fact("silent-damage", CheckCategory.Integrity, SqliteFacts.SilentDamage, "0", v => Verdict(v.AsInt() == 0));
        of.Fact("foreign-keys", CheckCategory.Consistency, SqliteFacts.ForeignKeyViolations, "0", v => Verdict(v.AsInt() == 0));
    }

    /// <summary>The checks of the cluster as a whole.</summary>
    public static IReadOnlyList<HealthCheck> OfCluster(ClusterView view) => [.. OfReplication(view), .. OfBackups(view)];

    private static IReadOnlyList<HealthCheck> OfBackups(ClusterView view)
    {
        if (view is not { Cluster.Backups: { } settings, Backups: { } known })
            return [];
        HealthCheck Check(string name, CheckVerdict verdict, FactValue? value, string? unit, string threshold, string evidence) => new()
        {
            Cluster = view.Cluster.Name, Name = name, Category = CheckCategory.Backup, Verdict = verdict, Value = value, Unit = unit, Threshold = threshold, Evidence = evidence,
        };
        if (known.Unreadable is { } why)
            return [Check("repository", known.Late ? CheckVerdict.Unknown : CheckVerdict.Fail, null, null, "readable", why)];
        if (known.MissingPath is { } path)
            return [Check("repository", CheckVerdict.Fail, null, null, "present", $"the folder '{path}' does not exist: its disk is not mounted, or no backup was ever taken")];
        TimeSpan? age = known.Newest is { } newest ? view.At - newest.FinishedAt : null;
        TimeSpan? proof = known.LastProofAt is { } at ? view.At - at : null;
        return
        [
            Check("repository", known.Damaged == 0 ? CheckVerdict.Pass : CheckVerdict.Warn, (long)known.Damaged, null, "0 damaged", $"{Counted.Of(known.Complete.Count, "complete backup")}, {Counted.Of(known.Damaged, "manifest")} that cannot be read"),
            Check("backup-age", Verdict(age <= settings.MaxAge), age, "s", $"at most {settings.MaxAge}", known.Newest is null ? "there is no complete backup" : $"the newest is {known.Newest.Id}"),
            Check("backup-proof", Verdict(proof <= settings.MaxProofAge && known.Newest?.Proof is not { Passed: false }), proof, "s", $"at most {settings.MaxProofAge}",
                known.NewestProved is null ? "no backup was proved by a restore" : $"the newest proved one is {known.NewestProved.Id}"),
        ];
    }

    private static CheckVerdict Verdict(bool holds) => holds ? CheckVerdict.Pass : CheckVerdict.Fail;

    private sealed class NodeChecks(ClusterDefinition cluster, NodeObservation node)
    {
        private readonly List<HealthCheck> _checks = [];

        public NodeObservation Node => node;
        public IReadOnlyList<HealthCheck> Checks => _checks;

        /// <summary>A check of one fact. What nobody looked at gives no check; what could not be had gives an unknown one.</summary>
        public void Fact(string name, CheckCategory category, FactDefinition fact, string? threshold, Func<FactValue, CheckVerdict> judge)
        {
            if (node.Facts.Find(fact.Name) is not { } seen)
                return;
            Add(name, category, seen.Value is { } value ? judge(value) : CheckVerdict.Unknown, seen.Value, fact.Unit, threshold, Evidence(fact, seen));
        }

        // what was seen, then what the fact means: the meaning alone would read as if it were so
        private static string Evidence(FactDefinition fact, Fact seen) => seen.Value is { } value
            ? $"{fact.Name} is {(value.Type == FactType.List && value.AsList().Count == 0 ? "empty" : value)}{(fact.Unit is null ? "" : " " + fact.Unit)}: {fact.Description}"
            : seen.UnknownBecause ?? $"{fact.Name} is unknown: {fact.Description}";

        public void Add(string name, CheckCategory category, CheckVerdict verdict, FactValue? value, string? unit, string? threshold, string evidence) => _checks.Add(new HealthCheck
        {
            Cluster = cluster.Name, Node = node.Node, Name = name, Category = category, Verdict = verdict, Value = value, Unit = unit, Threshold = threshold, Evidence = evidence,
        });
    }
}

using System.Text.RegularExpressions;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>What is stored is not what was written.</summary>
internal sealed class SqliteCorruptRule : NodeRule
{
    private const int MostLines = 100;
    private const int MostNames = 5;

    public override FaultClass Class { get; } = new("sqlite.corrupt", FaultSeverity.DataAtRisk, ["sqlite"],
        "the database file is damaged, or gone",
        [
            new("damage", FactType.Text, null, "missing, empty, truncated, header, data, index (only indexes: they can be rebuilt), silent (pages changed though nothing was written)"),
            new("objects", FactType.List, null, "the tables and indexes that are known to be damaged"),
            new("provedBackups", FactType.Int, null, "complete backups whose last test passed, 0 where no backups are configured; unknown where they could not be looked at"),
        ]);

    public override IReadOnlyList<string> Explains => ["sqlite.recovery-needed", "data.missing-object", "data.constraint-broken", "perf.latency"];

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var file = SqliteFileState.Of(view, node);
        if (file.Cause is not null)
            return null;
        if (file.Damage is { } damage)
            return Make(view, node.Node, file.Confidence, file.Summary, file.Evidence, file.RuledOut, Details(node, damage, []));
        // a database half way through a transaction looks broken until its journal is played back
        if (node.Facts.Bool(SqliteFacts.RecoveryNeeded) == true)
            return null;
        return Truncated(view, node) ?? Structure(view, node) ?? Refused(view, node) ?? Silent(view, node);
    }

    private Fault? Truncated(ClusterView view, NodeObservation node)
    {
        // a commit under way writes page 1 before the last pages: the next look settles it
        if (node.Facts.Int(SqliteFacts.MissingBytes) is not > 0 || node.Facts.Text(SqliteFacts.Lock) is "exclusive" or "pending")
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, "the database file was cut short",
            [node.Evidence(SqliteFacts.MissingBytes, "bytes that the header declares are not there", "0"), .. Shown(node)],
            ["sqlite.recovery-needed: no journal or WAL holds the missing pages", "a commit under way: no writer holds the exclusive lock"],
            Details(node, "truncated", []));
    }

    private Fault? Structure(ClusterView view, NodeObservation node)
    {
        var lines = StructureLines.Read(node);
        if (lines.Damage.Count == 0)
            return null;
        var silent = SilentTables(node);
        var damaged = Damaged(node);
        var complete = lines.Total < MostLines;
        var unsettled = lines.IndexOnly && complete && lines.Uncounted.Count > 0 && !TablesProvedWhole(node);
        var indexOnly = lines.IndexOnly && !unsettled && silent.Count == 0 && SqliteCodes.Primary(node) != SqliteCodes.NotADatabase;
        return Make(view, node.Node, unsettled || (indexOnly && !complete) ? FaultConfidence.Likely : FaultConfidence.Certain,
            unsettled ? $"rows and entries of {string.Join(", ", lines.Uncounted)} differ while their number is right: a value changed, in the table or in the index"
                : indexOnly ? "indexes disagree with their tables"
                : lines.IndexTreesOnly || (damaged.Length > 0 && damaged.All(d => d.Type == "index")) ? $"pages of indexes are damaged, which rebuilding an index cannot mend; no line is about a table{(damaged.Length == 0 ? "" : $": {Named(damaged)}")}"
                : damaged.Length == 0 ? "the structure of the database is damaged" : $"the structure of the database is damaged: {Named(damaged)}",
            [node.Evidence(SqliteFacts.StructureErrors, "what the structure check found", "none"),
                .. damaged.Length > 0 ? [node.Evidence(SqliteFacts.DamagedObjects, "what the damaged pages belong to", "none")] : Array.Empty<Evidence>(),
                .. silent.Count > 0 ? [node.Evidence(SqliteFacts.SilentDamageWhere, "pages of tables differ from the last backup")] : Array.Empty<Evidence>()],
            [
                unsettled ? "index damage alone: lost entries would make the number differ, and rebuilding the index would take a wrong value of the table for right"
                    : indexOnly ? "damaged data: every line of the check is about an index"
                    : "index damage alone: a line of the check is about more than an index's entries",
                "sqlite.recovery-needed: no journal waits to be played back",
            ],
            Details(node, indexOnly ? "index" : "data", [.. lines.Objects.Concat(damaged.Select(d => d.Name)).Distinct(StringComparer.Ordinal)]));
    }

    private static bool TablesProvedWhole(NodeObservation node) =>
        node.Facts.Bool(SqliteFacts.UnwrittenSinceBackup) == true && node.Facts.List(SqliteFacts.SilentDamageWhere) is not null && SilentTables(node).Count == 0;

    private Fault? Refused(ClusterView view, NodeObservation node)
    {
        if (SqliteCodes.Primary(node) is not (SqliteCodes.Corrupt or SqliteCodes.NotADatabase))
            return null;
        var index = SqliteCodes.Extended(node) == SqliteCodes.CorruptIndex;
        return Make(view, node.Node, index ? FaultConfidence.Likely : FaultConfidence.Certain,
            index ? "SQLite found an index that disagrees with its table" : "SQLite refuses the database as damaged", Shown(node),
            ["sqlite.busy: a lock gives another result code", "sqlite.env: the file could be opened and read"],
            Details(node, index ? "index" : SqliteCodes.Primary(node) == SqliteCodes.NotADatabase ? "header" : "data", []));
    }

    private Fault? Silent(ClusterView view, NodeObservation node)
    {
        if (node.Facts.Int(SqliteFacts.SilentDamage) is not > 0 || node.Facts.Bool(SqliteFacts.UnwrittenSinceBackup) != true)
            return null;
        return Make(view, node.Node, FaultConfidence.Certain, "pages changed on disk though SQLite wrote nothing since the last backup",
            [
                node.Evidence(SqliteFacts.SilentDamage, "pages whose hash differs from the last backup's", "0"),
                node.Evidence(SqliteFacts.UnwrittenSinceBackup, "change counter and WAL prove that nothing was written"),
                node.Evidence(SqliteFacts.SilentDamageWhere, "what those pages belong to"),
            ],
            ["an ordinary write: it would have moved the change counter or the WAL"],
            Details(node, "silent", Objects(node.Facts.List(SqliteFacts.SilentDamageWhere) ?? [])));
    }

    private static IReadOnlyList<Evidence> Shown(NodeObservation node) => SqliteCodes.Extended(node) == 0
        ? []
        : [node.Evidence(SqliteFacts.OpenError, "SQLite's result code", "0"), node.Evidence(SqliteFacts.OpenErrorText, "SQLite's message")];

    private static IReadOnlyList<string> SilentTables(NodeObservation node) =>
        node.Facts.Bool(SqliteFacts.UnwrittenSinceBackup) == true
            ? (node.Facts.List(SqliteFacts.SilentDamageWhere) ?? []).Where(w => !w.Contains("(index ", StringComparison.Ordinal)).ToArray()
            : [];

    private static (string Type, string Name)[] Damaged(NodeObservation node) => (node.Facts.List(SqliteFacts.DamagedObjects) ?? [])
        .Select(d => Regex.Match(d, @"^(table|index) (.+?): page \d", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
        .Where(m => m.Success).Select(m => (m.Groups[1].Value, m.Groups[2].Value)).Distinct().ToArray();

    private static string Named((string Type, string Name)[] damaged) =>
        string.Join(", ", damaged.Take(MostNames).Select(d => $"{d.Type} {d.Name}")) + (damaged.Length > MostNames ? $" and {damaged.Length - MostNames} more" : "");

    private static string[] Objects(IEnumerable<string> where) => where
        .Select(w => Regex.Match(w, @"\((?:table|index) (.+)\)$", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
        .Where(m => m.Success).Select(m => m.Groups[1].Value).Distinct(StringComparer.Ordinal).ToArray();

    private static Dictionary<string, FactValue> Details(NodeObservation node, string damage, IReadOnlyList<string> objects)
    {
        var details = new Dictionary<string, FactValue> { ["damage"] = damage, ["objects"] = FactValue.OfList(objects) };
        // which runbook is right depends on it, and only the fault is known when one is chosen
        if ((node.Facts.Bool(CommonFacts.BackupConfigured) == false ? 0 : node.Facts.Int(CommonFacts.BackupProvedCount)) is { } proved)
            details["provedBackups"] = proved;
        return details;
    }
}

/// <summary>
/// The lines of SQLite's structure check, sorted by what they are about. The wording is that of <c>sqlite3BtreeIntegrityCheck</c>
/// and of PRAGMA integrity_check, see https://www.sqlite.org/pragma.html#pragma_integrity_check.
/// </summary>
internal sealed record StructureLines
{
    private const string CountPattern = @"^wrong # of entries in index (?<name>.+)$";
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(1);
    private static readonly string[] EntryPatterns =
    [
        @"^row \d+ missing from index (?<name>.+)$",
        @"^non-unique entry in index (?<name>.+)$",
        @"^rowid not at end-of-record for row \d+ of index (?<name>.+)$",
        @"^row \d+ values differ from index (?<name>.+)$",
    ];
    private static readonly string[] TreePatterns = [@"^Tree \d+ \(index (?<name>.+?)\)(?: page \d+.*)?:"];
    private static readonly string[] ConstraintPatterns =
    [
        @"^CHECK constraint failed in (?<name>.+)$",
        @"^(?:NULL|TEXT|NUMERIC|INT|REAL|BLOB|non-\w+) value in (?<name>.+)\.[^.]+$",
    ];

    /// <summary>The number of lines.</summary>
    public required int Total { get; init; }
    /// <summary>The lines that are about damage.</summary>
    public required IReadOnlyList<string> Damage { get; init; }
    /// <summary>Whether every line of damage is about the entries of an index. REINDEX mends these, and fails on an index whose pages are broken.</summary>
    public required bool IndexOnly { get; init; }
    /// <summary>Whether every line of damage is about an index, its pages included.</summary>
    public required bool IndexTreesOnly { get; init; }
    /// <summary>Of the indexes with wrong entries those whose number of entries is right: their table may be what changed.</summary>
    public required IReadOnlyList<string> Uncounted { get; init; }
    /// <summary>The indexes that are named.</summary>
    public required IReadOnlyList<string> Objects { get; init; }
    /// <summary>The tables whose rows break a constraint.</summary>
    public required IReadOnlyList<string> BrokenConstraints { get; init; }

    /// <summary>Sorts the lines of an observation.</summary>
    public static StructureLines Read(NodeObservation node)
    {
        // the check of the pages gives all of its lines in one value, below a heading
        var lines = (node.Facts.List(SqliteFacts.StructureErrors) ?? []).SelectMany(l => l.Split('\n', StringSplitOptions.TrimEntries))
            .Where(l => l.Length > 0 && !l.StartsWith("*** in database", StringComparison.Ordinal)).ToArray();
        var constraints = lines.Select(l => Name(l, ConstraintPatterns)).ToArray();
        var damage = lines.Where((_, i) => constraints[i] is null).ToArray();
        var wrong = damage.Select(l => Name(l, EntryPatterns)).ToArray();
        var counted = damage.Select(l => Name(l, [CountPattern])).ToArray();
        var trees = damage.Select(l => Name(l, TreePatterns)).ToArray();
        // a page below a broken one is reached by nothing, whatever it belongs to
        var about = damage.Where((l, i) => wrong[i] is null && counted[i] is null && trees[i] is null && !l.EndsWith(" is never used", StringComparison.Ordinal));
        return new StructureLines
        {
            Total = lines.Length,
            Damage = damage,
            IndexOnly = damage.Length > 0 && Enumerable.Range(0, damage.Length).All(i => (wrong[i] ?? counted[i]) is not null),
            IndexTreesOnly = trees.Any(t => t is not null) && !about.Any(),
            Uncounted = Distinct(wrong.Except(counted)),
            Objects = Distinct(damage.Select((_, i) => wrong[i] ?? counted[i] ?? trees[i])),
            BrokenConstraints = Distinct(constraints),
        };
    }

    private static string[] Distinct(IEnumerable<string?> names) => names.OfType<string>().Distinct(StringComparer.Ordinal).ToArray();

    private static string? Name(string line, string[] patterns) => patterns
        .Select(p => Regex.Match(line, p, RegexOptions.CultureInvariant, Bound))
        .FirstOrDefault(m => m.Success)?.Groups["name"].Value;
}

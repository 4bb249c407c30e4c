using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>SQLite's result codes as far as rules need them; see https://www.sqlite.org/rescode.html.</summary>
internal static class SqliteCodes
{
    public const int Error = 1, Perm = 3, Busy = 5, Locked = 6, NoMemory = 7, ReadOnly = 8, Interrupt = 9, IoError = 10, Corrupt = 11, Full = 13,
        CannotOpen = 14, Auth = 23, NotADatabase = 26;
    public const int CorruptIndex = 779, ReadOnlyRecovery = 264, ReadOnlyRollback = 776, ReadOnlyMoved = 1032;

    /// <summary>The result code of the observation without its extension; 0 for none.</summary>
    public static int Primary(NodeObservation node) => (int)(Extended(node) & 0xFF);

    /// <summary>The extended result code; 0 for none.</summary>
    public static long Extended(NodeObservation node) => node.Facts.Int(SqliteFacts.OpenError) ?? 0;
}

/// <summary>
/// What the file itself says, before anything is asked of SQLite. The same look can mean a damaged database or a wrong
/// path: what tells them apart is whether there ever was a database here, and that only backups and memory know.
/// </summary>
internal sealed record SqliteFileState
{
    /// <summary>The damage, if the file as such is damaged.</summary>
    public string? Damage { get; private init; }
    /// <summary>The cause, if the surroundings are at fault.</summary>
    public string? Cause { get; private init; }
    public FaultConfidence Confidence { get; private init; } = FaultConfidence.Certain;
    public string Summary { get; private init; } = "";
    public IReadOnlyList<Evidence> Evidence { get; private init; } = [];
    public IReadOnlyList<string> RuledOut { get; private init; } = [];
    public FaultSeverity Severity { get; private init; } = FaultSeverity.Outage;

    /// <summary>Looks at a node's file; neither damage nor cause where the file is in order.</summary>
    public static SqliteFileState Of(ClusterView view, NodeObservation node)
    {
        var facts = node.Facts;
        if (facts.Bool(SqliteFacts.FolderExists) == false)
            return Env("folder-missing", "the folder of the database does not exist: a file system is not mounted, or the path is wrong",
                node.Evidence(SqliteFacts.FolderExists, "the folder is not there"), FaultConfidence.Certain,
                "sqlite.corrupt (missing): not only the file, its whole folder is gone, so the data may be safe on a file system that is not mounted");
        if (facts.Text(SqliteFacts.FileKind) is { } kind and not ("file" or "none"))
            return Env($"is-{kind}", $"there is a {kind} where the database file should be", node.Evidence(SqliteFacts.FileKind, $"a {kind} is at the path"),
                FaultConfidence.Certain, "sqlite.corrupt: no database was read, so none was found damaged");
        var origin = Origin.Of(view, node);
        return facts.Bool(SqliteFacts.FileExists) == false || facts.Text(SqliteFacts.Header) == "missing"
            ? Missing(node, origin)
            : facts.Bool(SqliteFacts.FileReadable) == false
                ? Env("permission", "this user may not read the database file", node.Evidence(SqliteFacts.FileReadable, "the operating system denies reading"),
                    FaultConfidence.Certain, "sqlite.corrupt: the content was not looked at")
                : OfHeader(view, node, origin);
    }

    private static SqliteFileState Missing(NodeObservation node, Origin origin)
    {
        var gone = node.Evidence(SqliteFacts.FileExists, "no file is at the path");
        return origin.Known
            ? Damaged("missing", "the database file is gone", origin.Sure, [gone, origin.Evidence!],
                "sqlite.env (missing): a database was here before", "sqlite.env (folder-missing): the folder is there")
            : Env("missing", "there is no file at the path, and nothing shows that there ever was one", gone,
                origin.Unsure ? FaultConfidence.Possible : FaultConfidence.Likely,
                "sqlite.corrupt (missing): neither a backup nor an earlier look knows a database here");
    }

    private static SqliteFileState OfHeader(ClusterView view, NodeObservation node, Origin origin)
    {
        var header = node.Facts.Text(SqliteFacts.Header);
        var seen = node.Evidence(SqliteFacts.Header, $"the header is {header}", "ok");
        var size = node.Evidence(SqliteFacts.FileSize, "the size of the file");
        switch (header)
        {
            case "invalid":
                return Damaged("header", "the header has SQLite's mark and impossible fields", FaultConfidence.Certain, [seen],
                    "sqlite.env (not-a-database): the mark of SQLite is there");
            case "empty" when origin.Known && origin.Size is not 0:
                return Damaged("empty", "the database file was cut to zero bytes", origin.Sure, [seen, size, origin.Evidence!],
                    "a new database: one with content was here before");
            case "empty" when view.Cluster.Expects.Tables.Count == 0:
                return Env("empty", "the file has zero bytes: SQLite takes it for a new database without tables", seen, FaultConfidence.Possible,
                    "sqlite.corrupt (empty): neither a backup nor an earlier look knows content here") with { Severity = FaultSeverity.Degraded };
            case "truncated" when origin.Known:
                return Damaged("truncated", "the database file is shorter than its header", origin.Sure, [seen, size, origin.Evidence!],
                    "sqlite.env (not-a-database): a database was here before");
            case "foreign" when origin.Known:
                return Foreign(node, seen, origin);
            case "foreign" or "truncated":
                var encrypted = node.Facts.Bool(SqliteFacts.LooksEncrypted) == true;
                return Env(encrypted ? "encrypted" : "not-a-database",
                    encrypted ? "the whole file looks random, as an encrypted database does" : "the file is not an SQLite database", seen,
                    origin.Unsure ? FaultConfidence.Possible : FaultConfidence.Likely,
                    "sqlite.corrupt (header): neither a backup nor an earlier look knows an SQLite database here");
            default:
                return new SqliteFileState();
        }
    }

    private static SqliteFileState Foreign(NodeObservation node, Evidence seen, Origin origin)
    {
        var encrypted = node.Facts.Bool(SqliteFacts.LooksEncrypted) == true;
        return Damaged("header", encrypted ? "the database was replaced by bytes that look encrypted" : "the header of the database was destroyed",
            encrypted ? FaultConfidence.Possible : FaultConfidence.Likely,
            encrypted ? [seen, node.Evidence(SqliteFacts.LooksEncrypted, "the file looks random from its first byte"), origin.Evidence!] : [seen, origin.Evidence!],
            encrypted
                ? "sqlite.env (encrypted): a readable database was here before; that someone encrypted it on purpose cannot be ruled out"
                : "sqlite.env (not-a-database): an SQLite database was here before; that someone put another file here on purpose cannot be ruled out");
    }

    private static SqliteFileState Damaged(string damage, string summary, FaultConfidence confidence, IReadOnlyList<Evidence> evidence, params string[] ruledOut) =>
        new() { Damage = damage, Summary = summary, Confidence = confidence, Evidence = evidence, RuledOut = ruledOut };

    private static SqliteFileState Env(string cause, string summary, Evidence evidence, FaultConfidence confidence, params string[] ruledOut) =>
        new() { Cause = cause, Summary = summary, Confidence = confidence, Evidence = [evidence], RuledOut = ruledOut };

    /// <summary>What is known of a database having been here.</summary>
    private sealed record Origin(bool Known, FaultConfidence Sure, long? Size, Evidence? Evidence, bool Unsure)
    {
        public static Origin Of(ClusterView view, NodeObservation node)
        {
            if (view.Backups?.Complete.FirstOrDefault(b => b.Node == node.Node) is { } backup)
                return new(true, FaultConfidence.Certain, backup.SizeBytes, new Evidence
                {
                    Fact = CommonFacts.BackupId.Name, Value = backup.Id, Node = node.Node, At = view.At, Stable = false,
                    Shows = $"a backup of {backup.StartedAt:u} holds {backup.SizeBytes} bytes of this database",
                }, false);
            if (view.Memory.GetValueOrDefault(node.Node) is { LastSeenAt: { } at } memory)
                return new(true, FaultConfidence.Likely, memory.LastSize, new Evidence
                {
                    Fact = "memory.lastSeen", Value = at.ToString("u"), Node = node.Node, At = view.At, Stable = false,
                    Shows = "an earlier look found a database here",
                }, false);
            return new(false, FaultConfidence.Possible, null, null, view.Backups?.Unknown is not null);
        }
    }
}

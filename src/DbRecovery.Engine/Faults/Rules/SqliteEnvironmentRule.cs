using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>The surroundings of the file keep SQLite from using it: a path, a mount, a permission, the storage.</summary>
internal sealed class SqliteEnvironmentRule : NodeRule
{
    public override FaultClass Class { get; } = new("sqlite.env", FaultSeverity.Outage, ["sqlite"],
        "the database file cannot be used because of its surroundings",
        [new("cause", FactType.Text, null,
            "folder-missing, is-folder, is-device, missing, permission, empty, encrypted, not-a-database, read-only-filesystem, read-only, moved, cannot-open, io-error, error")]);

    public override IReadOnlyList<string> Explains =>
        ["sqlite.corrupt", "sqlite.recovery-needed", "sqlite.busy", "data.missing-object", "data.constraint-broken", "perf.latency"];

    protected override Fault? Judge(ClusterView view, NodeObservation node)
    {
        var file = SqliteFileState.Of(view, node);
        if (file.Cause is { } cause)
            return Make(view, node.Node, file.Confidence, file.Summary, file.Evidence, file.RuledOut, Details(cause), file.Severity);
        if (file.Damage is not null)
            return null;
        if (node.Facts.Bool(SqliteFacts.FileSystemReadOnly) == true)
            return Make(view, node.Node, FaultConfidence.Likely, "the file system of the database is mounted read-only",
                [node.Evidence(SqliteFacts.FileSystemReadOnly, "nothing can be written", "false")],
                ["a permission: the whole file system is read-only; a kernel does that by itself after storage errors"], Details("read-only-filesystem"));
        return Refused(view, node);
    }

    private Fault? Refused(ClusterView view, NodeObservation node)
    {
        var code = SqliteCodes.Extended(node);
        // without space SQLite cannot make its journals and says so in many ways; a hot journal makes it refuse a reader
        if (code == 0 || DiskFullRule.NothingLeft(node) || node.Facts.Bool(SqliteFacts.RecoveryNeeded) == true || node.Facts.Int(SqliteFacts.MissingBytes) is > 0)
            return null;
        if (Cause(code) is not var (cause, summary))
            return null;
        return Make(view, node.Node, cause == "error" ? FaultConfidence.Possible : FaultConfidence.Likely, summary,
            [node.Evidence(SqliteFacts.OpenError, "SQLite's result code", "0"), node.Evidence(SqliteFacts.OpenErrorText, "SQLite's message"),
                .. node.Facts.Bool(SqliteFacts.FolderWritable) == false ? [node.Evidence(SqliteFacts.FolderWritable, "SQLite cannot make its journals here", "true")] : Array.Empty<Evidence>()],
            ["sqlite.corrupt: SQLite does not call the content damaged", "disk.full: there is space left", "sqlite.busy: the code is not one of a lock"],
            Details(cause));
    }

    private static (string Cause, string Summary)? Cause(long code) => (code, code & 0xFF) switch
    {
        (SqliteCodes.ReadOnlyMoved, _) => ("moved", "the database file was moved or replaced while it was open"),
        (SqliteCodes.ReadOnlyRecovery or SqliteCodes.ReadOnlyRollback, _) => null,
        (_, SqliteCodes.Perm or SqliteCodes.Auth) => ("permission", "access to the database is denied"),
        (_, SqliteCodes.ReadOnly) => ("read-only", "the database cannot be written"),
        (_, SqliteCodes.IoError) => ("io-error", "the operating system failed to read or write the database"),
        (_, SqliteCodes.CannotOpen) => ("cannot-open", "the database, or a journal of it, cannot be opened"),
        (_, SqliteCodes.Busy or SqliteCodes.Locked or SqliteCodes.Corrupt or SqliteCodes.NotADatabase or SqliteCodes.Full or SqliteCodes.Interrupt) => null,
        _ => ("error", "SQLite cannot use the database"),
    };

    private static Dictionary<string, FactValue> Details(string cause) => new() { ["cause"] = cause };
}

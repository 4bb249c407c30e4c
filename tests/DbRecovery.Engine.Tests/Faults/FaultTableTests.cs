using System.Text.Json;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Faults.Rules;
using DbRecovery.Engine.Health;
using static DbRecovery.Engine.Tests.Faults.Situations;

namespace DbRecovery.Engine.Tests.Faults;

/// <summary>One row a situation: what is seen, and the faults that it adds up to, as 'id:detail'.</summary>
public sealed class FaultTableTests
{
    private static FactValue L(params string[] items) => FactValue.OfList(items);

    private static ClusterView Checked(params string[] lines) => View(f => f.Set(SqliteFacts.StructureErrors, L(lines)));

    private static readonly Dictionary<string, (Func<ClusterView> View, string[] Faults)> Rows = new()
    {
        ["healthy"] = (() => View(), []),
        ["healthy with a proved backup"] = (() => View().Proved(), []),
        ["folder gone although a backup exists: a mount, not damage"] = (() => View(f => { f.Set(SqliteFacts.FolderExists, false); f.Set(SqliteFacts.FileExists, false); }).Proved(), ["sqlite.env:folder-missing"]),
        ["a folder at the path"] = (() => View(f => f.Set(SqliteFacts.FileKind, "folder")), ["sqlite.env:is-folder"]),
        ["missing with a backup"] = (() => View(f => { f.Set(SqliteFacts.FileExists, false); f.Set(SqliteFacts.FileKind, "none"); f.Set(SqliteFacts.Header, "missing"); }).Proved(), ["sqlite.corrupt:missing"]),
        ["missing and remembered"] = (() => View(f => f.Set(SqliteFacts.FileExists, false)).Remembered(), ["sqlite.corrupt:missing"]),
        ["missing and never seen"] = (() => View(f => f.Set(SqliteFacts.FileExists, false)), ["sqlite.env:missing"]),
        ["missing beside a stale journal"] = (() => View(f => { f.Set(SqliteFacts.FileExists, false); f.Set(SqliteFacts.RecoveryNeeded, true); }).Proved(), ["sqlite.corrupt:missing"]),
        ["unreadable"] = (() => View(f => f.Set(SqliteFacts.FileReadable, false)).Proved(), ["sqlite.env:permission"]),
        ["empty with a backup"] = (() => View(f => f.Set(SqliteFacts.Header, "empty")).Proved(), ["sqlite.corrupt:empty"]),
        ["empty as it always was"] = (() => View(f => f.Set(SqliteFacts.Header, "empty")).Remembered(0), ["sqlite.env:empty"]),
        ["empty and new"] = (() => View(f => f.Set(SqliteFacts.Header, "empty")), ["sqlite.env:empty"]),
        ["a stub of a header with a backup"] = (() => View(f => f.Set(SqliteFacts.Header, "truncated")).Proved(), ["sqlite.corrupt:truncated"]),
        ["a stub of a header, unknown"] = (() => View(f => f.Set(SqliteFacts.Header, "truncated")), ["sqlite.env:not-a-database"]),
        ["foreign with a backup"] = (() => View(f => { f.Set(SqliteFacts.Header, "foreign"); f.Set(SqliteFacts.OpenError, 26L); }).Proved(), ["sqlite.corrupt:header"]),
        ["foreign, unknown"] = (() => View(f => { f.Set(SqliteFacts.Header, "foreign"); f.Set(SqliteFacts.OpenError, 26L); }), ["sqlite.env:not-a-database"]),
        ["encrypted, unknown"] = (() => View(f => { f.Set(SqliteFacts.Header, "foreign"); f.Set(SqliteFacts.LooksEncrypted, true); }), ["sqlite.env:encrypted"]),
        ["encrypted with a backup"] = (() => View(f => { f.Set(SqliteFacts.Header, "foreign"); f.Set(SqliteFacts.LooksEncrypted, true); }).Proved(), ["sqlite.corrupt:header"]),
        ["impossible header fields need no backup to be damage"] = (() => View(f => f.Set(SqliteFacts.Header, "invalid")), ["sqlite.corrupt:header"]),
        ["cut short"] = (() => View(f => { f.Set(SqliteFacts.MissingBytes, 4096L); f.Set(SqliteFacts.OpenError, 522L); }), ["sqlite.corrupt:truncated"]),
        ["a commit under way"] = (() => View(f => { f.Set(SqliteFacts.MissingBytes, 4096L); f.Set(SqliteFacts.Lock, "exclusive"); }), []),
        ["index only"] = (() => View(f => f.Set(SqliteFacts.StructureErrors, L("row 7 missing from index i_a", "wrong # of entries in index i_a", "non-unique entry in index i b", "wrong # of entries in index i b", "rowid not at end-of-record for row 4 of index i_c", "wrong # of entries in index i_c"))), ["sqlite.corrupt:index"]),
        ["an entry of an index gone, by SQLite 3.40"] = (() => Checked("*** in database main ***\nFragmentation of 15 bytes reported as 0 on page 12", "row 106 missing from index t_name", "wrong # of entries in index t_name"), ["sqlite.corrupt:data"]),
        ["an entry of an index gone, page in order"] = (() => Checked("row 106 missing from index t_name", "wrong # of entries in index t_name"), ["sqlite.corrupt:index"]),
        ["a byte of a table's row changed: only its index tells"] = (() => Checked("row 82 missing from index t_name"), ["sqlite.corrupt:data"]),
        ["two entries of an index exchanged"] = (() => Checked("row 55 missing from index t_name", "non-unique entry in index t_name"), ["sqlite.corrupt:data"]),
        ["a value differs, and page hashes prove the tables whole"] = (() => View(f => { f.Set(SqliteFacts.StructureErrors, L("row 90 missing from index t_name")); f.Set(SqliteFacts.UnwrittenSinceBackup, true); f.Set(SqliteFacts.SilentDamage, 1L); f.Set(SqliteFacts.SilentDamageWhere, L("page 12 (index t_name)")); }), ["sqlite.corrupt:index"]),
        ["more lines than are listed, all about entries"] = (() => Checked(Enumerable.Range(1, 100).Select(i => $"row {i} missing from index t_v").ToArray()), ["sqlite.corrupt:index"]),
        ["a page of an index overwritten: REINDEX fails on it"] = (() => Checked("*** in database main ***\nPage 12: btreeInitPage() returns error code 11"), ["sqlite.corrupt:data"]),
        ["a page of an index overwritten, with its tree named"] = (() => Checked("Tree 3 (index t_name) page 12: btreeInitPage() returns error code 11", "Page 9 is never used", "row 63 missing from index t_name"), ["sqlite.corrupt:data"]),
        ["cells of a page overwritten"] = (() => Checked("*** in database main ***\nOn tree page 12 cell 10: invalid page number 235086081\nMultiple uses for byte 529 of page 12", "row 63 missing from index t_name"), ["sqlite.corrupt:data"]),
        ["rows of a table in the wrong order"] = (() => Checked("*** in database main ***\nOn tree page 10 cell 0: Rowid 43 out of order"), ["sqlite.corrupt:data"]),
        ["a table without rowid, a page overwritten"] = (() => Checked("*** in database main ***\nPage 85: btreeInitPage() returns error code 11\nOn tree page 5 cell 0: Child page depth differs"), ["sqlite.corrupt:data"]),
        ["freelist count"] = (() => Checked("*** in database main ***\nMain freelist: size is 80 but should be 83"), ["sqlite.corrupt:data"]),
        ["freelist page overwritten"] = (() => Checked("*** in database main ***\nMain freelist: freelist leaf count too big on page 166\nMain freelist: invalid page number 190428262"), ["sqlite.corrupt:data"]),
        ["index and a page"] = (() => View(f => f.Set(SqliteFacts.StructureErrors, L("row 7 missing from index i_a", "Tree 5 page 7: btreeInitPage() returns error code 11"))), ["sqlite.corrupt:data"]),
        ["freelist"] = (() => View(f => f.Set(SqliteFacts.StructureErrors, L("*** in database main ***", "Main freelist: size is 3 but should be 5"))), ["sqlite.corrupt:data"]),
        ["malformed image"] = (() => View(f => f.Set(SqliteFacts.StructureErrors, L("database disk image is malformed"))), ["sqlite.corrupt:data"]),
        ["index only, with silent damage in a table"] = (() => View(f => { f.Set(SqliteFacts.StructureErrors, L("row 7 missing from index i_a")); f.Set(SqliteFacts.UnwrittenSinceBackup, true); f.Set(SqliteFacts.SilentDamage, 1L); f.Set(SqliteFacts.SilentDamageWhere, L("page 7 (table t)")); }), ["sqlite.corrupt:data"]),
        ["damage hides its consequences"] = (() => View(f => { f.Set(SqliteFacts.StructureErrors, L("Tree 5 page 7: never used")); f.Set(CommonFacts.MissingTables, L("t")); f.Set(SqliteFacts.ForeignKeyViolations, 3L); f.Set(CommonFacts.ProbeBaseline, 0.001); f.Set(CommonFacts.ProbeLatency, 9.0); }), ["sqlite.corrupt:data"]),
        ["refused as malformed at a quick look"] = (() => View(f => f.Set(SqliteFacts.OpenError, 11L)), ["sqlite.corrupt:data"]),
        ["refused for an index"] = (() => View(f => f.Set(SqliteFacts.OpenError, 779L)), ["sqlite.corrupt:index"]),
        ["silent"] = (() => View(f => { f.Set(SqliteFacts.UnwrittenSinceBackup, true); f.Set(SqliteFacts.SilentDamage, 1L); f.Set(SqliteFacts.SilentDamageWhere, L("page 7 (table t)")); }), ["sqlite.corrupt:silent"]),
        ["pages differ because it was written"] = (() => View(f => { f.SetUnknown(SqliteFacts.UnwrittenSinceBackup, "WAL"); f.Set(SqliteFacts.SilentDamage, 1L); }), []),
        ["hot journal"] = (() => View(f => { f.Set(SqliteFacts.RecoveryNeeded, true); f.Set(SqliteFacts.RecoveryFile, "/srv/app.db-journal"); f.Set(SqliteFacts.OpenError, 776L); }), ["sqlite.recovery-needed:/srv/app.db-journal"]),
        ["hot journal over half-written pages is not damage"] = (() => View(f => { f.Set(SqliteFacts.RecoveryNeeded, true); f.Set(SqliteFacts.RecoveryFile, "j"); f.Set(SqliteFacts.StructureErrors, L("Tree 5 page 7: x")); f.Set(SqliteFacts.MissingBytes, 4096L); }), ["sqlite.recovery-needed:j"]),
        ["a live writer's journal"] = (() => View(f => { f.Set(SqliteFacts.RecoveryNeeded, true); f.Set(SqliteFacts.OpenBy, L("pid 1 (app)")); }), []),
        ["busy at opening"] = (() => View(f => { f.Set(SqliteFacts.OpenError, 5L); f.Set(SqliteFacts.LockHolders, L("pid 9 (app): exclusive")); }), ["sqlite.busy:pid 9 (app): exclusive"]),
        ["busy by another's recovery"] = (() => View(f => f.Set(SqliteFacts.OpenError, 261L)), ["sqlite.busy:unknown"]),
        ["write blocked, and slow because of it"] = (() => View(f => { f.Set(SqliteFacts.WriteBlocked, true); f.Set(CommonFacts.ProbeBaseline, 0.001); f.Set(CommonFacts.ProbeLatency, 5.0); }), ["sqlite.busy:unknown"]),
        ["a short write lock"] = (() => View(f => f.Set(SqliteFacts.Lock, "wal-writer")), []),
        ["read-only file system"] = (() => View(f => f.Set(SqliteFacts.FileSystemReadOnly, true)), ["sqlite.env:read-only-filesystem"]),
        ["moved while open"] = (() => View(f => f.Set(SqliteFacts.OpenError, 1032L)), ["sqlite.env:moved"]),
        ["cannot open"] = (() => View(f => f.Set(SqliteFacts.OpenError, 14L)), ["sqlite.env:cannot-open"]),
        ["input/output error"] = (() => View(f => f.Set(SqliteFacts.OpenError, 10L)), ["sqlite.env:io-error"]),
        ["interrupted look"] = (() => View(f => f.Set(SqliteFacts.OpenError, 9L)), []),
        ["no space, said as an I/O error"] = (() => View(f => { f.Set(SqliteFacts.OpenError, 4874L); f.Set(CommonFacts.DiskFree, 0L); }), ["disk.full:0"]),
        ["SQLITE_FULL"] = (() => View(f => { f.Set(SqliteFacts.OpenError, 13L); f.Set(CommonFacts.DiskFree, 0L); }), ["disk.full:0"]),
        ["a quota"] = (() => View(f => f.Set(SqliteFacts.OpenError, 13L)), [$"disk.full:{1L << 33}"]),
        ["little room"] = (() => View(f => f.Set(CommonFacts.DiskFree, 2_000_000L)), ["disk.full:2000000"]),
        ["table gone"] = (() => View(f => f.Set(CommonFacts.MissingTables, L("t"))), ["data.missing-object:t"]),
        ["rows collapsed, with a colon in the name"] = (() => View(f => f.Set(CommonFacts.ShortTables, L("a: b: 0 of at least 1"))), ["data.missing-object:a: b"]),
        ["foreign keys"] = (() => View(f => { f.Set(SqliteFacts.ForeignKeyViolations, 2L); f.Set(SqliteFacts.ForeignKeyTables, L("c -> p: 2")); }), ["data.constraint-broken:c"]),
        ["a broken CHECK is not corruption"] = (() => View(f => f.Set(SqliteFacts.StructureErrors, L("CHECK constraint failed in t", "NULL value in u.x"))), ["data.constraint-broken:t, u"]),
        ["no backup"] = (() => View().With(), ["backup.stale:"]),
        ["old backup"] = (() => View().With(Backup(TimeSpan.FromHours(25), true)), ["backup.stale:90000"]),
        ["a backup of the future"] = (() => View().With(Backup(TimeSpan.FromHours(-1), true)), []),
        ["never proved"] = (() => View().With(Backup(TimeSpan.FromHours(1))), ["backup.unverified:"]),
        ["old proof"] = (() => View().With(Backup(TimeSpan.FromHours(1)), Backup(TimeSpan.FromDays(8), true)), ["backup.unverified:691200"]),
        ["newest failed its test"] = (() => View().With(Backup(TimeSpan.FromHours(1), false), Backup(TimeSpan.FromHours(2), true)), ["backup.unverified:7200"]),
        ["the newest is without a file"] = (() => View().With(Backup(TimeSpan.FromHours(1), true) with { MissingFiles = ["/etc/app.conf"] }).Naming("/etc/app.conf"), ["backup.files-missing:/etc/app.conf"]),
        ["an older one is without a file"] = (() => View().With(Backup(TimeSpan.FromHours(1), true), Backup(TimeSpan.FromHours(2), true) with { MissingFiles = ["/etc/app.conf"] }).Naming("/etc/app.conf"), []),
        ["the newest is without a file that is not named any more"] = (() => View().With(Backup(TimeSpan.FromHours(1), true) with { MissingFiles = ["/etc/app.conf"] }), []),
        ["repository unreadable: nothing is claimed"] = (() => View().With() with { Backups = new BackupKnowledge { Repository = "main", Unreadable = "x" } }, []),
        ["slow against the baseline"] = (() => View(f => { f.Set(CommonFacts.ProbeBaseline, 0.02); f.Set(CommonFacts.ProbeLatency, 0.11); }), ["perf.latency:0.11"]),
        ["slow, but under the floor"] = (() => View(f => { f.Set(CommonFacts.ProbeBaseline, 0.0001); f.Set(CommonFacts.ProbeLatency, 0.049); }), []),
        ["slow without a baseline"] = (() => View(f => f.Set(CommonFacts.ProbeLatency, 5.0)), []),
    };

    public static TheoryData<string> Names => [.. Rows.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Situation_gives_its_faults(string name)
    {
        var (view, expected) = Rows[name];
        var faults = FaultClassifier.Classify(view());
        Assert.Equal(expected, faults.Select(f => $"{f.Id}:{Detail(f)}"));
        Assert.All(faults, f => Assert.NotEmpty(f.Evidence));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Details_are_those_of_the_catalogue(string name)
    {
        foreach (var fault in FaultClassifier.Classify(Rows[name].View()))
        {
            var known = Assert.Single(FaultCatalogue.Classes, c => c.Id == fault.Id);
            Assert.All(fault.Details, d => Assert.Contains(known.Details, k => k.Name == d.Key && k.Type == d.Value.Type));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recorded_observation_is_judged_alike(string name)
    {
        var view = Rows[name].View();
        var read = JsonSerializer.Deserialize<NodeObservation[]>(JsonSerializer.Serialize(view.Nodes, DbRecoveryJson.Compact), DbRecoveryJson.Compact)!;
        Assert.Equal(FaultClassifier.Classify(view).Select(f => (f.Id, f.EvidenceHash)), FaultClassifier.Classify(view with { Nodes = read }).Select(f => (f.Id, f.EvidenceHash)));
    }

    [Theory]
    [InlineData("Tree 3 (index t_name) page 12: btreeInitPage() returns error code 11", true)]
    [InlineData("Tree 3 (index t_name) page 12 cell 4: invalid page number 7", true)]
    [InlineData("Tree 2 (table t) page 12: btreeInitPage() returns error code 11", false)]
    [InlineData("Page 12: btreeInitPage() returns error code 11", false)]
    [InlineData("row 1 missing from index a", false)]
    public void Damage_to_the_pages_of_indexes_alone_is_told(string line, bool expected)
    {
        var lines = StructureLines.Read(Healthy(f => f.Set(SqliteFacts.StructureErrors, L(line, "Page 9 is never used"))));
        Assert.Equal(expected, lines.IndexTreesOnly);
        Assert.Equal(expected ? ["t_name"] : line.EndsWith('a') ? ["a"] : [], lines.Objects);
    }

    [Theory]
    [InlineData(false, FaultConfidence.Likely)]
    [InlineData(true, FaultConfidence.Possible)]
    public void A_foreign_header_says_how_sure_it_is(bool encrypted, FaultConfidence expected) =>
        Assert.Equal(expected, Assert.Single(FaultClassifier.Classify(View(f => { f.Set(SqliteFacts.Header, "foreign"); f.Set(SqliteFacts.LooksEncrypted, encrypted); }).Proved())).Confidence);

    [Fact]
    public void What_moves_by_itself_leaves_the_evidence_hash_alone()
    {
        static string Hash(string holder) => Assert.Single(FaultClassifier.Classify(View(f => { f.Set(SqliteFacts.WriteBlocked, true); f.Set(SqliteFacts.Lock, holder); }))).EvidenceHash;
        Assert.Equal(Hash("reserved"), Hash("exclusive"));
    }

    [Fact]
    public void Another_engine_gives_no_sqlite_fault()
    {
        var view = View(f => f.Set(SqliteFacts.OpenError, 11L));
        Assert.Empty(FaultClassifier.Classify(view with { Cluster = view.Cluster with { Engine = "postgresql" } }));
    }

    [Theory]
    [InlineData(5L, false)]
    [InlineData(10L, true)]
    [InlineData(21L, false)]
    [InlineData("12", true)]
    [InlineData("many", null)]
    [InlineData(null, null)]
    public void A_custom_check_holds_its_bounds(object? value, bool? holds)
    {
        FactValue? given = value switch { long n => n, string s => s, _ => null };
        var check = new CustomCheck { Name = "c", Query = "select 1", Fault = "custom.c", AtLeast = 10, AtMost = 20, Severity = FaultSeverity.Outage };
        var result = new CustomCheckResult(check, "n1", given, null);
        Assert.Equal(holds, result.Holds);
        Assert.Equal(holds == false ? ["custom.c"] : [], FaultClassifier.Classify(View() with { CustomChecks = [result] }).Select(f => f.Id));
    }

    private static string Detail(Fault fault) => fault.Id switch
    {
        "sqlite.corrupt" => Text(fault, "damage"),
        "sqlite.env" => Text(fault, "cause"),
        "sqlite.recovery-needed" => Text(fault, "file"),
        "sqlite.busy" => Text(fault, "holder"),
        "disk.full" => Text(fault, "free"),
        "data.missing-object" => Text(fault, "objects"),
        "data.constraint-broken" => Text(fault, "tables"),
        "backup.stale" => Text(fault, "age"),
        "backup.unverified" => Text(fault, "proofAge"),
        "backup.files-missing" => Text(fault, "files"),
        _ => Text(fault, "latency"),
    };

    private static string Text(Fault fault, string detail) => fault.Details.TryGetValue(detail, out var value) ? value.ToString() : "";
}

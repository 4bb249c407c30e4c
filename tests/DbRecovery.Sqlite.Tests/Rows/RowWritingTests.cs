namespace DbRecovery.Sqlite.Tests;

/// <summary>What is written, what refuses to be, and that the script takes it back.</summary>
public sealed class RowWritingTests
{
    private const string Plain = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');";
    private const string Edits = "DELETE FROM t WHERE id = 1; UPDATE t SET v = 'x' WHERE id = 2; INSERT INTO t VALUES (9, 'new')";

    /// <summary>The backup's SQL and the edits since; all differences are applied, and taken back.</summary>
    [ShellTheory]
    [InlineData(Plain, Edits)]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t VALUES (1, 'a'), (70, 'b')", "DELETE FROM t; UPDATE sqlite_sequence SET seq = 5; INSERT INTO t(v) VALUES ('n')")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0.1), (2, 1e300), (3, 5e-324), (4, -9e999), (5, X''), (6, CAST(X'610062' AS TEXT)), (7, CAST(X'ff' AS TEXT)), (8, -9223372036854775808), (9, char(13, 10, 39)), (10, 123456789012345680.0), (11, -0.7)",
        "UPDATE t SET v = NULL WHERE id % 2; DELETE FROM t WHERE id % 2 = 0; INSERT INTO t VALUES (100, 2.2250738585072014e-308), (101, 1.7976931348623157e308), (102, CAST(X'00' AS TEXT)), (103, X'00ff'), (104, 0.1 + 0.2), (105, 'it''s')")]
    [InlineData("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v); INSERT INTO t VALUES ('B', 1), ('c', 2)", "UPDATE t SET k = 'b' WHERE k = 'B'; DELETE FROM t WHERE k = 'C'; INSERT INTO t VALUES ('D', 1)")]
    [InlineData("CREATE TABLE t(a, b, v, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO t VALUES ('x', 1, 1), (X'00', 2.5, 2), ('z', '3', 3)", "DELETE FROM t WHERE a = 'x'; UPDATE t SET v = 'n' WHERE b = 2.5; INSERT INTO t VALUES (1, 1, 1)")]
    [InlineData("CREATE TABLE t(v); INSERT INTO t VALUES (10), (20), (30)", "UPDATE t SET v = 21 WHERE v = 20; DELETE FROM t WHERE v = 10; INSERT INTO t(rowid, v) VALUES (7, 1)")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", "UPDATE t SET v = 'd' WHERE id = 3; UPDATE t SET v = 'c' WHERE id = 2; UPDATE t SET v = 'b' WHERE id = 1; INSERT INTO t VALUES (4, 'a')")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v, g AS (v || '!') STORED); INSERT INTO t(id, v) VALUES (1, 'a'), (2, 'b')", "UPDATE t SET v = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2")]
    [InlineData(Plain, Edits + "; ALTER TABLE t ADD COLUMN later DEFAULT 'd'; UPDATE t SET later = 1.5")]
    [InlineData(Plain + "CREATE TABLE log(x);", Edits + "; CREATE TRIGGER tr AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1); END; CREATE TRIGGER td DELETE ON t BEGIN DELETE FROM t; END")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, up REFERENCES t(id)); INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2)", "DELETE FROM t WHERE id > 0")]
    [InlineData("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'ä€𝄞'), (2, char(65, 0, 10, 0x1D11E))", "UPDATE t SET v = 1 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, char(0, 66))")]
    [InlineData("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, v) WITHOUT ROWID; INSERT INTO t VALUES ('', 1), (' ', ''), ('x', 'y')", "DELETE FROM t WHERE k = ''; UPDATE t SET v = '' WHERE k = 'x'; UPDATE t SET v = NULL WHERE k = ' '")]
    [InlineData("CREATE TABLE t(k INTEGER PRIMARY KEY, r REAL, n NUMERIC, x); INSERT INTO t VALUES (1, 0.0, 0.0, 0.0), (2, 1e20, 1e20, 1e20), (3, 9e999, 9e999, 9e999), (4, 9223372036854775807, 9223372036854775807, 9223372036854775807)",
        "UPDATE t SET r = -0.0, n = -0.0, x = -0.0 WHERE k = 1; UPDATE t SET x = 100000000000000000001.0 WHERE k = 2; UPDATE t SET r = 9e999 - 9e999, x = -9e999 WHERE k = 3; UPDATE t SET x = 9223372036854775807.0 WHERE k = 4")]
    [InlineData("CREATE TABLE t(a, b, c, PRIMARY KEY (b COLLATE NOCASE DESC, a)) WITHOUT ROWID; INSERT INTO t VALUES (1, 'B', 1), (1, 'c', 2), ('1', 'c', 3)", "UPDATE t SET b = 'b' WHERE b = 'B'; DELETE FROM t WHERE b = 'c' AND a = 1; INSERT INTO t VALUES (1.5, 'C', 4)")]
    [InlineData("CREATE TABLE t(a INTEGER PRIMARY KEY, b ANY, c REAL) STRICT; INSERT INTO t VALUES (1, '5', 2), (2, 5, 2.5), (3, X'', NULL)", "UPDATE t SET b = 5 WHERE a = 1; UPDATE t SET b = 5.0 WHERE a = 2; DELETE FROM t WHERE a = 3")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE UNIQUE INDEX i ON t(lower(v)) WHERE v IS NOT NULL; INSERT INTO t VALUES (1, 'A'), (2, 'B'), (3, NULL)", "UPDATE t SET v = 'b2' WHERE id = 2; UPDATE t SET v = 'b' WHERE id = 1; DELETE FROM t WHERE id = 3")]
    public void Written_rows_are_the_backups_and_the_script_takes_them_back(string backup, string edits)
    {
        using var box = new RowsSandbox(backup);
        box.Sql(edits);
        var (before, sequence) = (box.Rows("t"), Sequence(box));
        var (result, differences) = box.Restore(options: RowsSandbox.Everything);
        Assert.Equal(differences.Count, result.Written);
        Assert.Equal(box.Script, result.UndoScript);
        Assert.Empty(box.Restore().Differences);
        if (!edits.Contains("ALTER", StringComparison.Ordinal))
            Assert.Equal(box.BackupRows("t"), box.Rows("t"));
        Assert.Equal("ok", box.Sql("PRAGMA integrity_check"));
        var schema = Schema(box);

        Assert.Equal((0, ""), box.Shell(box.Script));
        Assert.Equal(before, box.Rows("t"));
        Assert.Equal((schema, sequence), (Schema(box), Sequence(box)));
        Assert.Equal("ok", box.Sql("PRAGMA integrity_check"));
        if (schema.Contains("log", StringComparison.Ordinal))
            Assert.Equal(0L, box.Sql("SELECT count(*) FROM log"));
    }

    [ShellTheory]
    [InlineData("UPDATE t SET v = 'later' WHERE id = 1")]
    [InlineData("UPDATE t SET v = X'62' WHERE id = 2")]
    [InlineData("DELETE FROM t WHERE id = 1")]
    [InlineData("INSERT INTO t VALUES (9, 'again')")]
    [InlineData("ALTER TABLE t RENAME COLUMN v TO w")]
    [InlineData("ALTER TABLE t ADD COLUMN w DEFAULT 1")]
    [InlineData("CREATE TABLE log(x); CREATE TRIGGER new AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END")]
    [InlineData("DROP TRIGGER old")]
    public void The_script_does_nothing_where_a_row_has_changed_since(string later)
    {
        using var box = new RowsSandbox(Plain + "CREATE TRIGGER old AFTER INSERT ON t WHEN 0 BEGIN SELECT 1; END;");
        box.Sql(Edits);
        box.Restore(options: RowsSandbox.Everything);
        box.Sql(later);
        var (rows, schema) = (box.Rows("t"), Schema(box));
        var (code, error) = box.Shell(box.Script);
        Assert.NotEqual(0, code);
        Assert.Contains("rows_have_changed_since_nothing_was_undone", error, StringComparison.Ordinal);
        Assert.Equal(rows, box.Rows("t"));
        Assert.Equal(schema, Schema(box));
    }

    [ShellFact]
    public void Values_that_were_written_one_after_the_other_are_taken_back_in_the_opposite_order()
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO t VALUES (1, 2), (2, 3), (3, 4)");
        box.Sql("UPDATE t SET v = 1 WHERE id = 1; UPDATE t SET v = 2 WHERE id = 2; UPDATE t SET v = 3 WHERE id = 3");
        var before = box.Rows("t");
        Assert.Equal(3, box.Restore(options: RowsSandbox.Everything).Result.Written);
        Assert.Equal(box.BackupRows("t"), box.Rows("t"));
        Assert.Equal((0, ""), box.Shell(box.Script));
        Assert.Equal(before, box.Rows("t"));
    }

    [ShellFact]
    public void The_script_does_nothing_where_somebody_has_a_unique_value_meanwhile()
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'); CREATE TRIGGER tr AFTER DELETE ON t BEGIN SELECT 1; END");
        box.Sql("DELETE FROM t WHERE id = 1; UPDATE t SET v = 'x' WHERE id = 2; INSERT INTO t VALUES (9, 'new')");
        Assert.Equal(3, box.Restore(options: RowsSandbox.Everything).Result.Written);
        box.Sql("INSERT INTO t VALUES (5, 'new')");
        var (rows, schema) = (box.Rows("t"), Schema(box));
        Assert.NotEqual(0, box.Shell(box.Script).ExitCode);
        Assert.Equal(rows, box.Rows("t"));
        Assert.Equal(schema, Schema(box));
    }

    [Theory]
    [InlineData("INSERT INTO t VALUES (8, 'a')", RowDifferenceKind.Missing)]
    [InlineData("UPDATE t SET v = 'c' WHERE id = 2; INSERT INTO t VALUES (8, 'b')", RowDifferenceKind.Changed)]
    public void A_constraint_that_replaces_rows_does_not_delete_one_unseen(string edit, RowDifferenceKind kind)
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE ON CONFLICT REPLACE); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
        box.Sql("DELETE FROM t WHERE id = 1; " + edit);
        var rows = box.Rows("t");
        Assert.Equal(ErrorIds.RestoreFailed, Assert.Throws<DbRecoveryException>(() => box.Restore(options: RowsSandbox.Apply(kind))).Id);
        Assert.Equal(rows, box.Rows("t"));
    }

    [ShellFact]
    public void The_script_does_nothing_to_a_database_that_is_locked()
    {
        using var box = new RowsSandbox(Plain);
        box.Sql(Edits);
        box.Restore(options: RowsSandbox.Everything);
        var rows = box.Rows("t");
        using (var other = OtherProcess.Open(box.Database))
        {
            Assert.Equal("done", other.Run("BEGIN IMMEDIATE"));
            Assert.NotEqual(0, box.Shell(box.Script).ExitCode);
        }
        Assert.Equal(rows, box.Rows("t"));
    }

    private const string Dropped = "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v, up REFERENCES t(id)); INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 1), (9, 'c', NULL); DELETE FROM t WHERE id = 9;"
        + "CREATE INDEX i ON t(lower(v)); CREATE TABLE c(t REFERENCES t(id)); INSERT INTO c VALUES (1), (77); CREATE VIEW w AS SELECT v FROM t; CREATE TABLE log(x);"
        + "CREATE TRIGGER own AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.id); END; CREATE TRIGGER other AFTER INSERT ON c BEGIN DELETE FROM t WHERE id = new.t; END;";

    [ShellFact]
    public void A_dropped_table_is_made_again_with_all_that_went_with_it_and_the_script_drops_it()
    {
        using var box = new RowsSandbox(Dropped);
        var (rows, whole, sequence) = (box.Rows("t"), Schema(box), Sequence(box));
        box.Sql("DROP TABLE t");
        var without = (Schema(box), Sequence(box));

        Assert.Equal(2, box.Restore(options: RowsSandbox.Apply(RowDifferenceKind.Missing)).Result.Written);

        Assert.Equal(rows, box.Rows("t"));
        Assert.Equal((whole, sequence), (Schema(box), Sequence(box)));
        Assert.Equal((0, ""), box.Shell(box.Script));
        Assert.Equal(without, (Schema(box), Sequence(box)));
        Assert.Equal("ok", box.Sql("PRAGMA integrity_check"));
    }

    [ShellTheory]
    [InlineData("INSERT INTO t(v) VALUES ('mine')", 1, "other_rows")]
    [InlineData("UPDATE t SET v = 'mine' WHERE id = 1", 2, "rows_have_changed_since")]
    [InlineData("DELETE FROM t", 0, "rows_have_changed_since")]
    public void A_table_that_was_made_again_stays_where_somebody_uses_it(string later, long left, string error)
    {
        using var box = new RowsSandbox(Dropped);
        box.Sql("DROP TABLE t");
        box.Restore(options: RowsSandbox.Apply(RowDifferenceKind.Missing));
        box.Sql(later);
        var schema = Schema(box);

        var (code, said) = box.Shell(box.Script);

        Assert.NotEqual(0, code);
        Assert.Contains(error, said, StringComparison.Ordinal);
        Assert.Equal(left, box.Sql("SELECT count(*) FROM t"));
        Assert.Equal(schema, Schema(box));
        Assert.Equal("ok", box.Sql("PRAGMA integrity_check"));
    }

    [ShellFact]
    public void The_script_drops_no_table_in_a_database_that_is_locked()
    {
        using var box = new RowsSandbox(Dropped);
        box.Sql("DROP TABLE t");
        box.Restore(options: RowsSandbox.Apply(RowDifferenceKind.Missing));
        var (rows, schema) = (box.Rows("t"), Schema(box));
        using (var other = OtherProcess.Open(box.Database))
        {
            Assert.Equal("done", other.Run("BEGIN IMMEDIATE"));
            Assert.NotEqual(0, box.Shell(box.Script).ExitCode);
        }
        Assert.Equal(rows, box.Rows("t"));
        Assert.Equal(schema, Schema(box));
    }

    [Theory]
    [InlineData(RowDifferenceKind.Missing, "1:a,2:x,3:c,9:new")]
    [InlineData(RowDifferenceKind.Changed, "2:b,3:c,9:new")]
    [InlineData(RowDifferenceKind.Added, "2:x,3:c")]
    public void Only_what_was_named_is_written(RowDifferenceKind kind, string expected)
    {
        using var box = new RowsSandbox(Plain);
        box.Sql(Edits);
        Assert.Equal(1, box.Restore(options: RowsSandbox.Apply(kind)).Result.Written);
        Assert.Equal(expected, box.Sql("SELECT group_concat(id || ':' || v) FROM (SELECT * FROM t ORDER BY id)"));
    }

    [Fact]
    public void A_plan_is_shown_and_a_no_changes_nothing()
    {
        using var box = new RowsSandbox(Plain);
        box.Sql(Edits);
        var rows = box.Rows("t");
        RowRestorePlan? plan = null;
        var (result, _) = box.Restore(options: RowsSandbox.Everything with { Approve = (p, _) => { plan = p; return Task.FromResult(false); } });
        Assert.Equal((1L, 1L, 1L, 3), (plan!.Insert, plan.Update, plan.Delete, plan.Statements.Count));
        Assert.Equal((0L, null), (result.Written, result.UndoScript));
        Assert.Equal(rows, box.Rows("t"));
        Assert.False(System.IO.File.Exists(box.Script));
    }

    [Fact]
    public void A_row_that_changes_after_the_comparison_is_left_as_it_is()
    {
        using var box = new RowsSandbox(Plain);
        box.Sql(Edits);
        var (result, _) = box.Restore(options: RowsSandbox.Everything with
        {
            Approve = (_, _) =>
            {
                box.Sql("INSERT INTO t VALUES (1, 'mine'); UPDATE t SET v = 'mine' WHERE id IN (2)");
                return Task.FromResult(true);
            },
        });
        Assert.Equal((1L, 2L), (result.Written, result.Skipped));
        Assert.Equal(2, result.Notes.Count(n => n.Contains("left as it is", StringComparison.Ordinal)));
        Assert.Equal("1:mine,2:mine,3:c", box.Sql("SELECT group_concat(id || ':' || v) FROM (SELECT * FROM t ORDER BY id)"));
    }

    /// <summary>The backup's SQL, the edits since, what happens after the comparison, and the error.</summary>
    [Theory]
    [InlineData("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE t(id INTEGER PRIMARY KEY, v REFERENCES p(id)); INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 1)", "PRAGMA foreign_keys = OFF; DELETE FROM t; DELETE FROM p", "", ErrorIds.RestoreFailed)]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(t REFERENCES t(id))", "INSERT INTO t VALUES (5, 5); INSERT INTO c VALUES (5)", "", ErrorIds.RestoreFailed)]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO t VALUES (1, 'a')", "DELETE FROM t", "INSERT INTO t VALUES (2, 'a')", ErrorIds.RestoreFailed)]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')", "DELETE FROM t; ALTER TABLE t ADD COLUMN n NOT NULL DEFAULT 1; CREATE TABLE u(id INTEGER PRIMARY KEY, v CHECK (v <> 'a')); DROP TABLE t; ALTER TABLE u RENAME TO t", "", ErrorIds.RestoreFailed)]
    [InlineData(Plain, Edits, "ALTER TABLE t ADD COLUMN n", ErrorIds.RestoreFailed)]
    [InlineData(Plain, Edits, "DROP TABLE t", ErrorIds.RestoreFailed)]
    public void Rows_that_do_not_fit_are_not_written_and_nothing_else_is(string backup, string edits, string meanwhile, string error)
    {
        using var box = new RowsSandbox(backup);
        box.Sql(edits);
        object? before = null;
        const string all = "SELECT group_concat(sql, ';') FROM sqlite_master";
        var thrown = Assert.Throws<DbRecoveryException>(() => box.Restore(options: RowsSandbox.Everything with
        {
            Approve = (_, _) =>
            {
                if (meanwhile.Length > 0)
                    box.Sql(meanwhile);
                before = (box.Sql(all), Count(box));
                return Task.FromResult(true);
            },
        }));
        Assert.Equal(error, thrown.Id);
        Assert.Equal(before, (box.Sql(all), Count(box)));
        Assert.False(System.IO.File.Exists(box.Script));
    }

    [Fact]
    public void References_that_no_SQLite_could_check_keep_no_row_away()
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE c(v REFERENCES t(v)); INSERT INTO t VALUES (1, 1), (2, 2)");
        box.Sql("DELETE FROM t WHERE id = 1");
        var (result, _) = box.Restore(options: RowsSandbox.Everything);
        Assert.Equal(1L, result.Written);
        Assert.Contains(result.Notes, n => n.Contains("'c' cannot be checked", StringComparison.Ordinal));
        Assert.Equal(box.BackupRows("t"), box.Rows("t"));
    }

    [Fact]
    public void A_table_with_triggers_is_written_only_by_force_and_they_do_not_fire()
    {
        using var box = new RowsSandbox(Plain + "CREATE TABLE log(x); CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END;");
        box.Sql("UPDATE t SET v = 'x'");
        Assert.Equal(ErrorIds.RestoreFailed, Assert.Throws<DbRecoveryException>(() => box.Restore(options: RowsSandbox.Everything with { Force = false })).Id);
        box.Sql("INSERT INTO t VALUES (9, 9)");
        Assert.Equal(4, box.Restore(options: RowsSandbox.Everything).Result.Written);
        Assert.Equal(0L, box.Sql("SELECT count(*) FROM log"));
    }

    [Fact]
    public void An_undo_script_is_never_overwritten()
    {
        using var box = new RowsSandbox(Plain);
        box.Sql(Edits);
        System.IO.File.WriteAllText(box.File("taken.sql"), "mine");
        Assert.Equal(ErrorIds.TargetExists, Assert.Throws<DbRecoveryException>(() => box.Restore(options: RowsSandbox.Everything with { UndoScript = box.File("taken.sql") })).Id);
        Assert.Equal("mine", System.IO.File.ReadAllText(box.File("taken.sql")));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void A_lock_that_is_not_given_up_ends_it_with_nothing_changed(string journal)
    {
        using var box = new RowsSandbox(Plain, $"PRAGMA journal_mode = {journal};");
        box.Sql(Edits);
        var rows = box.Rows("t");
        using (var other = OtherProcess.Open(box.Database))
        {
            var error = Assert.Throws<DbRecoveryException>(() => box.Restore(options: RowsSandbox.Everything with
            {
                LockTimeout = TimeSpan.FromMilliseconds(100),
                Approve = (_, _) => Task.FromResult(other.Run("BEGIN IMMEDIATE") == "done"),
            }));
            Assert.Equal(ErrorIds.DatabaseBusy, error.Id);
        }
        Assert.Equal(rows, box.Rows("t"));
        Assert.False(System.IO.File.Exists(box.Script));
    }

    [Fact]
    public void A_staging_table_holds_the_backups_rows_and_no_rules()
    {
        using var box = new RowsSandbox("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT UNIQUE CHECK (v <> ''), p REFERENCES p(id)); INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1)");
        box.Sql("DELETE FROM t WHERE id = 1");
        var (result, _) = box.Restore(options: new RowRestoreOptions { StagingTable = "t \"old" });
        Assert.Equal("t \"old", result.StagingTable);
        Assert.Equal(box.BackupRows("t"), box.Rows("t \"old"));
        Assert.Equal(1L, box.Sql("SELECT count(*) FROM t"));
        box.Sql("PRAGMA foreign_keys = ON; DELETE FROM t; DELETE FROM p");
        Assert.Equal(ErrorIds.TargetExists, Assert.Throws<DbRecoveryException>(() => box.Restore(options: new RowRestoreOptions { StagingTable = "T" })).Id);
    }

    private static string Schema(RowsSandbox box) => (string)box.Sql("SELECT group_concat(type || name || coalesce(sql, ''), ';') FROM (SELECT * FROM sqlite_master ORDER BY name)")!;

    private static object? Sequence(RowsSandbox box) =>
        box.Sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'") is null ? null : box.Sql("SELECT group_concat(name || seq) FROM sqlite_sequence");

    private static object? Count(RowsSandbox box) => box.Sql("SELECT 1 FROM sqlite_master WHERE name = 't'") is null ? null : box.Sql("SELECT count(*) FROM t");
}

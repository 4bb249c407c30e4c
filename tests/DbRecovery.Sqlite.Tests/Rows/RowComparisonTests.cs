namespace DbRecovery.Sqlite.Tests;

/// <summary>What is found to differ, situation by situation.</summary>
public sealed class RowComparisonTests
{
    private const string Plain = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');";

    /// <summary>The backup's SQL, the edits since, and the differences as "kind key" in order.</summary>
    [Theory]
    [InlineData(Plain, "", "")]
    [InlineData(Plain, "DELETE FROM t WHERE id = 2; UPDATE t SET v = 'x' WHERE id = 3; INSERT INTO t VALUES (0, 'n'), (9, 'n')", "Added 0, Missing 2, Changed 3, Added 9")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1), (2, 1), (3, '1'), (4, NULL), (5, X'31'), (6, 9e999)",
        "UPDATE t SET v = 1.0 WHERE id = 1; UPDATE t SET v = '1' WHERE id = 2; UPDATE t SET v = X'31' WHERE id = 3; UPDATE t SET v = '' WHERE id = 4; UPDATE t SET v = X'3100' WHERE id = 5; UPDATE t SET v = 9e999 - 9e999 WHERE id = 6",
        "Changed 1, Changed 2, Changed 3, Changed 4, Changed 5, Changed 6")]
    [InlineData("CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v); INSERT INTO t VALUES ('b', 1), ('C', 2), ('d', 3)", "UPDATE t SET id = 'c' WHERE id = 'C'; DELETE FROM t WHERE id = 'B'; INSERT INTO t VALUES ('A', 0)", "Added A, Missing b, Changed C")]
    [InlineData("CREATE TABLE t(a TEXT, b INTEGER, v, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO t VALUES ('x', 2, 1), ('x', 1, 1), ('y', 1, 1)", "DELETE FROM t WHERE b = 2; UPDATE t SET v = 2 WHERE a = 'y'", "Changed 1/y, Missing 2/x")]
    [InlineData("CREATE TABLE t(v); INSERT INTO t VALUES (10), (20)", "UPDATE t SET v = 21 WHERE v = 20; DELETE FROM t WHERE v = 10; INSERT INTO t(rowid, v) VALUES (7, 1)", "Missing 1, Changed 2, Added 7")]
    [InlineData("CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 1), (NULL, 2), ('a', 3)", "UPDATE t SET v = 9 WHERE v = 2", "Changed 2")]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v, g AS (v * 2) STORED); INSERT INTO t(id, v) VALUES (1, 1), (2, 2)", "UPDATE t SET v = 3 WHERE id = 2", "Changed 2")]
    [InlineData(Plain, "ALTER TABLE t ADD COLUMN later DEFAULT 5; UPDATE t SET later = 6 WHERE id = 1; UPDATE t SET v = 'x' WHERE id = 2", "Changed 2")]
    [InlineData(Plain, "ALTER TABLE t DROP COLUMN v; DELETE FROM t WHERE id = 1", "Missing 1")]
    [InlineData(Plain, "DROP TABLE t", "Missing 1, Missing 2, Missing 3")]
    [InlineData("CREATE TABLE t(rowid TEXT, v); INSERT INTO t VALUES ('same', 1), ('same', 2)", "UPDATE t SET v = 3 WHERE v = 2", "Changed 2")]
    public void Rows_that_differ_are_given_in_the_order_of_the_key(string backup, string edits, string expected)
    {
        using var box = new RowsSandbox(backup);
        if (edits.Length > 0)
            box.Sql(edits);
        var before = System.IO.File.ReadAllBytes(box.Database);
        var (result, differences) = box.Restore();
        Assert.Equal(expected, string.Join(", ", differences.Select(d => $"{d.Kind} {string.Join("/", d.Key.Values)}")));
        Assert.Equal((differences.Count(d => d.Kind == RowDifferenceKind.Missing), differences.Count(d => d.Kind == RowDifferenceKind.Changed), differences.Count(d => d.Kind == RowDifferenceKind.Added)),
            ((int)result.Missing, (int)result.Changed, (int)result.Added));
        Assert.Equal(0, result.Written);
        Assert.Equal(before, System.IO.File.ReadAllBytes(box.Database));
    }

    [Theory]
    [InlineData("id IN (1, 2)", "Missing 1, Changed 2")]
    [InlineData("v = 'b'", "Changed 2")]              // holds in the backup only
    [InlineData("v = 'x'", "")]                        // holds in the database only, for a row that the backup has
    [InlineData("v = 'new'", "Added 9")]
    [InlineData("id = (SELECT max(id) FROM t)", "Added 9")]
    [InlineData("t.id = 1 -- only this", "Missing 1")]
    public void A_condition_chooses_rows_of_the_backup_and_rows_that_only_the_database_has(string where, string expected)
    {
        using var box = new RowsSandbox(Plain);
        box.Sql("DELETE FROM t WHERE id = 1; UPDATE t SET v = 'x' WHERE id = 2; INSERT INTO t VALUES (9, 'new')");
        Assert.Equal(expected, string.Join(", ", box.Restore(where: where).Differences.Select(d => $"{d.Kind} {string.Join("/", d.Key.Values)}")));
    }

    [Theory]
    [InlineData("1) OR (1", ErrorIds.ParameterInvalid)]
    [InlineData("1; DELETE FROM t", ErrorIds.ParameterInvalid)]
    [InlineData("1;", ErrorIds.ParameterInvalid)]
    [InlineData("1 ORDER BY 1", ErrorIds.ParameterInvalid)]
    [InlineData("1 UNION SELECT 1", ErrorIds.ParameterInvalid)]
    [InlineData("1 /*", ErrorIds.ParameterInvalid)]
    [InlineData("id = ?", ErrorIds.ParameterInvalid)]
    [InlineData("", ErrorIds.ParameterInvalid)]
    [InlineData("id = load_extension('x')", ErrorIds.ParameterInvalid)]
    [InlineData("id IN (SELECT 1 FROM pragma_journal_mode('wal'))", ErrorIds.ParameterInvalid)]
    [InlineData("idd = 1", ErrorIds.ObjectNotFound)]
    public void What_is_more_than_a_reading_condition_is_refused(string where, string error)
    {
        using var box = new RowsSandbox(Plain);
        Assert.Equal(error, Assert.Throws<DbRecoveryException>(() => box.Restore(where: where)).Id);
    }

    [Fact]
    public void Rows_with_NULL_in_their_key_are_not_matched_where_columns_hide_their_number()
    {
        using var box = new RowsSandbox("CREATE TABLE t(rowid, _rowid_, oid, PRIMARY KEY (oid)); INSERT INTO t VALUES (1, 1, NULL), (2, 2, NULL)");
        Assert.Equal(ErrorIds.RestoreFailed, Assert.Throws<DbRecoveryException>(() => box.Restore()).Id);
    }

    [Fact]
    public void A_column_of_another_type_than_in_the_backup_is_told()
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, code TEXT); INSERT INTO t VALUES (1, '007')");
        box.Sql("DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, code INTEGER); INSERT INTO t VALUES (1, 7)");
        var (result, differences) = box.Restore();
        Assert.Equal(RowDifferenceKind.Changed, Assert.Single(differences).Kind);
        Assert.Contains("code", Assert.Single(result.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_condition_on_a_column_that_was_dropped_still_finds_the_backups_rows()
    {
        using var box = new RowsSandbox("CREATE TABLE t(id INTEGER PRIMARY KEY, v, gone); INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)");
        box.Sql("ALTER TABLE t DROP COLUMN gone; DELETE FROM t WHERE id = 2");
        var (result, differences) = box.Restore(where: "gone = 2");
        Assert.Equal(2L, Assert.Single(differences).Key["id"]);
        Assert.Contains(result.Notes, n => n.Contains("gone", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1), (2, 2)", "2", 1)]
    [InlineData("CREATE TABLE t(id TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('1', 1), ('a,b', 2)", "a,b", 1)]
    [InlineData("CREATE TABLE t(id BLOB PRIMARY KEY, v); INSERT INTO t VALUES (X'01FF', 1), (7, 2)", "X'01ff'", 1)]
    [InlineData("CREATE TABLE t(id BLOB PRIMARY KEY, v); INSERT INTO t VALUES (X'01FF', 1), (7, 2)", "7", 1)]
    [InlineData("CREATE TABLE t(a, b INTEGER, v, PRIMARY KEY (b, a)); INSERT INTO t VALUES ('x', 1, 1), ('x', 2, 2)", "2,x", 1)]
    [InlineData("CREATE TABLE t(v); INSERT INTO t VALUES (5), (6)", "2", 1)]
    [InlineData("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1), (2, 2)", "3", 0)]
    public void A_key_chooses_a_row(string backup, string key, int rows)
    {
        using var box = new RowsSandbox(backup);
        box.Sql("DELETE FROM t");
        var (result, differences) = box.Restore(keys: [[key], [key]]);
        Assert.Equal((rows, (long)rows), (differences.Count, result.RowsInBackup));
        Assert.Equal(rows == 0, result.Notes.Any(n => n.Contains("with the key", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_key_of_the_wrong_number_of_values_is_refused()
    {
        using var box = new RowsSandbox(Plain);
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => box.Restore(keys: [["1", "2"]])).Id);
    }

    [Theory]
    [InlineData("tt")]
    [InlineData("w")]
    [InlineData("f")]
    [InlineData("sqlite_schema")]
    public void What_has_no_rows_of_its_own_is_refused(string name)
    {
        using var box = new RowsSandbox(Plain + "CREATE VIEW w AS SELECT * FROM t; CREATE VIRTUAL TABLE f USING fts5(x);");
        var error = Assert.Throws<DbRecoveryException>(() => box.Restore(name));
        Assert.Equal(ErrorIds.ObjectNotFound, error.Id);
        if (name == "tt")
            Assert.Equal("Did you mean 't'?", error.RecommendedAction);
    }

    [Fact]
    public void A_primary_key_that_is_another_one_now_is_refused()
    {
        using var box = new RowsSandbox(Plain);
        box.Sql("DROP TABLE t; CREATE TABLE t(id, v PRIMARY KEY)");
        Assert.Equal(ErrorIds.RestoreFailed, Assert.Throws<DbRecoveryException>(() => box.Restore()).Id);
    }

    [Fact]
    public void A_table_goes_into_a_file_of_its_own_as_it_was()
    {
        using var box = new RowsSandbox("""
            CREATE TABLE "a ""b"(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT COLLATE NOCASE, g TEXT AS (v || 'x')) STRICT; CREATE UNIQUE INDEX "i ""1" ON "a ""b"(v) WHERE v <> '';
            INSERT INTO "a ""b"(id, v) VALUES (1, 'x'), (50, 'y'), (99, 'z'); DELETE FROM "a ""b" WHERE id = 99;
            CREATE TRIGGER tr AFTER INSERT ON "a ""b" BEGIN SELECT 1; END; CREATE TABLE other(x);
            """, "PRAGMA page_size = 8192; PRAGMA encoding = 'UTF-16be';");
        var (result, _) = box.Restore("A \"B", options: new RowRestoreOptions { Destination = box.File("one.db") });
        Assert.Equal((2L, box.File("one.db")), (result.RowsInBackup, result.Path));
        var rows = box.Rows("a \"b");
        Assert.Equal(rows, box.Rows("a \"b", System.IO.File.ReadAllBytes(box.File("one.db"))));
        var one = box.File("one.db");
        Assert.Equal(8192L, Sandbox.Execute(one, "PRAGMA page_size"));
        Assert.Equal("UTF-16be", Sandbox.Execute(one, "PRAGMA encoding"));
        Assert.Equal("ok", Sandbox.Execute(one, "PRAGMA integrity_check"));
        Assert.Equal(99L, Sandbox.Execute(one, "SELECT seq FROM sqlite_sequence"));
        const string definitions = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT IN ('other', 'sqlite_sequence') ORDER BY name)";
        Assert.Equal(box.Sql(definitions), Sandbox.Execute(one, definitions));
        Assert.Equal(0L, Sandbox.Execute(one, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' OR name = 'other'"));
        Assert.Equal(ErrorIds.TargetExists, Assert.Throws<DbRecoveryException>(() => box.Restore("a \"b", options: new RowRestoreOptions { Destination = one })).Id);
        Assert.Equal(1L, box.Restore("a \"b", where: "id = 50", options: new RowRestoreOptions { Destination = box.File("two.db") }).Result.RowsInBackup);
        Assert.Equal(1L, box.Restore("a \"b", keys: [["1"]], options: new RowRestoreOptions { Destination = box.File("three.db") }).Result.RowsInBackup);
        Assert.Equal(1L, Sandbox.Execute(box.File("three.db"), "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND type = 'table'"));
    }

    [Fact]
    public void The_numbers_of_rows_without_a_key_are_kept_in_a_file_of_its_own()
    {
        using var box = new RowsSandbox("CREATE TABLE t(v UNIQUE); INSERT INTO t(rowid, v) VALUES (5, 'a'), (900, 'b')");
        box.Restore(options: new RowRestoreOptions { Destination = box.File("one.db") });
        Assert.Equal("5,900", Sandbox.Execute(box.File("one.db"), "SELECT group_concat(rowid) FROM t"));
    }
}

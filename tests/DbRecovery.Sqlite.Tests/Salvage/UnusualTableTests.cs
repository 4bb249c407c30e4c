using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Rows;
using DbRecovery.Sqlite.Salvage;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests.Salvage;

/// <summary>Tables and values that SQLite allows and few databases have: each row comes out as it is, type for type.</summary>
public sealed class UnusualTableTests : IDisposable
{
    private readonly Sandbox _box = new();

    public void Dispose() => _box.Dispose();

    public static TheoryData<string> Databases => new()
    {
        "create table t(id integer primary key, a text not null, b blob not null, c); insert into t values (1, '', x'', ''), (2, ' ', x'00', x'')",
        "create table t(a text primary key, b) without rowid; insert into t values ('', 1), ('a', '')",
        "create table t(a integer, b real, c numeric, d text, e blob, f); insert into t values ('9223372036854775808', 9223372036854775807, '1e400', 5, 5, 5), (9007199254740993, 9007199254740993, 9007199254740993, 1.0, 1.0, 1.0), (-0.0, -0.0, -0.0, -0.0, -0.0, -0.0), ('x', 'y', '0x10', x'00', '1', '1.0'), (9e999, -9e999, 1e19, 1e19, 5e-324, -9223372036854775808)",
        "create table t(a int, b int, c int, primary key (b collate nocase desc, a)) without rowid; insert into t values ('x', 'B', 1), ('y', 'b', 2), (1, 'C', 3), (x'00', 2.5, 4), (x'', 'a', 5)",
        "create table t(a text, b text, primary key (a desc, b collate rtrim)) without rowid; with recursive n(i) as (values (1) union all select i + 1 from n where i < 900) insert into t select 'key ' || (i % 70), i || '  ' from n",
        "create table t(a integer primary key, b any, c int not null, d real, e text, f blob) strict; insert into t values (1, '5', 1, 2, '3', x'00'), (2, 5, 2, 2.5, '', x''), (3, 5.0, 3, null, null, null)",
        "create table t(a, b as (a * 2) virtual, c as (a || 'x') stored, d default 'later'); insert into t(a) values (1), (2.5), ('z'); alter table t add column e text not null default 'added'; insert into t(a, e) values (9, '')",
        "create table t(d as (b + 1) stored, b primary key, c as (b) virtual, a) without rowid; insert into t(b, a) values (1, 'x'), (2.5, null), ('s', '')",
        "create table \"t\" (\"a\"\"b\" text, 'c d', [e], `f`); create index \"i\"\"i\" on t(\"a\"\"b\", lower('c d')) where [e] is not null; insert into t values ('1', '2', '3', '4'), ('', null, x'', 0)",
        "create table t(rowid text, a); insert into t values ('mine', 1), ('other', 2)",
        "create table t(rowid text, _rowid_ text, oid text, id integer primary key); insert into t values ('a', 'b', 'c', 5), ('d', 'e', 'f', 9)",
        "create table t(rowid text, _rowid_ text, oid text); insert into t values ('a', 'b', 'c'), ('d', 'e', 'f')",
        "create table t(rowid text, _rowid_ text, oid text, primary key (oid)) without rowid; insert into t values ('a', 'b', 'c'), ('d', 'e', 'f')",
        "pragma encoding = 'UTF-16le'; create table t(a text, b text); insert into t values ('', 'ä€𝄞'), (char(65, 0, 66), char(0xfeff, 65)), ('x', cast(x'00d8' as text)), (cast(x'3dd84100' as text), 'y')",
        "pragma encoding = 'UTF-16be'; create table t(a text primary key, b text) without rowid; insert into t values ('', 'ä€𝄞'), (char(0xffff), ''), (char(0x10000), 'last'), ('x', cast(x'd800' as text))",
        "create table t(a text); insert into t values (cast(x'ff' as text)), (cast(x'6100ff' as text)), (char(0)), (cast(x'eda080' as text))",
        "create table t(a)",
        "pragma page_size = 512; create table t(id integer primary key, v); insert into t values (-9223372036854775808, 'first'), (-1, 'b'), (9223372036854775807, randomblob(40000))",
        "pragma page_size = 65536; create table t(v); insert into t values (zeroblob(200000)), (randomblob(65000)), ('')",
        "pragma auto_vacuum = full; pragma page_size = 512; create table t(v); with recursive n(i) as (values (1) union all select i + 1 from n where i < 700) insert into t select randomblob(300) from n; delete from t where rowid % 2",
    };

    [Theory, MemberData(nameof(Databases))]
    public async Task Each_row_comes_out_as_it_is(string sql)
    {
        var path = Make("app.db", sql);
        var report = await new SqliteSalvager(TimeProvider.System).SalvageAsync(path, _box.File("new.db"), null, default);
        Assert.Equal((true, 0), (report.Tables.Single(t => t.Table == "t").Complete, report.RowsRefused));
        Assert.Empty(report.Problems);
        Assert.Equal(Rows(path), Rows(_box.File("new.db")));
    }

    [Theory, MemberData(nameof(Databases))]
    public async Task Each_row_that_the_backup_lacks_is_added_as_it_is(string sql)
    {
        var path = Make("app.db", sql);
        File.Copy(path, _box.File("restored.db"));
        Sandbox.Execute(_box.File("restored.db"), "delete from t");
        var report = await new SqliteSalvager(TimeProvider.System).AddNewerRowsAsync(path, _box.File("restored.db"), _box.File("rows.jsonl"), null, default);
        if (report.Problems.Any(p => p.Contains("cannot be told apart", StringComparison.Ordinal)))
            Assert.Empty(Rows(_box.File("restored.db")));
        else
            Assert.Equal(Rows(path), Rows(_box.File("restored.db")));
        Assert.Equal(0, report.RowsRefused);
    }

    private string Make(string name, string sql)
    {
        Sandbox.Execute(_box.File(name), sql, create: true);
        return _box.File(name);
    }

    // with the bytes as they are stored: text that is no valid text has no other name
    private static IReadOnlyList<string> Rows(string path)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        var columns = new List<string>();
        using (var info = new Statement(connection, "select name from pragma_table_xinfo('t')"))
            while (info.Step())
                columns.Add(SqlText.Quote((string)info.Value(0).ToObject()!));
        using var rows = new Statement(connection, $"select {string.Join(", ", columns.Select(c => $"typeof({c}), hex({c}), {c}"))} from t");
        var all = new List<string>();
        while (rows.Step())
            all.Add(string.Join(" | ", rows.Values(0, rows.Columns).Select(v => v.ToSql(System.Text.Encoding.UTF8))));
        all.Sort(StringComparer.Ordinal);
        return all;
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Tests;

/// <summary>Random tables, random edits: applied, the table is the backup's; undone, it is what it was.</summary>
public sealed class RowPropertyTests
{
    private const int Rows = 40;
    private static readonly string[] Types = ["", "INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC", "TEXT COLLATE NOCASE"];
    private static readonly string[] Names = ["a", "b c", "q\"uote", "ümlaut", "select", "x]y", "'s'", "rowid", "日本"];

    [ShellTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    public void Applied_it_is_the_backup_and_undone_it_is_what_it_was(int seed)
    {
        var random = new Random(seed);
        var table = Names[random.Next(Names.Length)] + " t";
        var columns = Names.OrderBy(_ => random.Next()).Take(random.Next(2, 6)).ToList();
        var keys = columns.Take(random.Next(0, 3)).ToList();
        var name = SqlText.Quote(table);
        var definitions = columns.Select(c => $"{SqlText.Quote(c)} {Types[random.Next(Types.Length)]}").ToList();
        if (keys.Count > 0)
            definitions.Add($"PRIMARY KEY ({string.Join(", ", keys.Select(SqlText.Quote))})");
        var withoutRowId = keys.Count > 0 && random.Next(2) == 0 ? " WITHOUT ROWID" : "";
        string Insert() => $"INSERT OR IGNORE INTO {name} VALUES ({string.Join(", ", columns.Select((c, i) => Value(random, forKey: i < keys.Count)))});";
        var encoding = random.Next(3) == 0 ? "PRAGMA encoding = 'UTF-16le';" : "";
        using var box = new RowsSandbox($"CREATE TABLE {name} ({string.Join(", ", definitions)}){withoutRowId}; BEGIN; {string.Concat(Enumerable.Range(0, Rows).Select(_ => Insert()))} COMMIT;", encoding);

        var any = $"abs(random()) % 4 = 0";
        box.Sql($"BEGIN; {string.Concat(Enumerable.Range(0, 8).Select(_ => Insert()))} COMMIT");
        var changed = columns[^1];
        if (keys.Count < columns.Count)
            for (var i = 0; i < 5; i++)
                box.Sql($"UPDATE {name} SET {SqlText.Quote(changed)} = {Value(random, forKey: false)} WHERE {any}");
        box.Sql($"DELETE FROM {name} WHERE {any}");
        var before = box.Rows(table);

        var (result, differences) = box.Restore(table, options: RowsSandbox.Everything);
        Assert.Equal(differences.Count, result.Written);
        Assert.Equal(box.BackupRows(table), box.Rows(table));
        Assert.Empty(box.Restore(table).Differences);
        if (result.Written > 0)
            Assert.Equal((0, ""), box.Shell(box.Script));
        Assert.Equal(before, box.Rows(table));
        Assert.Equal("ok", box.Sql("PRAGMA integrity_check"));
    }

    private static string Value(Random random, bool forKey) => random.Next(forKey ? 1 : 0, 8) switch
    {
        0 => "NULL",
        1 => random.NextInt64(long.MinValue + 1, long.MaxValue).ToString(CultureInfo.InvariantCulture),
        2 => random.Next(-100, 100).ToString(CultureInfo.InvariantCulture),
        3 => (random.NextDouble() * Math.Pow(10, random.Next(-200, 200))).ToString("E16", CultureInfo.InvariantCulture),
        4 => $"X'{Convert.ToHexString(Enumerable.Range(0, random.Next(0, 9)).Select(_ => (byte)random.Next(256)).ToArray())}'",
        5 => $"char({string.Join(", ", Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(1, 0xd7ff)))})",
        6 => $"'{new string((char)random.Next('a', 'z'), random.Next(1, 6000))}''{random.Next(100)}'",
        _ => $"'{random.Next(100)}'",
    };
}

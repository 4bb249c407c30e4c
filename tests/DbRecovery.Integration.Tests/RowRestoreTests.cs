using System.Diagnostics;
using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>Tables and rows out of a backup with the executable: beside a live application, killed, and without space.</summary>
public sealed class RowRestoreTests
{
    // the highest id stays: a new order would be given it again, and then be a changed row
    private const string Lose = "DELETE FROM items WHERE order_id % 3 = 0 AND order_id < 2900; DELETE FROM orders WHERE id % 3 = 0 AND id < 2900; UPDATE orders SET status = 'lost' WHERE id % 3 = 1";

    [Fact]
    public void Lost_rows_come_back_and_the_script_takes_them_back()
    {
        using var lab = new Lab(megabytes: 1, journal: "wal");
        lab.DbRecovery(0, "backup", "new", "shop");
        var before = Dump(lab, "SELECT * FROM orders ORDER BY id");
        Sql(lab, Lose);
        var lost = Dump(lab, "SELECT * FROM orders ORDER BY id");

        var compared = lab.DbRecovery(0, "backup", "restore", "shop", "--table", "orders", "--where", "id IN (3, 4)").Objects;
        Assert.Equal(["Missing", "Changed"], compared.Take(2).Select(d => d.GetProperty("kind").GetString()));
        var planned = lab.DbRecovery(0, "backup", "restore", "shop", "--table", "orders", "--apply", "missing,changed", "--plan").Objects;
        Assert.Contains(planned, o => o.TryGetProperty("statements", out var statements) && statements.GetArrayLength() == 2);
        Assert.Equal("ApprovalRequired", lab.DbRecovery(4, "backup", "restore", "shop", "--table", "orders", "--apply", "missing,changed").ErrorId);
        Assert.Equal(lost, Dump(lab, "SELECT * FROM orders ORDER BY id"));

        var undo = Path.Combine(lab.Folder, "undo.sql");
        Assert.True(Result(lab.DbRecovery(0, "backup", "restore", "shop", "--table", "orders", "--apply", "missing,changed", "--undo", undo, "--yes")).GetProperty("written").GetInt64() > 100);
        Assert.Equal(before, Dump(lab, "SELECT * FROM orders ORDER BY id"));
        lab.DbRecovery(0, "backup", "restore", "shop", "--table", "items", "--apply", "missing", "--yes");
        Assert.Equal("ok", Dump(lab, "PRAGMA foreign_key_check; PRAGMA integrity_check"));

        Assert.Equal("TargetExists", lab.DbRecovery(4, "backup", "restore", "shop", "--table", "customers", "--apply", "added", "--yes", "--undo", undo).ErrorId);
        Assert.Equal("ObjectNotFound", lab.DbRecovery(2, "backup", "restore", "shop", "--table", "ordrs").ErrorId);
        Assert.Equal("ParameterInvalid", lab.DbRecovery(2, "backup", "restore", "shop", "--where", "id = 1").ErrorId);
        Assert.Equal("ParameterInvalid", lab.DbRecovery(2, "backup", "restore", "shop", "--table", "orders", "--apply", "all").ErrorId);
        Assert.Empty(lab.Leftovers());
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Beside_a_live_application_nothing_that_it_wrote_is_lost(string journal)
    {
        using var lab = new Lab(megabytes: 1, journal: journal);
        lab.DbRecovery(0, "backup", "new", "shop");
        var before = Dump(lab, "SELECT * FROM orders ORDER BY id");
        Sql(lab, Lose);
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 5, "the application's orders");
        var result = Result(lab.DbRecovery(0, "backup", "restore", "shop", "--table", "orders", "--apply", "missing,changed", "--yes"));
        Assert.True(result.GetProperty("added").GetInt64() > 0, "the application's own rows were seen");
        lab.DbRecovery(0, "backup", "restore", "shop", "--table", "items", "--apply", "missing,changed", "--yes");
        var count = lab.AcknowledgedIds().Count;
        Lab.Until(() => lab.AcknowledgedIds().Count > count + 5, "the application to go on");
        Lab.Stop(writer);
        Assert.Contains("lost 0", lab.Workload("account", lab.Database, lab.Acknowledged), StringComparison.Ordinal);
        var first = lab.AcknowledgedIds().Min(long.Parse);
        Assert.Equal(before, Dump(lab, $"SELECT * FROM orders WHERE id < {first} ORDER BY id"));
        Assert.Equal("ok", Dump(lab, "PRAGMA foreign_key_check; PRAGMA integrity_check"));
    }

    [RootFact]
    public void Without_space_it_is_rolled_back_and_no_script_is_left()
    {
        using var disk = new Small("24m");
        using var lab = new Lab(megabytes: 6);
        var there = lab.MoveDatabaseTo(disk.Folder);
        lab.DbRecovery(0, "backup", "new", "shop");
        Sql(there, "DROP TABLE items");
        var (stopped, rows) = (0, 0L);
        foreach (var leave in new[] { 16L << 10, 128 << 10, 512 << 10, 1 << 20 })
        {
            var filler = disk.Fill(leave);
            var run = lab.Try("backup", "restore", "shop", "--table", "items", "--apply", "missing", "--yes");
            File.Delete(filler);
            Assert.True(run is { ExitCode: 3, ErrorId: "OutOfSpace" }, run.ToString());
            stopped++;
            Assert.Equal("0", Dump(there, "SELECT count(*) FROM sqlite_master WHERE name = 'items'"));
            Assert.Empty(Directory.GetFiles(disk.Folder, "*.sql"));
        }
        disk.Remount("size=80m");
        rows = Result(lab.DbRecovery(0, "backup", "restore", "shop", "--table", "items", "--apply", "missing", "--yes")).GetProperty("written").GetInt64();
        Assert.Equal((4, $"{rows}"), (stopped, Dump(there, "SELECT count(*) FROM items")));
        Assert.Empty(lab.Leftovers());
    }

    [Fact]
    public void A_damaged_blob_is_named_and_no_file_is_left()
    {
        using var lab = new Lab(megabytes: 8);
        lab.DbRecovery(0, "backup", "new", "shop");
        foreach (var pack in Directory.GetFiles(Path.Combine(lab.Repository, "packs"), "*.pack", SearchOption.AllDirectories))
        {
            using var file = new FileStream(pack, FileMode.Open, FileAccess.ReadWrite);
            file.Position = file.Length / 2;
            file.Write(new byte[4096]);
        }
        var run = lab.Try("backup", "restore", "shop", "--table", "items", "--to", Path.Combine(lab.Folder, "items.db"));
        Assert.True(run is { ExitCode: 3, ErrorId: "RepositoryCorrupt" }, run.ToString());
        Assert.False(File.Exists(Path.Combine(lab.Folder, "items.db")));
        Assert.Empty(lab.Leftovers());
    }

    private static JsonElement Result(Lab.Run run) => run.Objects.Single(o => o.TryGetProperty("rowsInBackup", out _));

    private static void Sql(Lab lab, string sql) => Sql(lab.Database, sql);

    private static void Sql(string database, string sql) => Lab.Sqlite(database, sql);

    private static string Dump(Lab lab, string sql) => Dump(lab.Database, sql);

    private static string Dump(string database, string sql) => Lab.Sqlite(database, sql);
}

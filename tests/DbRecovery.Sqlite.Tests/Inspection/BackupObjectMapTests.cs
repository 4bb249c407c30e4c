using DbRecovery.Sqlite.Inspection;

namespace DbRecovery.Sqlite.Tests.Inspection;

public sealed class BackupObjectMapTests : IDisposable
{
    private const int PageSize = 4096;
    private readonly Sandbox _box = new();

    public void Dispose() => _box.Dispose();

    private byte[] Shop(string journal = "delete")
    {
        var path = _box.Create("app.db", "x", journal, rows: 3000);
        Sandbox.Execute(path, """
            CREATE TABLE small(id INTEGER PRIMARY KEY, v);
            INSERT INTO small VALUES (1, 'one');
            CREATE TABLE big(id INTEGER PRIMARY KEY, v);
            INSERT INTO big VALUES (1, zeroblob(100000));
            """);
        if (journal == "wal")
            Sandbox.Execute(path, "PRAGMA wal_checkpoint(TRUNCATE)");
        return File.ReadAllBytes(path);
    }

    private static async Task<IReadOnlyList<string>> ObjectsAsync(byte[] content, params (long Offset, long Length)[] lost)
    {
        var known = new[] { ("table", "t"), ("index", "t_v"), ("table", "small"), ("table", "big") };
        var backup = new BackupOf(content.Length, new BackupEntry { Path = "database", PageSize = PageSize }, content)
        {
            Source = new BackupSourceInfo { EngineVersion = "3", SystemId = "1", DataAsOf = DateTimeOffset.UnixEpoch, Objects = [.. known.Select(o => new DataObject { Type = o.Item1, Name = o.Item2 })] },
        };
        return await new BackupObjectMap().ObjectsInAsync(backup, "database", lost, CancellationToken.None);
    }

    private long RootOf(string name) => ((long)Sandbox.Execute(_box.File("app.db"), $"SELECT rootpage FROM sqlite_master WHERE name='{name}'")! - 1) * PageSize;

    [Theory]
    [InlineData("t", "table t", "delete")]
    [InlineData("t_v", "index t_v", "delete")]
    [InlineData("small", "table small", "wal")]
    [InlineData("big", "table big", "delete")]
    public async Task A_lost_root_hits_its_object_alone(string name, string expected, string journal)
    {
        var content = Shop(journal);
        Assert.Equal([expected], await ObjectsAsync(content, (RootOf(name), PageSize)));
    }

    [Fact]
    public async Task A_lost_overflow_page_hits_the_table_whose_row_it_holds()
    {
        var content = Shop();
        Assert.Equal(["table big"], await ObjectsAsync(content, (content.Length - 3 * PageSize, PageSize)));
    }

    [Fact]
    public async Task Part_of_a_page_is_enough_and_ranges_may_hit_several()
    {
        var content = Shop();
        Assert.Equal(["table big", "table small"], await ObjectsAsync(content, (RootOf("small") + 17, 1), (RootOf("big") + PageSize - 1, 1)));
    }

    [Fact]
    public async Task Where_the_schema_is_lost_no_object_is_excluded()
    {
        var content = Shop();
        Assert.Equal(["index t_v", "table big", "table small", "table t"], await ObjectsAsync(content, (0, PageSize)));
    }

    [Fact]
    public async Task Nothing_lost_hits_nothing()
    {
        Assert.Empty(await ObjectsAsync(Shop()));
    }
}

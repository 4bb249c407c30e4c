using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Tests.Observation;

public sealed class DamagedObjectsTests
{
    [Theory]
    [InlineData("delete", "people", "table people: page ")]
    [InlineData("wal", "people", "table people: page ")]
    [InlineData("delete", "people_by_name", "index people_by_name: page ")]
    [InlineData("delete", "pairs", "table pairs: page ")]
    public async Task The_object_of_a_damaged_page_is_named(string journal, string victim, string named)
    {
        using var box = new LookSandbox();
        box.Create(journal);
        var page = LeafOf(box, victim);
        box.Overwrite((page - 1) * 4096, Enumerable.Repeat((byte)0x77, 4096).ToArray());
        var before = box.Tree();

        var seen = await box.Observe(ObservationLevel.Deep);

        Assert.Equal(before, box.Tree());
        Assert.All(seen.Facts.List(SqliteFacts.DamagedObjects)!, line => Assert.StartsWith(named, line, StringComparison.Ordinal));
        Assert.Contains(seen.Facts.List(SqliteFacts.DamagedObjects)!, line => line.StartsWith($"{named}{page} ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_page_that_hangs_together_but_has_broken_content_is_named_too()
    {
        using var box = new LookSandbox();
        box.Create();
        var page = LeafOf(box, "people");
        // two cell pointers exchanged: the rows are no longer in order
        var bytes = File.ReadAllBytes(box.Database).AsSpan((int)(page - 1) * 4096, 4096).ToArray();
        box.Overwrite((page - 1) * 4096 + 8, [bytes[10], bytes[11], bytes[8], bytes[9]]);
        var seen = await box.Observe(ObservationLevel.Deep);
        Assert.Contains(seen.Facts.List(SqliteFacts.DamagedObjects)!, line => line.StartsWith($"table people: page {page} ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(ObservationLevel.Quick, true)]
    [InlineData(ObservationLevel.Standard, false)]
    public async Task A_sound_database_has_none_and_an_unchecked_one_is_unknown(ObservationLevel level, bool unknown)
    {
        using var box = new LookSandbox();
        box.Create();
        var seen = await box.Observe(level);
        Assert.Equal(unknown, seen.Facts.List(SqliteFacts.DamagedObjects) is null);
        if (!unknown)
            Assert.Empty(seen.Facts.List(SqliteFacts.DamagedObjects)!);
    }

    private static uint LeafOf(LookSandbox box, string name)
    {
        using var file = LiveImage.Open(box.Database);
        var first = new byte[SqliteHeader.Size];
        file.Read(0, first);
        var index = PageScan.Read(file, SqliteHeader.TryParse(first)!, null, default);
        using var connection = SqliteConnections.OpenReadOnly(box.Database, TimeSpan.Zero);
        var root = ObjectCatalog.ReadSchema(connection).Where(r => r.RootPage > 0).Single(r => r.Name == name).RootPage;
        return index.Walk(root).Pages[^2];
    }
}

using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>A disk that gives an error for a part of an object: that part is damaged, and nothing else.</summary>
public sealed class BadSectorTests : BackupFixture
{
    private readonly RepositoryCare _care;
    private readonly string[] _bad = [""];
    private (long From, long To) _sector = (0, long.MaxValue);

    public BadSectorTests()
    {
        _care = new RepositoryCare(_ => Database, null, ZstdLibrary.Instance, StorageOf);
        Service = new BackupService(_ => Database, null, new BackupServiceOptions { ScratchFolder = Path.Combine(Root, "scratch"), PackSize = 1 << 20 }, ZstdLibrary.Instance, StorageOf);
        Database.Files["data.db"] = Noise(900_000, 1);
    }

    private IRepositoryStorage StorageOf(RepositoryDefinition repository) => new HookedStorage(new DirectoryStorage(repository.Path))
    {
        IsBad = (key, first, last) => key.StartsWith(_bad[0], StringComparison.Ordinal) && _bad[0].Length > 0 && OperatingSystem.IsLinux() && first <= _sector.To && last >= _sector.From,
    };

    private Task<RepositoryReport> TestAsync() => _care.TestAsync(Repository, ScrubDepth.New, null, CancellationToken.None);

    private string BreakOne(string folder)
    {
        var file = Keys(folder)[0];
        _bad[0] = Path.GetRelativePath(Repository.Path, file);
        return file;
    }

    [Theory]
    [InlineData("index")]
    [InlineData("scrub")]
    [InlineData("tests")]
    public async Task What_no_restore_needs_holds_up_nothing(string folder)
    {
        if (!OperatingSystem.IsLinux())
            return; // the error is made by Linux
        var backup = await BackUpAsync();
        await ProveAsync(backup);
        await TestAsync();
        BreakOne(folder);
        if (folder == "scrub")
            _bad[0] = "scrub/";

        await RestoreAsync(backup);
        AssertRestored();
        var damaged = new List<DbRecoveryException>();
        Assert.Equal(backup.Id, (await ListAsync(damaged: damaged)).Single().Id);
        Assert.Equal(folder == "tests" ? 1 : 0, damaged.Count);
        Database.Files["data.db"][5]++;
        Assert.Equal(backup.Id, (await IncrementAsync()).Parent);
        Assert.Contains((await TestAsync()).Damage, d => d.Key.StartsWith(folder, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(400_000)]
    [InlineData(-1)]
    public async Task A_pack_with_one_is_named_and_a_new_backup_rests_on_none_of_it(int at)
    {
        if (!OperatingSystem.IsLinux())
            return; // the error is made by Linux
        Database.Files["before.db"] = Rows(200_000, 2);
        var backup = await BackUpAsync();
        var pack = BreakOne("packs");
        var size = new FileInfo(pack).Length;
        _sector = at < 0 ? (size - 1, size) : at == 0 ? (0, PackFormat.HeaderSize - 1) : (at, at + 511);

        var damage = Assert.Single((await TestAsync()).Damage);
        Assert.Equal((_bad[0], RepositoryObjectKind.Pack), (damage.Key, damage.Kind));
        Assert.Equal(at == 400_000 ? [backup.Id] : [], damage.Backups);
        if (at == 400_000)
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));
            Assert.Equal(ErrorIds.RepositoryCorrupt, error.Id);
        }
        else
        {
            await RestoreAsync(backup);
            AssertRestored();
        }

        // another pack than the bad one: the very same bytes would take its place, on good sectors
        Database.Files["added.db"] = Rows(50_000, 3);
        var next = await BackUpAsync();

        await RestoreAsync(next, "next");
        AssertRestored("next");
    }

    [Fact]
    public async Task A_pack_that_cannot_be_read_is_moved_away_with_all_its_bytes()
    {
        if (!OperatingSystem.IsLinux())
            return; // the error is made by Linux
        Database.Files["before.db"] = Rows(200_000, 2);
        var backup = await BackUpAsync();
        var pack = BreakOne("packs");
        var bytes = File.ReadAllBytes(pack);
        _sector = (400_000, 400_511);

        var result = await _care.RepairAsync(Repository, null, false, false, null, CancellationToken.None);

        Assert.True(result is { BlobsRescued: > 0, BlobsLost: > 0 });
        var kept = Path.Combine(Repository.Path, "quarantine", Path.GetFileName(pack));
        Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(kept)));
        // the disk was only unwell for a while: nothing was lost by it
        _bad[0] = "";
        File.Move(kept, pack);
        Assert.True((await ProveAsync(backup)).Passed);
    }
}

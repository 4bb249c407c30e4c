using System.Runtime.InteropServices;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>What is not there is told from what cannot be looked at, and nothing outside of a repository is touched.</summary>
public sealed partial class DirectoryStorageTests : UpkeepFixture
{
    private DirectoryStorage Storage => new(Repository.Path);

    [Theory]
    [InlineData(10)]
    [InlineData(200_000)]
    public async Task An_object_that_is_replaced_while_it_is_read_is_the_old_or_the_new(int length)
    {
        byte[] old = Noise(100_000, 1), young = Noise(length, 2);
        await Storage.PutAsync("scrub/x", old, PutMode.Replace, CancellationToken.None);
        var once = 0;
        var torn = new HookedStorage(Storage)
        {
            AfterStat = async _ =>
            {
                if (once++ == 0)
                    await Storage.PutAsync("scrub/x", young, PutMode.Replace, CancellationToken.None);
            },
        };

        Assert.Equal(young, await torn.GetAsync("scrub/x", 1 << 20, CancellationToken.None));
    }

    [Fact]
    public async Task What_cannot_be_looked_at_is_not_missing()
    {
        await Storage.PutAsync("scrub/x", new byte[1], PutMode.Replace, CancellationToken.None);
        Assert.Null(await Storage.StatAsync("scrub/y", CancellationToken.None));
        Assert.Null(await Storage.StatAsync("none/y", CancellationToken.None));
        Assert.Null(await Storage.StatAsync("scrub/x/y", CancellationToken.None));
        // no file has such a name, and the system says so in another way than that there is none
        await Assert.ThrowsAsync<DbRecoveryException>(() => Storage.StatAsync(new string('x', 300), CancellationToken.None));
    }

    [Fact]
    public async Task A_folder_that_is_a_link_to_nowhere_is_not_empty()
    {
        if (OperatingSystem.IsWindows())
            return; // links need a privilege there
        Database.Files["data.db"] = Noise(900_000, 1);
        await TakeAsync();
        var (folder, elsewhere) = (Path.Combine(Repository.Path, "backups"), Path.Combine(Root, "other-disk"));
        Directory.Move(folder, elsewhere);
        Directory.CreateSymbolicLink(folder, elsewhere);
        Assert.Equal(1, await AssertAllRestoreAsync("on another disk"));
        Directory.Move(elsewhere, elsewhere + "-not-mounted");
        var packs = Keys("packs");

        await Assert.ThrowsAsync<DbRecoveryException>(() => PruneAsync());
        await Assert.ThrowsAsync<DbRecoveryException>(() => ListAsync());

        Assert.Equal(packs, Keys("packs"));
        Directory.Move(elsewhere + "-not-mounted", elsewhere);
        await PruneAsync();
        Assert.Equal(1, await AssertAllRestoreAsync("mounted again"));
    }

    [Fact]
    public async Task What_a_link_in_a_repository_leads_to_is_not_the_repositorys()
    {
        if (OperatingSystem.IsWindows())
            return; // links need a privilege there
        Database.Files["data.db"] = Noise(900_000, 1);
        await TakeAsync();
        var outside = Path.Combine(Root, "outside");
        Directory.CreateDirectory(outside);
        var file = Path.Combine(outside, "thesis.txt");
        File.WriteAllText(file, "nothing of a repository");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-30));
        Directory.CreateDirectory(Path.Combine(Repository.Path, "tmp"));
        Directory.CreateSymbolicLink(Path.Combine(Repository.Path, "tmp", "out"), outside);
        Directory.CreateSymbolicLink(Path.Combine(Repository.Path, "backups", "out"), outside);
        Directory.CreateSymbolicLink(Path.Combine(Repository.Path, "packs", "round"), Repository.Path);

        await TakeAsync();
        await PruneAsync();

        Assert.True(File.Exists(file));
        Assert.Equal(2, await AssertAllRestoreAsync());
    }

    [Fact]
    public async Task A_note_that_somebody_put_beside_the_backups_stays()
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        await TakeAsync();
        var note = Path.Combine(Repository.Path, "backups", "whose-these-are.txt");
        File.WriteAllText(note, "ours");
        File.SetLastWriteTimeUtc(note, DateTime.UtcNow.AddDays(-30));

        await PruneAsync();

        Assert.True(File.Exists(note));
    }

    [Fact]
    public void A_name_that_was_given_though_the_answer_was_lost_is_given()
    {
        if (!OperatingSystem.IsLinux())
            return; // which file a name is of is known there alone
        var (from, to) = (Path.Combine(Root, "from"), Path.Combine(Root, "to"));
        File.WriteAllText(from, "x");
        // a network file system asks again, and the second answer is that the name is taken
        Assert.Equal(0, Link(from, to));

        Assert.True(DurableFile.MoveIfAbsent(from, to));

        Assert.False(File.Exists(from));
        File.WriteAllText(from, "x");
        Assert.False(DurableFile.MoveIfAbsent(from, to));
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);
}

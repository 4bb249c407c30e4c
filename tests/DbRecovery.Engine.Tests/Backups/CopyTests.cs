using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class CopyTests : CareFixture
{
    [Fact]
    public async Task A_copy_has_the_same_id_and_the_same_bytes_and_no_proof()
    {
        Database.Files["data.db"] = Rows(2_300_000, 1);
        Database.Files["sub/noise.db"] = Noise(300_001, 2);
        var backup = await BackUpAsync();
        await ProveAsync(backup);

        var copy = await CopyAsync(backup);

        Assert.Equal((backup.Id, false, 0), (copy.BackupId, copy.Skipped, copy.BlobsShared));
        var there = Assert.Single(await Service.ListAsync(Other, new BackupFilter(), null, CancellationToken.None));
        Assert.Null(there.Proof);
        Assert.Equal((backup.Id, backup.SizeBytes, backup.FinishedAt), (there.Id, there.SizeBytes, there.FinishedAt));
        Directory.Delete(Repository.Path, recursive: true);
        Assert.True((await ProveAsync(there)).Passed);
        await RestoreAsync(there);
        AssertRestored();
        Assert.True((await Care.TestAsync(Other, ScrubDepth.Decode, null, CancellationToken.None)).Passed);
    }

    [Fact]
    public async Task Only_what_is_missing_is_copied_and_what_is_there_is_skipped()
    {
        Database.Files["data.db"] = Noise(3_000_000, 1);
        var first = await BackUpAsync();
        await CopyAsync(first);
        Database.Files["data.db"][10] ^= 1;
        var second = await BackUpAsync();

        var copy = await CopyAsync(second);
        // a blob of data and one of page hashes
        Assert.Equal((2, 2), (copy.BlobsCopied, copy.BlobsShared));
        var again = await CopyAsync(second);

        Assert.True(again.Skipped);
        Assert.Equal(0, again.BlobsCopied);
    }

    [Fact]
    public async Task What_standard_tools_can_read_stays_so_where_the_destination_has_it_in_another_way()
    {
        Database.Files["data.db"] = Rows(900_000, 1);
        await CopyAsync(await BackUpAsync());
        var portable = await Service.CreateAsync(RequestOf() with { Portable = true }, null, CancellationToken.None);

        var copy = await CopyAsync(portable);

        await AssertPortableAsync(copy.Backup!);
    }

    [Fact]
    public async Task A_damaged_source_is_not_copied_and_leaves_no_backup()
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        var backup = await BackUpAsync();
        Damage(FileOf("packs"), 0.5);

        Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(() => CopyAsync(backup))).Id);

        Assert.Empty(await Service.ListAsync(Other, new BackupFilter(), null, CancellationToken.None));
        Assert.Empty(Directory.GetFiles(Path.Combine(Other.Path, "sessions")));
    }

    [Fact]
    public async Task A_copy_never_rests_on_a_damaged_pack_of_the_destination()
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        var first = await BackUpAsync();
        await CopyAsync(first);
        Database.Files["more.db"] = Noise(300_000, 2);
        var second = await BackUpAsync();
        Damage(Directory.GetFiles(Path.Combine(Other.Path, "packs"), "*.pack", SearchOption.AllDirectories).Single(), 0.5);

        var copy = await CopyAsync(second);

        Assert.Equal(0, copy.BlobsShared);
        Assert.True((await Service.TestAsync(copy.Backup, null, CancellationToken.None)).Passed);
    }

    [Fact]
    public async Task A_backup_is_not_copied_onto_itself()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        var backup = await BackUpAsync();
        Assert.Equal(ErrorIds.ParameterInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => Care.CopyAsync(backup, Repository, null, CancellationToken.None))).Id);
    }
}

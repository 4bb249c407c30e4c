using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class RepackTests : UpkeepFixture
{
    /// <summary>Two backups whose packs are mostly the first one's, and the first is removed.</summary>
    private async Task<BackupInfo> MostlyDeadAsync()
    {
        Service = ServiceOf(packSize: 4 << 20);
        for (var i = 0; i < 8; i++)
            Database.Files[$"{i}.db"] = Noise(700_000, i);
        var old = await TakeAsync();
        for (var i = 0; i < 8; i++)
            if (i % 4 != 0)
                Database.Files[$"{i}.db"] = Noise(700_000, 100 + i);
        var kept = await TakeAsync();
        await RemoveAsync(old);
        return kept;
    }

    [Fact]
    public async Task Packs_that_are_mostly_dead_are_written_anew_without_the_database()
    {
        var kept = await MostlyDeadAsync();
        var before = Keys("packs").Sum(p => new FileInfo(p).Length);
        Database.Files.Clear();

        var result = await PruneAsync(AtOnce with { Repack = true });

        Assert.True(result.RepackedPacks > 0 && result.RewrittenBackups == 1);
        var after = Keys("packs").Sum(p => new FileInfo(p).Length);
        Assert.True(after < before - 2_000_000, $"{before} -> {after}");
        Assert.InRange(after, 8 * 700_000, 8 * 700_000 + 100_000);
        Assert.Equal(1, await AssertAllRestoreAsync());
        Assert.True((await ProveAsync(kept)).Passed);
        Assert.Equal(0, (await PruneAsync(AtOnce with { Repack = true })).RepackedPacks);
        Assert.Empty(Keys("trash"));
        AssertClean();
    }

    [Fact]
    public async Task A_backup_that_is_written_anew_while_it_is_tested_is_proved_by_the_packs_that_it_is_in_now()
    {
        var kept = await MostlyDeadAsync();
        PruneResult? repack = null;
        Database.OnInspect = async () => repack = await PruneAsync(AtOnce with { Repack = true });

        var proof = (await ProveAsync(kept)).Proof;

        Assert.True(repack!.RewrittenBackups > 0);
        Assert.True(proof.Passed, string.Join("; ", proof.Checks));
    }

    [Fact]
    public async Task A_backup_that_is_removed_while_it_is_tested_is_not_said_to_be_damaged()
    {
        var kept = await MostlyDeadAsync();
        Database.Files["data.db"] = Noise(10_000, 77);
        await TakeAsync();
        Database.OnInspect = () => RemoveAsync(kept);

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => ProveAsync(kept));

        Assert.Equal(ErrorIds.BackupNotFound, error.Id);
        Assert.DoesNotContain(Keys("tests"), k => k.Contains(kept.Id));
    }

    [Fact]
    public async Task Many_small_packs_become_few()
    {
        for (var i = 0; i < 10; i++)
        {
            Database.Files["small.db"] = Noise(20_000, i);
            await TakeAsync();
        }
        Assert.Equal(10, Keys("packs").Count);

        await PruneAsync(AtOnce with { Repack = true });

        Assert.Single(Keys("packs"));
        Assert.Equal(10, await AssertAllRestoreAsync());
    }

    [Fact]
    public async Task What_standard_tools_can_read_stays_so_also_where_another_pack_has_it_in_another_way()
    {
        Database.Files["shared.db"] = Rows(20_000, 1);
        Database.Files["large.db"] = Noise(700_000, 2);
        await TakeAsync();
        Database.Files.Remove("large.db");
        for (var i = 0; i < 8; i++)
        {
            Database.Files["small.db"] = Rows(20_000, 10 + i);
            await TakeAsync();
            await TakeAsync(portable: true);
        }

        await PruneAsync(AtOnce with { Repack = true });

        Assert.Equal(2, Keys("packs").Count);
        foreach (var backup in (await ListAsync()).Where(b => b.Portable))
            await AssertPortableAsync(backup);
        Assert.Equal(17, await AssertAllRestoreAsync());
    }

    [Fact]
    public async Task A_blob_that_cannot_be_read_stops_a_repack_before_anything_changed()
    {
        var kept = await MostlyDeadAsync();
        var content = (BackupContent)await Service.OpenAsync(kept, CancellationToken.None);
        var pack = content.Manifest.References().First(r => content.Manifest.Packs.Count > 1).Pack;
        BackupRoundTripTests.Flip(Path.Combine(Repository.Path, PackFormat.Key(pack)), 200_000);
        var before = Keys(".");

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => PruneAsync(AtOnce with { Repack = true }));

        Assert.Equal((ErrorIds.RepositoryCorrupt, PackFormat.Key(pack)), (error.Id, error.Target));
        Assert.Equal(before, Keys("."));
    }

    [Fact]
    public async Task A_file_in_many_pieces_is_put_together_and_stays_what_it_was()
    {
        var data = Noise(3 << 20, 1);
        Database.Files["data.db"] = data;
        var first = await TakeAsync();
        await ScatterAsync(first);
        var proof = await ProveAsync(first);
        Assert.True(proof.Passed);

        var result = await PruneAsync(AtOnce with { MergeRuns = true });

        Assert.Equal(1, result.RewrittenBackups);
        var manifest = ((BackupContent)await Service.OpenAsync(first, CancellationToken.None)).Manifest;
        Assert.Equal(3, manifest.Entries.Single().Runs.Count);
        Assert.Equal(1, await AssertAllRestoreAsync());
        Assert.True((await ProveAsync(first)).Passed);
        Assert.Equal(0, (await PruneAsync(AtOnce with { MergeRuns = true })).RewrittenBackups);
    }

    /// <summary>Cuts a backup's runs into pieces of 64 KiB, as increments do.</summary>
    private async Task ScatterAsync(BackupInfo backup)
    {
        var content = (BackupContent)await Service.OpenAsync(backup, CancellationToken.None);
        var entry = content.Manifest.Entries.Single();
        var pieces = entry.Runs.SelectMany(r => Enumerable.Range(0, (int)(r.Length / 65536)).Select(i =>
            r with { FileOffset = r.FileOffset + i * 65536L, Length = 65536, OffsetInBlob = r.OffsetInBlob + i * 65536 })).ToList();
        Assert.Equal(48, pieces.Count);
        await ManifestStore.WriteAsync(content.Repository, content.Manifest with { Entries = [entry with { Runs = pieces }] }, CancellationToken.None, PutMode.Replace);
    }
}

using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class RepairTests : CareFixture
{
    public static TheoryData<string, double> Damages() => DamagesOf(
        ["packs", "index", "manifest", "tests", "repo.json", "repo.copy.json", "scrub", "RESTORE-BY-HAND.md"],
        kind => kind == "packs" ? [0.0, 0.4, 0.999999, -1, -2] : [0.4, -2]);

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task With_a_second_repository_every_damage_is_mended(string kind, double where)
    {
        Database.Files["data.db"] = Noise(2_300_000, 1);
        Database.Files["small.db"] = Rows(10_000, 2);
        var backup = await BackUpAsync();
        await ProveAsync(backup);
        await CopyAsync(backup);
        await TestAsync();
        Damage(FileOf(kind), where);

        var result = await RepairAsync(fromOther: true);

        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.Equal(0, result.BlobsLost);
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        // what is gone without a trace is not known to have been there
        if (kind == "manifest" && where == -2)
            return;
        await RestoreAsync(backup);
        AssertRestored();
        Assert.Empty(Keys("sessions"));
        Assert.Empty(Keys("tmp"));
        Assert.Empty((await RepairAsync(fromOther: true)).Actions);
    }

    [Fact]
    public async Task Where_two_packs_have_a_blob_each_backup_keeps_its_own()
    {
        Database.Files["data.db"] = Rows(900_000, 1);
        await BackUpAsync();
        var portable = await Service.CreateAsync(RequestOf() with { Portable = true }, null, CancellationToken.None);

        Assert.Empty((await RepairAsync()).Actions);

        await AssertPortableAsync(portable);
    }

    [Fact]
    public async Task A_portable_backup_that_lives_on_by_another_ones_blobs_is_portable_no_longer()
    {
        Database.Files["data.db"] = Rows(900_000, 1);
        await BackUpAsync();
        var others = Keys("packs");
        var portable = await Service.CreateAsync(RequestOf() with { Portable = true }, null, CancellationToken.None);
        foreach (var pack in Keys("packs").Except(others))
            File.Delete(pack);

        var result = await RepairAsync();

        Assert.True(result.Passed, string.Join("; ", result.Damage) + string.Join("; ", result.Actions));
        var after = (await ListAsync()).Single(b => b.Id == portable.Id);
        Assert.False(after.Portable);
        Assert.NotEmpty(after.Notes);
        await RestoreAsync(after);
        AssertRestored();
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(0.999999)]
    [InlineData(-1)]
    public async Task A_bad_pack_goes_to_quarantine_as_it_is_and_what_is_unharmed_in_it_is_kept(double where)
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        Database.Files["before.db"] = Rows(200_000, 2);
        await BackUpAsync();
        var pack = FileOf("packs");
        Damage(pack, where);
        var bad = File.ReadAllBytes(pack);

        var plan = await RepairAsync(plan: true);
        var result = await RepairAsync();

        Assert.Equal(bad, File.ReadAllBytes(Path.Combine(Repository.Path, "quarantine", Path.GetFileName(pack))));
        Assert.Equal((plan.BlobsRescued, plan.BlobsLost), (result.BlobsRescued, result.BlobsLost));
        Assert.Equal(plan.Actions.Select(a => (a.Kind, a.Key)), result.Actions.Select(a => (a.Kind, a.Key)));
        Assert.Equal(result.BlobsLost == 0, result.Passed);
        Assert.True(result.BlobsRescued > 0);
    }

    [Fact]
    public async Task What_a_killed_repair_stored_and_did_not_index_is_indexed_by_the_next()
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        Database.Files["small.db"] = Rows(10_000, 2);
        var backup = await BackUpAsync();
        await CopyAsync(backup);
        Damage(FileOf("packs"), 0.4);
        var killed = new RepositoryCare(_ => Database, null, ZstdLibrary.Instance, r => new HookedStorage(new DirectoryStorage(r.Path))
        {
            AfterCommit = key => key.StartsWith("packs/", StringComparison.Ordinal) ? throw new OperationCanceledException("killed") : Task.CompletedTask,
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => killed.RepairAsync(Repository, Other, false, false, null, CancellationToken.None));
        Assert.Equal(2, Keys("packs").Count);

        var result = await RepairAsync(fromOther: true);

        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.Empty((await RepairAsync(fromOther: true)).Actions);
    }

    [Fact]
    public async Task A_later_backup_that_stores_the_same_again_makes_the_old_one_whole()
    {
        Database.Files["data.db"] = Noise(900_000, 1);
        var old = await BackUpAsync();
        File.Delete(FileOf("packs"));
        var next = await BackUpAsync();
        // the very same bytes make the very same pack: the old one is whole without a repair
        Assert.True((await TestAsync()).Passed);
        foreach (var pack in Keys("packs"))
            Damage(pack, 0.5);
        Database.Files["first.db"] = Noise(100_000, 9);
        var third = await BackUpAsync();

        var report = await TestAsync();
        Assert.Equal(new[] { old.Id, next.Id }.Order(), report.Damage.Single().Backups);
        var result = await RepairAsync();

        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.True((await ProveAsync(old)).Passed);
        Assert.True((await ProveAsync(next)).Passed);
        Assert.True((await ProveAsync(third)).Passed);
    }

    [Fact]
    public async Task Pages_that_another_backup_still_has_fill_in_what_is_lost()
    {
        var data = Noise(1 << 20, 1);
        Database.Files["data.db"] = data;
        var old = await BackUpAsync();
        var original = (byte[])data.Clone();
        var packs = Keys("packs");
        // the same pages in blobs cut at other places, and one page that differs from the lost one and comes back
        Database.Files["data.db"] = [.. data, .. Noise(4096, 2)];
        Database.Files["data.db"][5000] ^= 1;
        await BackUpAsync();
        data[900_000] ^= 1;
        Database.Files["data.db"] = data;
        await BackUpAsync();
        File.Delete(packs[0]);

        var result = await RepairAsync();

        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.Equal(1, result.BlobsRefilled);
        Database.Files["data.db"] = original;
        await RestoreAsync(old);
        AssertRestored();
    }

    [Fact]
    public async Task What_is_nowhere_stays_named_and_nothing_else_is_lost()
    {
        Database.Files["data.db"] = Noise(2_500_000, 1);
        Database.Files["zz.db"] = Rows(50_000, 2);
        var backup = await BackUpAsync();
        File.Delete(Keys("packs")[0]);

        var result = await RepairAsync();

        Assert.False(result.Passed);
        Assert.True(result.BlobsLost > 0);
        Assert.Contains(result.Damage, d => d.Backups.Contains(backup.Id) && d.Objects.Count > 0);
        Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup))).Id);
        Assert.False(Path.Exists(Path.Combine(Root, "restored")));
    }

    [Fact]
    public async Task A_header_without_a_copy_is_worked_out_only_where_it_is_sure()
    {
        Database.Files["data.db"] = Noise(100_000, 1);
        var backup = await BackUpAsync();
        var id = SealedDocument.Read<RepositoryHeader>(File.ReadAllBytes(FileOf("repo.json")))!.RepoId;
        File.Delete(FileOf("repo.json"));
        File.Delete(FileOf("repo.copy.json"));

        Assert.True((await RepairAsync()).Passed);
        Assert.Equal(id, SealedDocument.Read<RepositoryHeader>(File.ReadAllBytes(FileOf("repo.json")))!.RepoId);
        await RestoreAsync(backup);
        AssertRestored();

        File.Delete(FileOf("repo.json"));
        File.Delete(FileOf("repo.copy.json"));
        Damage(FileOf("manifest"), 0.5);
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RepairAsync());
        Assert.Equal((ErrorIds.RepositoryCorrupt, "repo.json"), (error.Id, error.Target));
        Assert.False(File.Exists(Path.Combine(Repository.Path, "repo.json")));
    }

    [Fact]
    public async Task A_repository_is_not_repaired_from_itself()
    {
        Database.Files["data.db"] = Noise(100_000, 1);
        await BackUpAsync();
        Assert.Equal(ErrorIds.ParameterInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => Care.RepairAsync(Repository, Repository, false, false, null, CancellationToken.None))).Id);
    }
}

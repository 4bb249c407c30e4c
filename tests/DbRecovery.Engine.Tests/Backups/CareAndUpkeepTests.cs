using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>Checks, repairs, removals and increments on the same repository: what one does, the others understand.</summary>
public sealed class CareAndUpkeepTests : CareFixture
{
    private const int Page = 4096;
    private static readonly UpkeepOptions AtOnce = new() { Grace = TimeSpan.Zero, PackSize = 1 << 20 };
    private readonly RepositoryUpkeep _upkeep = new();

    [Fact]
    public async Task A_damaged_manifest_that_nobody_has_is_given_up_and_removal_goes_on()
    {
        Database.Files["data.db"] = Noise(600_000, 1);
        var lost = await BackUpAsync();
        Database.Files["data.db"] = Noise(600_000, 2);
        var old = await BackUpAsync();
        Database.Files["data.db"] = Noise(600_000, 3);
        var kept = await BackUpAsync();
        BackupRoundTripTests.Flip(ManifestFile(lost), 300);
        var bad = File.ReadAllBytes(ManifestFile(lost));
        await Assert.ThrowsAsync<DbRecoveryException>(() => RemoveAsync(old));
        Assert.DoesNotContain((await RepairAsync()).Actions, a => a.Kind == RepositoryRepairKind.GiveUpBackup);
        Assert.True(File.Exists(ManifestFile(lost)));

        var plan = await RepairAsync(plan: true, giveUp: true);
        Assert.True(File.Exists(ManifestFile(lost)));
        var result = await RepairAsync(giveUp: true);

        var given = Assert.Single(result.Actions, a => a.Kind == RepositoryRepairKind.GiveUpBackup);
        Assert.Equal(plan.Actions.Select(a => (a.Kind, a.Key)), result.Actions.Select(a => (a.Kind, a.Key)));
        Assert.Contains($"{lost.Id} of {lost.StartedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z", given.Text, StringComparison.Ordinal);
        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.Equal(bad, File.ReadAllBytes(Assert.Single(Keys("quarantine"))));
        await RemoveAsync(old);
        Assert.Equal(kept.Id, Assert.Single(await ListAsync()).Id);
        Assert.Single(Keys("packs"));
        Assert.Single(Keys("quarantine"));
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        await RestoreAsync(kept);
        AssertRestored();
    }

    [Fact]
    public async Task A_manifest_of_a_newer_version_is_not_given_up()
    {
        Database.Files["data.db"] = Noise(100_000, 1);
        var backup = await BackUpAsync();
        var newer = SealedDocument.Read<BackupManifest>(File.ReadAllBytes(ManifestFile(backup)))! with { Format = RepositoryHeader.CurrentFormat + 1 };
        File.WriteAllBytes(ManifestFile(backup), SealedDocument.Write(newer));

        Assert.Empty((await RepairAsync(giveUp: true)).Actions);
        Assert.True(File.Exists(ManifestFile(backup)));
    }

    [Fact]
    public async Task A_manifest_whose_copy_is_damaged_too_stays_where_it_is_named()
    {
        Database.Files["data.db"] = Noise(600_000, 1);
        var backup = await BackUpAsync();
        await CopyAsync(backup);
        foreach (var pack in Directory.GetFiles(Path.Combine(Other.Path, "packs"), "*.pack", SearchOption.AllDirectories).Concat(Keys("packs")))
            BackupRoundTripTests.Flip(pack, 5000);
        BackupRoundTripTests.Flip(ManifestFile(backup), 300);

        var result = await RepairAsync(fromOther: true);

        Assert.Contains(result.Damage, d => d.Kind == RepositoryObjectKind.Manifest && d.Backups.Contains(backup.Id));
        Assert.True(File.Exists(ManifestFile(backup)));
    }

    [Fact]
    public async Task What_a_check_found_damaged_is_stored_again_by_the_next_increment_and_a_repair_makes_the_old_backup_whole()
    {
        Database.Files["data.db"] = Noise(4 << 20, 1);
        var parent = await BackUpAsync();
        var manifest = await ManifestOfAsync(parent);
        Assert.NotEqual(manifest.Entries[0].Runs[1].Pack, manifest.Entries[0].PageHashes!.Base[0].Pack);
        BackupRoundTripTests.Flip(PackFile(manifest.Packs[manifest.Entries[0].Runs[1].Pack]), 5000);
        Assert.False((await TestAsync()).Passed);

        var increment = await IncrementAsync();

        Assert.Equal(BackupKind.Incremental, increment.Kind);
        Assert.True(increment.StoredBytes > 500_000);
        await AssertRestoresAsync(increment);
        // the same pages in other blobs: a repair puts those of the parent together
        Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(parent, "too-early"))).Id);
        var repaired = await RepairAsync();
        Assert.True(repaired.Passed, string.Join("; ", repaired.Damage));
        foreach (var backup in new[] { parent, increment })
        {
            Assert.True((await ProveAsync(backup)).Passed);
            await AssertRestoresAsync(backup);
        }
    }

    [Fact]
    public async Task A_later_full_makes_an_older_backup_whole_at_once()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        var old = await BackUpAsync();
        var pack = (await ManifestOfAsync(old)).Packs[0];
        BackupRoundTripTests.Flip(PackFile(pack), 5000);
        // other bytes before it, so that the pack does not come out the same
        Database.Files["a.db"] = Noise(Page, 9);
        await BackUpAsync();
        Database.Files.Remove("a.db");

        await AssertRestoresAsync(old);
        using (var reader = await (await OpenedAsync(old)).OpenFileAsync("data.db", CancellationToken.None))
        {
            var read = new byte[reader.Length];
            Assert.Equal(read.Length, reader.Read(0, read));
            Assert.True(read.AsSpan().SequenceEqual(Database.Files["data.db"]));
        }
        var copy = await CopyAsync(old);
        Assert.True((await Service.TestAsync(copy.Backup, null, CancellationToken.None)).Passed);
        // every pack that it names is looked at: the next increment must not rest on the damaged one
        Assert.Contains((await ProveAsync(old)).Proof.Checks, c => c is { Name: "restore", Passed: true });
        Assert.True((await RepairAsync()).Passed);
        Assert.True((await ProveAsync(old)).Passed);
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("gone")]
    [InlineData("trailer")]
    public async Task Lost_hashes_of_pages_stop_no_removal_and_those_that_are_built_again_are_kept(string how)
    {
        Database.Files["data.db"] = Noise(1 << 20, 1);
        var first = await BackUpAsync();
        ChangePages(1, 100);
        var backup = await IncrementAsync();
        var manifest = await ManifestOfAsync(backup);
        var hash = manifest.Entries[0].PageHashes!.Base[0];
        Assert.NotEqual(manifest.Entries[0].Runs[0].Pack, hash.Pack);
        var pack = PackFile(manifest.Packs[hash.Pack]);
        if (how == "gone")
            File.Delete(pack);
        else if (how == "flip")
            BackupRoundTripTests.Flip(pack, PackFormat.HeaderSize + 3);
        else
        {
            foreach (var index in Keys("index"))
                File.Delete(index);
            BackupRoundTripTests.Flip(pack, new FileInfo(pack).Length - 60);
        }

        await RemoveAsync(first);
        await PruneAsync(AtOnce with { Repack = true });
        await AssertRestoresAsync(backup);
        var test = await ProveAsync(backup);
        await PruneAsync(AtOnce);

        Assert.Contains(test.Proof.Checks, c => c is { Name: "digest", Passed: true });
        await AssertRestoresAsync(backup);
        if (how != "flip")
            Assert.True(test.Passed);
        Assert.NotNull(await (await OpenedAsync(backup)).ReadPageHashesAsync("data.db", CancellationToken.None));
        ChangePages(7);
        Assert.Equal(Page, (await IncrementAsync()).ChangedBytes);
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
    }

    [Fact]
    public async Task Whatever_was_done_to_a_repository_a_check_finds_nothing_that_is_not_its_own()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        var first = await BackUpAsync();
        await ProveAsync(first);
        ChangePages(5, 300);
        var second = await IncrementAsync();
        ChangePages(6);
        var third = await IncrementAsync();
        await ProveAsync(third);
        await RemoveAsync(first, new UpkeepOptions());
        await AssertCheckedAsync("a removal within its grace");
        await _upkeep.UndoAsync(Repository, first.Id, AtOnce, CancellationToken.None);
        await AssertCheckedAsync("an undo");
        await RemoveAsync(first, new UpkeepOptions());
        await PruneAsync(new UpkeepOptions { Repack = true, MergeRuns = true, PackSize = 1 << 20 });
        await AssertCheckedAsync("a repack within its grace");
        BackupRoundTripTests.Flip(Keys("tests")[0], 20);
        Assert.True((await RepairAsync()).Passed);
        await AssertCheckedAsync("a repair");
        // a removal that was killed after it moved a pack, and before it looked again
        var pack = (await ManifestOfAsync(second)).Packs[0];
        File.Move(PackFile(pack), Path.Combine(Repository.Path, "trash", $"0123456789abcdef~pack~{pack}"));
        File.WriteAllBytes(Path.Combine(Repository.Path, "tmp", "left"), Noise(100, 1));
        await AssertCheckedAsync("a removal that was killed");
        Assert.Empty((await RepairAsync()).Actions);
        foreach (var backup in new[] { second, third })
            await RestoreAsync(backup, backup.Id);
        await PruneAsync(AtOnce);
        Assert.True(File.Exists(PackFile(pack)));
        await AssertCheckedAsync("the next one");
    }

    [Fact]
    public async Task A_pack_in_the_trash_that_is_needed_and_damaged_is_named()
    {
        Database.Files["data.db"] = Noise(600_000, 1);
        var backup = await BackUpAsync();
        var pack = (await ManifestOfAsync(backup)).Packs[0];
        var thrown = Path.Combine(Repository.Path, "trash", $"0123456789abcdef~pack~{pack}");
        Directory.CreateDirectory(Path.GetDirectoryName(thrown)!);
        File.Move(PackFile(pack), thrown);
        BackupRoundTripTests.Flip(thrown, 5000);

        Assert.Contains((await TestAsync()).Damage, d => d.Key == PackFormat.Key(pack) && d.Backups.Contains(backup.Id));
    }

    [Theory]
    [InlineData(BackupKind.Incremental)]
    [InlineData(BackupKind.Differential)]
    public async Task Parents_are_deleted_and_their_children_restore(BackupKind kind)
    {
        Database.Files["data.db"] = Noise(3 << 20, 1);
        var chain = new List<(BackupInfo Backup, byte[] Content)> { (await BackUpAsync(), (byte[])Database.Files["data.db"].Clone()) };
        for (var i = 0; i < 5; i++)
        {
            ChangePages([.. Enumerable.Range(0, 100).Select(n => n * 7 % 700 + i)]);
            Database.Problems.Clear();
            if (i == 2)
                Database.Problems.Add("a page looks wrong");
            chain.Add((await IncrementAsync(kind), (byte[])Database.Files["data.db"].Clone()));
        }
        Assert.Equal(BackupStatus.Suspect, chain[3].Backup.Status);

        while (chain.Count > 1)
        {
            // the full first, then the oldest child that others came after, then one out of the middle
            var at = chain.Count % 2 == 0 ? 0 : chain.Count / 2;
            await RemoveAsync(chain[at].Backup);
            chain.RemoveAt(at);
            await PruneAsync(AtOnce with { Repack = true, MergeRuns = chain.Count % 2 == 0 });
            foreach (var (backup, content) in chain)
            {
                Database.Files["data.db"] = content;
                await AssertRestoresAsync(backup);
            }
        }
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        Assert.True((await ProveAsync(chain[0].Backup)).Passed);
        Assert.Empty(Keys("trash"));
    }

    [Fact]
    public async Task A_repository_of_an_early_build_is_refused_with_what_to_do()
    {
        Database.Files["data.db"] = Noise(100_000, 1);
        await BackUpAsync();
        var file = FileOf("repo.json");
        File.WriteAllBytes(file, SealedDocument.Write(SealedDocument.Read<RepositoryHeader>(File.ReadAllBytes(file))! with { Format = 1, MinReader = 1 }));

        foreach (var act in new Func<Task>[] { () => ListAsync(), () => BackUpAsync(), () => TestAsync(), () => RepairAsync(), () => PruneAsync(AtOnce) })
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(act);
            Assert.Equal(ErrorIds.RepositoryInvalid, error.Id);
            Assert.Contains("early build", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Of_backups_of_the_same_second_the_last_is_the_newest()
    {
        var clock = new SetTime();
        var service = new BackupService(_ => Database, clock, new BackupServiceOptions { ScratchFolder = Path.Combine(Root, "scratch"), PackSize = 1 << 20 }, Secrets);
        Database.Files["data.db"] = Noise(1 << 20, 1);
        var full = await service.CreateAsync(RequestOf(), null, CancellationToken.None);
        var taken = new List<BackupInfo>();
        for (var i = 0; i < 8; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(10));
            ChangePages(i);
            taken.Add(await service.CreateAsync(RequestOf(BackupKind.Incremental), null, CancellationToken.None));
            Assert.Equal(Page, taken[^1].ChangedBytes);
            if (i > 0)
                Assert.Equal(taken[^2].Id, taken[^1].Parent);
        }

        var listed = await ListAsync();
        Assert.Equal(taken.Select(t => t.Id).Reverse(), listed.Take(8).Select(b => b.Id));
        Assert.Equal(taken[^1].Id, Assert.Single(await ListAsync(new BackupFilter { Latest = true })).Id);
        var kept = RetentionPolicy.Decide(RetentionText.Parse("last=2"), listed, clock.GetUtcNow()).Where(d => d.Keep).Select(d => d.Backup.Id);
        Assert.Equal([taken[^1].Id, taken[^2].Id, full.Id], kept);
    }

    private async Task AssertCheckedAsync(string after)
    {
        foreach (var depth in new[] { ScrubDepth.New, ScrubDepth.Decode })
        {
            var report = await TestAsync(depth);
            Assert.True(report.Passed, $"{after}: {string.Join("; ", report.Damage)}");
        }
    }

    private async Task AssertRestoresAsync(BackupInfo backup)
    {
        var place = Path.Combine(Root, "restored");
        if (Directory.Exists(place))
            Directory.Delete(place, recursive: true);
        await RestoreAsync(backup);
        Assert.True(File.ReadAllBytes(Path.Combine(place, "data.db")).AsSpan().SequenceEqual(Database.Files["data.db"]), backup.Id);
    }

    private void ChangePages(params int[] pages)
    {
        var content = (byte[])Database.Files["data.db"].Clone();
        foreach (var page in pages)
            content[page * Page + 17]++;
        Database.Files["data.db"] = content;
    }

    private Task<PruneResult> PruneAsync(UpkeepOptions options) => _upkeep.PruneAsync(Repository, options, null, CancellationToken.None);

    private Task RemoveAsync(BackupInfo backup, UpkeepOptions? options = null) =>
        _upkeep.RemoveAsync(Repository, [new RetentionDecision { Backup = backup, Keep = false, Reasons = [] }], options ?? AtOnce, null, CancellationToken.None);

    private async Task<BackupContent> OpenedAsync(BackupInfo backup) => (BackupContent)await Service.OpenAsync(backup, CancellationToken.None);

    private async Task<BackupManifest> ManifestOfAsync(BackupInfo backup) => (await OpenedAsync(backup)).Manifest;

    private string PackFile(string pack) => Path.Combine(Repository.Path, PackFormat.Key(pack));

    private string ManifestFile(BackupInfo backup) => Keys("backups").Single(k => k.Contains(backup.Id, StringComparison.Ordinal) && k.EndsWith("manifest.json", StringComparison.Ordinal));
}

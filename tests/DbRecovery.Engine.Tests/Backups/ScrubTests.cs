using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class ScrubTests : CareFixture
{
    /// <summary>Where a byte is flipped, as parts of the file; -1 stands for a truncation to half, -2 for removal.</summary>
    // a backup or proof that is gone leaves nothing that tells of it; the ledger and the text need not be there
    public static TheoryData<string, double> Damages() => DamagesOf(
        ["packs", "index", "manifest", "tests", "repo.json", "repo.copy.json", "scrub", "RESTORE-BY-HAND.md"],
        kind => kind is "packs" or "index" or "repo.json" or "repo.copy.json" ? [0.0, 0.7, 0.999999, -1, -2] : [0.0, 0.7, 0.999999, -1]);

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damage_in_every_kind_of_object_is_found_and_named_until_it_is_repaired(string kind, double where)
    {
        Database.Files["data.db"] = Noise(300_000, 1);
        var backup = await BackUpAsync();
        await ProveAsync(backup);
        Assert.True((await TestAsync()).Passed);
        var file = FileOf(kind);
        Damage(file, where);

        var report = await TestAsync();

        Assert.False(report.Passed);
        var damage = Assert.Single(report.Damage, d => kind == "index" && where == -2 ? d.Key == "index/" : d.Key == KeyOf(file));
        Assert.Equal(KindOf(kind), damage.Kind);
        Assert.Equal(kind is "packs" or "manifest" or "repo.json" && (kind != "packs" || damage.Objects.Count > 0) ? [backup.Id] : [], damage.Backups);
        // a check writes its own list anew; all other damage stays named
        Assert.Equal(kind == "scrub", (await TestAsync()).Passed);
        Assert.Equal(kind == "scrub", (await TestAsync(ScrubDepth.Full)).Passed);
    }

    private static RepositoryObjectKind KindOf(string kind) => kind switch
    {
        "packs" => RepositoryObjectKind.Pack,
        "index" => RepositoryObjectKind.Index,
        "manifest" => RepositoryObjectKind.Manifest,
        "tests" => RepositoryObjectKind.Proof,
        "repo.json" or "repo.copy.json" => RepositoryObjectKind.Header,
        _ => RepositoryObjectKind.Other,
    };

    [Theory]
    [InlineData("stray.txt")]
    [InlineData("packs/aa/stray.pack")]
    [InlineData("packs/zz")]
    [InlineData("index/stray.idx")]
    [InlineData("backups/stray")]
    [InlineData("holiday/photo.jpg")]
    public async Task What_does_not_belong_there_is_named(string key)
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        var file = Path.Combine(Repository.Path, key);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "not a part of it");

        var damage = Assert.Single((await TestAsync()).Damage);

        Assert.Equal((key, RepositoryObjectKind.Other), (damage.Key, damage.Kind));
        Assert.Empty(damage.Backups);
    }

    [Fact]
    public async Task Only_what_is_new_or_looks_changed_is_read_again()
    {
        Database.Files["data.db"] = Noise(3_000_000, 1);
        await BackUpAsync();
        var first = await TestAsync();
        Assert.Equal((0, true), (first.PacksTrusted, first.Passed));
        var old = Keys("packs").Select(KeyOf).ToList();
        Database.Files["more.db"] = Noise(500_000, 2);
        await BackUpAsync();
        var added = Keys("packs").Select(KeyOf).Except(old).ToList();

        Reads.Clear();
        var second = await TestAsync();
        Assert.Equal(old.Count, second.PacksTrusted);
        Assert.All(old, key => Assert.False(Reads.ContainsKey(key), key));
        Assert.All(added, key => Assert.True(Reads[key] >= new FileInfo(Path.Combine(Repository.Path, key)).Length));

        // a time that differs makes it unknown again
        File.SetLastWriteTimeUtc(Path.Combine(Repository.Path, old[0]), DateTime.UnixEpoch);
        Reads.Clear();
        Assert.Equal(old.Count + added.Count - 1, (await TestAsync()).PacksTrusted);
        Assert.True(Reads.ContainsKey(old[0]));

        Reads.Clear();
        Assert.Equal(0, (await TestAsync(ScrubDepth.Full)).PacksTrusted);
        Assert.All(old, key => Assert.True(Reads.ContainsKey(key)));
    }

    [Fact]
    public async Task What_was_wrong_before_it_was_written_is_found_by_decoding()
    {
        Database.Files["data.db"] = Noise(300_000, 1);
        await BackUpAsync();
        var pack = FileOf("packs");
        var bytes = await File.ReadAllBytesAsync(pack);
        bytes[PackFormat.HeaderSize + 5] ^= 0x20;
        var name = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bytes)).ToLowerInvariant();
        var copy = Path.Combine(Repository.Path, PackFormat.Key(name));
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        await File.WriteAllBytesAsync(copy, bytes);
        var full = await TestAsync(ScrubDepth.Full);
        Assert.True(full is { Passed: true, Full: true, Decoded: false, PacksTrusted: 0 });
        var decoded = await TestAsync(ScrubDepth.Decode);
        Assert.True(decoded is { Full: true, Decoded: true });
        Assert.Contains(decoded.Damage, d => d.Key == PackFormat.Key(name) && d.Kind == RepositoryObjectKind.Pack);
    }

    [Fact]
    public async Task A_flip_that_keeps_size_and_time_is_found_by_a_full_check_and_then_remembered()
    {
        Database.Files["data.db"] = Noise(300_000, 1);
        await BackUpAsync();
        await TestAsync();
        var pack = FileOf("packs");
        var time = File.GetLastWriteTimeUtc(pack);
        Damage(pack, 0.5);
        File.SetLastWriteTimeUtc(pack, time);

        Assert.True((await TestAsync()).Passed);
        Assert.False((await TestAsync(ScrubDepth.Full)).Passed);
        Assert.False((await TestAsync()).Passed);
        var repository = (await new RepositoryOpener(r => new DirectoryStorage(r.Path), null, TimeProvider.System).OpenAsync(Repository, CancellationToken.None))!;
        Assert.True((await ScrubLedger.DamagedPacksAsync(repository, CancellationToken.None)).Contains(Path.GetFileNameWithoutExtension(pack)));
    }

    [Fact]
    public async Task The_last_check_is_remembered_for_reports()
    {
        Task<RepositoryReport?> Last() => Care.LastReportAsync(Repository, CancellationToken.None);
        Assert.Null(await Last());
        Assert.Empty(Keys(""));
        Database.Files["data.db"] = Noise(300_000, 1);
        await BackUpAsync();
        Assert.Null(await Last());

        Assert.Equivalent(await TestAsync(ScrubDepth.Full), await Last());
        Damage(FileOf("packs"), 0.5);
        var bad = await TestAsync(ScrubDepth.Full);
        Assert.Equivalent(bad.Damage, (await Last())!.Damage);
        await RepairAsync(plan: true);
        Assert.Equal(bad.TestedAt, (await Last())!.TestedAt);
        await RepairAsync();
        Assert.True((await Last())!.TestedAt > bad.TestedAt);

        Damage(Path.Combine(Repository.Path, LastCheck.Key), 0.5);
        Assert.Null(await Last());
        Assert.Contains((await TestAsync()).Damage, d => d.Key == LastCheck.Key);
        Assert.DoesNotContain((await TestAsync()).Damage, d => d.Key == LastCheck.Key);
    }

    [Fact]
    public async Task A_check_changes_nothing_but_what_it_remembers()
    {
        Database.Files["data.db"] = Rows(300_000, 1);
        await ProveAsync(await BackUpAsync());
        Damage(FileOf("index"), 0.5);
        Damage(FileOf("packs"), 0.1);
        var before = Snapshot();

        await TestAsync();
        await RepairAsync(plan: true);

        Assert.Equal(before, Snapshot().Where(s => s.Key is not (ScrubLedger.Key or LastCheck.Key)).ToDictionary());
    }

    [Fact]
    public async Task Damage_names_only_the_backups_and_files_that_it_hits()
    {
        Database.Files["a.db"] = Noise(900_000, 1);
        var first = await BackUpAsync();
        var old = Keys("packs");
        Database.Files["a.db"] = Noise(900_000, 2);
        Database.Files["b.db"] = Noise(700_000, 3);
        var second = await BackUpAsync();
        File.Delete(Keys("packs").Except(old).First());
        Damage(old[0], 0.5);

        var report = await TestAsync();

        Assert.Equal(new[] { first.Id, second.Id }.Order(), report.Damage.SelectMany(d => d.Backups).Order());
        Assert.Equal([$"{first.Id}/a.db"], Assert.Single(report.Damage, d => d.Backups.Contains(first.Id)).Objects);
        Assert.All(report.Damage.Where(d => d.Backups.Contains(second.Id)), d => Assert.All(d.Objects, o => Assert.StartsWith(second.Id, o)));
        Assert.Equal(2, report.Backups);
    }

    [Fact]
    public async Task Packs_of_a_backup_that_failed_are_no_damage()
    {
        Database.Files["data.db"] = Noise(300_000, 1);
        await BackUpAsync();
        Database.Files["data.db"] = Noise(3_000_000, 2);
        Database.ForgetToComplete = true;
        await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

        var report = await TestAsync();

        Assert.True(report.Passed, string.Join("; ", report.Damage));
        Assert.True(report.UnreferencedBytes > 1_000_000);
    }

    [Fact]
    public async Task A_place_without_a_repository_is_an_error_and_not_a_pass()
    {
        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => TestAsync())).Id);
        Directory.CreateDirectory(Repository.Path);
        File.WriteAllText(Path.Combine(Repository.Path, "letter.txt"), "hello");
        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => TestAsync())).Id);
    }
}

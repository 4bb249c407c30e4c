using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class IncrementTests : BackupFixture
{
    private const int Page = 4096;

    [Fact]
    public async Task An_increment_stores_what_changed_and_restores_like_a_full()
    {
        Database.Files["data.db"] = Noise(8 << 20, 1);
        var full = await BackUpAsync();
        ChangePages("data.db", 2, 40, 41, 900, 2047);

        var increment = await IncrementAsync();

        Assert.Equal((BackupKind.Incremental, full.Id, 5L * Page), (increment.Kind, increment.Parent, increment.ChangedBytes));
        Assert.InRange(increment.StoredBytes, 5 * Page, 8 * Page);
        await RestoreAsync(increment);
        AssertRestored();
        Assert.True((await ProveAsync(increment)).Passed);
        AssertClean();
    }

    [Fact]
    public async Task A_differential_compares_with_the_last_full_and_an_incremental_with_the_last_backup()
    {
        Database.Files["data.db"] = Noise(1 << 20, 1);
        var full = await BackUpAsync();
        ChangePages("data.db", 3);
        var first = await IncrementAsync();
        ChangePages("data.db", 4);

        var differential = await IncrementAsync(BackupKind.Differential);
        ChangePages("data.db", 5);
        var last = await IncrementAsync();

        Assert.Equal((full.Id, 2L * Page), (differential.Parent, differential.ChangedBytes));
        Assert.Equal((full.Id, differential.Id), (first.Parent, last.Parent));
        Assert.Equal(BackupKind.Differential, differential.Kind);
    }

    [Theory]
    [InlineData("no backup")]
    [InlineData("another page size")]
    [InlineData("another origin's cluster")]
    [InlineData("hashes gone")]
    public async Task Without_a_parent_to_compare_with_it_is_a_full_and_says_so(string why)
    {
        Database.Files["data.db"] = Noise(1 << 20, 1);
        if (why != "no backup")
        {
            var parent = await BackUpAsync();
            if (why == "another page size")
                Database.PageSize = 8192;
            if (why == "another origin's cluster")
                Cluster = Cluster with { Name = "other" };
            if (why == "hashes gone")
                DamageHashes(parent);
        }

        var backup = await IncrementAsync();

        Assert.Equal((BackupKind.Full, null, null), (backup.Kind, backup.Parent, backup.ChangedBytes));
        Assert.Single(backup.Notes);
        Assert.Equal(backup.Notes, (await ListAsync(new BackupFilter { Id = backup.Id })).Single().Notes);
        Assert.True((await ProveAsync(backup)).Passed);
    }

    [Fact]
    public async Task Where_nothing_changed_only_a_manifest_is_written()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        Database.Files["note.txt"] = Rows(5000, 2);
        await BackUpAsync();
        ChangePages("data.db", 7);
        await IncrementAsync();
        var before = Keys(".").ToHashSet();

        var second = await IncrementAsync();

        Assert.Equal(0, second.ChangedBytes);
        Assert.EndsWith("manifest.json", Assert.Single(Keys("."), k => !before.Contains(k)));
        await RestoreAsync(second);
        AssertRestored();
    }

    /// <summary>Random edits, growth and shrinking, 50 times over; parents are deleted by hand, and every child restores to the byte.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_chain_of_increments_needs_none_of_its_parents(int seed)
    {
        var random = new Random(seed);
        Database.Files["data.db"] = Noise(300 * Page, seed);
        Database.Files["other.db"] = Rows(20 * Page + 1234, seed);
        var taken = new List<(BackupInfo Backup, Dictionary<string, byte[]> Content)>();
        for (var round = 0; round < 50; round++)
        {
            foreach (var path in Database.Files.Keys.ToList())
                Database.Files[path] = Edited(Database.Files[path], random);
            var backup = round == 0 ? await BackUpAsync() : await IncrementAsync(random.Next(6) == 0 ? BackupKind.Differential : BackupKind.Incremental);
            taken.Add((backup, Database.Files.ToDictionary(f => f.Key, f => f.Value.ToArray())));
        }

        Assert.All(taken.Skip(1), t => Assert.NotEqual(BackupKind.Full, t.Backup.Kind));
        foreach (var (backup, _) in taken.Where((_, i) => i % 5 != 4))
            File.Delete(Keys("backups").Single(k => k.Contains(backup.Id, StringComparison.Ordinal)));
        foreach (var (backup, content) in taken.Where((_, i) => i % 5 == 4))
        {
            foreach (var (path, bytes) in content)
                Database.Files[path] = bytes;
            await RestoreAsync(backup, backup.Id);
            AssertRestored(backup.Id);
            var opened = await Service.OpenAsync(backup, CancellationToken.None);
            var hashes = await opened.ReadPageHashesAsync("data.db", CancellationToken.None);
            Assert.Equal((content["data.db"].Length + Page - 1) / Page, hashes!.Count);
            using var reader = await opened.OpenFileAsync("data.db", CancellationToken.None);
            var part = new byte[50_000];
            var at = random.Next(content["data.db"].Length);
            Assert.True(part.AsSpan(0, reader.Read(at, part)).SequenceEqual(content["data.db"].AsSpan(at, Math.Min(part.Length, content["data.db"].Length - at))));
        }
        Assert.True((await ProveAsync(taken[^1].Backup)).Passed);
    }

    [Fact]
    public async Task Many_small_increments_do_not_pile_up_lists_of_hashes()
    {
        Database.Files["data.db"] = Noise(400 * Page, 1);
        await BackUpAsync();
        BackupInfo? last = null;
        for (var i = 0; i < 70; i++)
        {
            ChangePages("data.db", i % 9);
            last = await IncrementAsync();
        }

        var manifest = await ManifestOfAsync(last!);
        Assert.InRange(manifest.Entries[0].PageHashes!.Deltas.Count, 1, 64);
        Assert.True((await ProveAsync(last!)).Passed);
        await RestoreAsync(last!);
        AssertRestored();
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("gone")]
    public async Task Lost_page_hashes_cost_a_full_and_are_built_again_by_a_test(string how)
    {
        Database.Files["data.db"] = Noise(1 << 20, 1);
        await BackUpAsync();
        ChangePages("data.db", 1, 100);
        var increment = await IncrementAsync();
        // the lists are in a pack of their own: the data fills the one before
        var good = (await (await Service.OpenAsync(increment, CancellationToken.None)).ReadPageHashesAsync("data.db", CancellationToken.None))!.Bytes.ToArray();
        var manifest = await ManifestOfAsync(increment);
        var hash = manifest.Entries[0].PageHashes!.Base[0];
        var pack = Path.Combine(Repository.Path, PackFormat.Key(manifest.Packs[hash.Pack]));
        if (how == "flip")
            FlipBlob(pack, hash.Blob);
        else
            File.Delete(pack);

        var content = await Service.OpenAsync(increment, CancellationToken.None);
        Assert.Null(await content.ReadPageHashesAsync("data.db", CancellationToken.None));
        var test = await ProveAsync(increment);
        Assert.Contains(test.Proof.Checks, c => c is { Name: "page-hashes", Passed: true });
        content = await Service.OpenAsync(increment, CancellationToken.None);
        Assert.Equal(good, (await content.ReadPageHashesAsync("data.db", CancellationToken.None))!.Bytes.ToArray());
        Assert.Equal(BackupKind.Incremental, (await IncrementAsync()).Kind);
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("cut")]
    [InlineData("flip, tested")]
    public async Task Pages_in_a_damaged_pack_of_the_parent_are_stored_again(string how)
    {
        Database.Files["data.db"] = Noise(4 << 20, 1);
        var parent = await BackUpAsync();
        // the hashes are in the last pack, which stays
        var manifest = await ManifestOfAsync(parent);
        var pack = Path.Combine(Repository.Path, PackFormat.Key(manifest.Packs[manifest.Entries[0].Runs[1].Pack]));
        Assert.NotEqual(manifest.Entries[0].Runs[1].Pack, manifest.Entries[0].PageHashes!.Base[0].Pack);
        if (how == "gone")
            File.Delete(pack);
        else if (how == "cut")
            using (var stream = File.Open(pack, FileMode.Open))
                stream.SetLength(stream.Length / 2);
        else
        {
            BackupRoundTripTests.Flip(pack, 5000);
            Assert.False((await ProveAsync(parent)).Passed);
        }

        var increment = await IncrementAsync();

        Assert.Equal(BackupKind.Incremental, increment.Kind);
        Assert.True(increment.ChangedBytes > 0);
        Assert.True((await ProveAsync(increment)).Passed);
        await RestoreAsync(increment);
        AssertRestored();
    }

    [Fact]
    public async Task A_portable_backup_holds_gzip_and_raw_only()
    {
        Database.Files["data.db"] = Rows(3 << 20, 1);
        await BackUpAsync();
        var portable = await Service.CreateAsync(RequestOf() with { Portable = true }, null, CancellationToken.None);
        ChangePages("data.db", 9);
        var increment = await Service.CreateAsync(RequestOf(BackupKind.Incremental) with { Portable = true }, null, CancellationToken.None);

        Assert.True(portable.Portable);
        Assert.Equal((BackupKind.Incremental, portable.Id, true), (increment.Kind, increment.Parent, increment.Portable));
        foreach (var backup in new[] { portable, increment })
        {
            var manifest = await ManifestOfAsync(backup);
            var index = await BlobIndex.LoadAsync((await OpenedAsync(backup)).Repository, manifest.Packs, CancellationToken.None);
            Assert.All(manifest.References(), r => Assert.True(index.Find(r.Blob, r.Pack).First().Entry.Codec is BlobCodec.Gzip or BlobCodec.Raw));
        }
        Service = ServiceWithoutZstd();
        await RestoreAsync(increment);
        AssertRestored();
    }

    [Fact]
    public async Task A_portable_increment_over_another_backup_is_a_full()
    {
        Database.Files["data.db"] = Rows(1 << 20, 1);
        await BackUpAsync();

        var backup = await Service.CreateAsync(RequestOf(BackupKind.Incremental) with { Portable = true }, null, CancellationToken.None);

        Assert.Equal(BackupKind.Full, backup.Kind);
        Assert.Single(backup.Notes);
    }

    [Fact]
    public async Task A_manifest_names_each_blob_once_and_every_blob_that_it_needs()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        await BackUpAsync();
        ChangePages("data.db", 5, 50, 500);
        var manifest = await ManifestOfAsync(await IncrementAsync());

        var references = manifest.References().ToList();
        Assert.Equal(references.Count, references.Distinct().Count());
        foreach (var name in manifest.Entries[0].Runs.Select(r => r.Blob).Concat(manifest.Entries[0].PageHashes!.Blobs.Select(h => h.Blob)))
            Assert.Contains(references, r => r.Blob.ToString() == name);
        Assert.Null(manifest.Defect());
    }

    private void ChangePages(string path, params int[] pages)
    {
        var content = Database.Files[path];
        foreach (var page in pages)
            content[page * Page + 17]++;
    }

    private static byte[] Edited(byte[] content, Random random)
    {
        var size = random.Next(4) switch
        {
            0 => content.Length + random.Next(20) * Page + random.Next(3) * 100,
            1 => Math.Max(Page, content.Length - random.Next(20) * Page),
            _ => content.Length,
        };
        var edited = new byte[size];
        random.NextBytes(edited.AsSpan(Math.Min(size, content.Length)));
        content.AsSpan(0, Math.Min(size, content.Length)).CopyTo(edited);
        for (var i = random.Next(12); i > 0; i--)
            edited[random.Next(size)]++;
        return edited;
    }

    private async Task<BackupContent> OpenedAsync(BackupInfo backup) => (BackupContent)await Service.OpenAsync(backup, CancellationToken.None);

    private async Task<BackupManifest> ManifestOfAsync(BackupInfo backup) => (await OpenedAsync(backup)).Manifest;

    private void DamageHashes(BackupInfo backup)
    {
        var manifest = ManifestOfAsync(backup).GetAwaiter().GetResult();
        var hash = manifest.Entries[0].PageHashes!.Base[0];
        FlipBlob(Path.Combine(Repository.Path, PackFormat.Key(manifest.Packs[hash.Pack])), hash.Blob);
    }

    private void FlipBlob(string pack, string blob)
    {
        var name = Path.GetFileNameWithoutExtension(pack);
        var opened = OpenedAsync(ListAsync().GetAwaiter().GetResult()[0]).GetAwaiter().GetResult();
        var index = BlobIndex.LoadAsync(opened.Repository, [name], CancellationToken.None).GetAwaiter().GetResult();
        BlobId.TryParse(blob, out var id);
        BackupRoundTripTests.Flip(pack, index.Find(id, name).First().Entry.Offset + 3);
    }
}

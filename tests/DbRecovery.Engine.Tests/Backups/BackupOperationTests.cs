using System.Diagnostics;
using System.Text;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class BackupOperationTests : BackupFixture
{
    [Fact]
    public async Task Two_backups_at_once_share_a_new_repository()
    {
        Database.Files["data.db"] = Rows(4 << 20, 1);
        // both have begun before either goes on, so both create the repository
        var begun = new CountdownEvent(2);
        Database.OnPiece = (given, token) =>
        {
            if (given == 0)
            {
                begun.Signal();
                Assert.True(begun.Wait(Wait.Limit, token));
            }
            return Task.CompletedTask;
        };

        var backups = await Task.WhenAll(Task.Run(BackUpAsync), Task.Run(BackUpAsync));
        Database.OnPiece = null;

        Assert.Equal(2, (await ListAsync()).Count);
        foreach (var backup in backups)
            Assert.True((await ProveAsync(backup)).Passed);
        AssertClean();
    }

    [Fact]
    public async Task Many_creators_at_once_end_with_one_repository()
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() =>
            new RepositoryOpener(r => new DirectoryStorage(r.Path), null, TimeProvider.System).OpenOrCreateAsync(Repository, CancellationToken.None))));

        Assert.Single(opened.Select(r => r.Header.RepoId).Distinct());
        AssertClean();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3_000_000)]
    [InlineData(9_000_000)]
    public async Task A_cancelled_backup_ends_at_once_and_leaves_nothing_that_counts(long after)
    {
        Database.Files["old.db"] = Rows(100_000, 1);
        var before = await BackUpAsync();
        Database.Files["data.db"] = Noise(10 << 20, 2);
        using var cancel = new CancellationTokenSource();
        var (read, readBefore) = (0L, 0L);
        Database.OnPiece = (given, _) =>
        {
            read = given;
            if (given >= after && !cancel.IsCancellationRequested)
            {
                readBefore = given;
                cancel.Cancel();
            }
            return Task.CompletedTask;
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Service.CreateAsync(RequestOf(), null, cancel.Token));

        // a blob that was begun is filled
        Assert.InRange(read - readBefore, 0, 2 << 20);
        Assert.Equal(before.Id, (await ListAsync()).Single().Id);
        AssertClean();
    }

    [Fact]
    public async Task A_cancelled_restore_leaves_the_destination_as_it_was()
    {
        Database.Files["data.db"] = Noise(10 << 20, 3);
        var backup = await BackUpAsync();
        using var cancel = new CancellationTokenSource();
        var progress = new Inline(p =>
        {
            if (p.Done > 2 << 20)
                cancel.Cancel();
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            Service.RestoreAsync(new RestoreRequest { Backup = backup, Destination = Path.Combine(Root, "restored") }, progress, cancel.Token));

        Assert.False(Path.Exists(Path.Combine(Root, "restored")));
        Assert.False(Path.Exists(Path.Combine(Root, "restored.staging")));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Service.TestAsync(backup, progress, cancel.Token));
        Assert.Empty(Keys("tests"));
        AssertClean();
    }

    [Fact]
    public async Task A_source_that_fails_leaves_nothing_that_counts()
    {
        Database.Files["data.db"] = Rows(3 << 20, 4);
        Database.OnPiece = (given, _) => given > 1 << 20
            ? throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "locked")
            : Task.CompletedTask;

        var error = await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

        Assert.Equal(ErrorIds.DatabaseBusy, error.Id);
        Assert.Empty(await ListAsync());
        AssertClean();
    }

    [RootLinuxFact]
    public async Task A_disk_that_fills_up_fails_the_backup_and_nothing_else()
    {
        var mount = Path.Combine(Root, "small");
        Directory.CreateDirectory(mount);
        Run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", mount);
        try
        {
            Repository = Repository with { Path = Path.Combine(mount, "repo") };
            Database.Files["data.db"] = Noise(2 << 20, 5);
            var before = await BackUpAsync();
            Database.Files["data.db"] = Noise(20 << 20, 6);

            var error = await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

            Assert.Equal((ErrorIds.OutOfSpace, ErrorKind.OutOfSpace), (error.Id, error.Kind));
            AssertClean();
            Assert.Equal(before.Id, (await ListAsync()).Single().Id);
            Database.Files["data.db"] = Noise(2 << 20, 5);
            await RestoreAsync(before);
            AssertRestored();
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [RootLinuxFact]
    public async Task A_test_without_room_says_so_before_it_begins()
    {
        var mount = Path.Combine(Root, "small");
        Directory.CreateDirectory(mount);
        Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount);
        try
        {
            Database.Files["data.db"] = Rows(3 << 20, 5);
            var backup = await BackUpAsync();
            Service = new BackupService(_ => Database, null, new BackupServiceOptions { ScratchFolder = mount });

            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => ProveAsync(backup));

            Assert.Equal(ErrorIds.OutOfSpace, error.Id);
            Assert.Empty(Keys("tests"));
            Assert.Empty(Directory.GetFileSystemEntries(mount));
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [Theory]
    [InlineData("with space")]
    [InlineData("quote' \" back`tick")]
    [InlineData("new\nline")]
    [InlineData("größe-数据")]
    [InlineData("-o $(x) %2e ;&")]
    public async Task A_folder_of_any_name_is_a_repository(string name)
    {
        Repository = Repository with { Path = Path.Combine(Root, name) };
        Database.SystemId = name + "/../x";
        Database.Files["data.db"] = Rows(100_000, 7);

        var backup = await BackUpAsync();

        Assert.True((await ProveAsync(backup)).Passed);
        Assert.Equal(backup.Id, (await ListAsync()).Single().Id);
        await RestoreAsync(backup);
        AssertRestored();
    }

    [Fact]
    public async Task Filters_choose()
    {
        Database.Files["data.db"] = Rows(1_000, 8);
        var first = await BackUpAsync();
        await ProveAsync(first);
        var second = await Service.CreateAsync(RequestOf() with { Cluster = Cluster with { Name = "other" } }, null, CancellationToken.None);

        Assert.Equal(2, (await ListAsync()).Count);
        Assert.Equal(first.Id, (await ListAsync(new BackupFilter { Cluster = "app" })).Single().Id);
        Assert.Equal(first.Id, (await ListAsync(new BackupFilter { ProvedOnly = true, Latest = true })).Single().Id);
        Assert.Equal(second.Id, (await ListAsync(new BackupFilter { Id = second.Id[..^1], Cluster = "other" })).Single().Id);
        Assert.Empty(await ListAsync(new BackupFilter { Id = "1999" }));
        Assert.Equal(ErrorIds.ParameterInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => ListAsync(new BackupFilter { Id = "20" }))).Id);
    }

    [Fact]
    public async Task For_the_latest_no_older_manifest_is_read()
    {
        Database.Files["data.db"] = Rows(1_000, 8);
        var old = await new BackupService(_ => Database, new MovedTime { By = TimeSpan.FromDays(-1) }).CreateAsync(RequestOf(), null, CancellationToken.None);
        var manifest = Keys("backups").Single(k => k.EndsWith("manifest.json", StringComparison.Ordinal));
        var newest = await BackUpAsync();
        BackupRoundTripTests.Flip(manifest, 20);

        var damaged = new List<DbRecoveryException>();
        Assert.Equal(newest.Id, (await ListAsync(new BackupFilter { Latest = true }, damaged)).Single().Id);
        Assert.Equal(newest.Id, (await ListAsync(new BackupFilter { Id = newest.Id }, damaged)).Single().Id);
        Assert.Empty(damaged);
        Assert.Empty(await ListAsync(new BackupFilter { Latest = true, ProvedOnly = true }, damaged));
        Assert.Empty(await ListAsync(new BackupFilter { Id = old.Id }, damaged));
        Assert.Equal(2, damaged.Count);
    }

    [Fact]
    public async Task A_place_without_a_repository_has_no_backups_and_other_folders_are_refused()
    {
        Assert.Empty(await ListAsync());
        Assert.False(Directory.Exists(Repository.Path), "listing creates nothing");
        Directory.CreateDirectory(Repository.Path);
        File.WriteAllText(Path.Combine(Repository.Path, "holiday.jpg"), "x");
        Database.Files["data.db"] = [1];

        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => ListAsync())).Id);
        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync)).Id);
        Repository = Repository with { Path = Path.Combine(Repository.Path, "holiday.jpg") };
        await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);
    }

    [Theory]
    [InlineData(3, "none")]
    [InlineData(2, "rot13")]
    public async Task A_repository_of_a_newer_version_is_refused(int minReader, string cipher)
    {
        Directory.CreateDirectory(Repository.Path);
        File.WriteAllBytes(Path.Combine(Repository.Path, "repo.json"), SealedDocument.Write(new RepositoryHeader
        {
            Format = minReader,
            MinReader = minReader,
            RepoId = Guid.NewGuid(),
            Cipher = cipher,
            Codec = "zstd",
            CreatedAt = DateTimeOffset.UnixEpoch,
        }));
        Database.Files["data.db"] = [1];

        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(() => ListAsync())).Id);
        Assert.Equal(ErrorIds.RepositoryInvalid, (await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync)).Id);
        Assert.Empty(Keys("packs"));
    }

    [Fact]
    public async Task A_missing_header_beside_data_is_damage_and_never_made_anew()
    {
        Database.Files["data.db"] = [1];
        await BackUpAsync();
        File.Delete(Path.Combine(Repository.Path, "repo.json"));

        Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync)).Id);
        Assert.False(File.Exists(Path.Combine(Repository.Path, "repo.json")));
    }

    [Theory]
    [InlineData((byte)BlobCodec.Gzip)]
    [InlineData((byte)BlobCodec.Brotli)]
    [InlineData((byte)BlobCodec.Zstd)]
    public void A_codec_gives_back_what_it_took_and_never_more_than_raw(byte number)
    {
        var kind = (BlobCodec)number;
        if (kind == BlobCodec.Zstd && ZstdLibrary.Instance is null)
            kind = BlobCodec.Brotli;
        using var codec = new CodecContext(ZstdLibrary.Instance);
        var packed = new byte[2 << 20];
        foreach (var data in (byte[][])[Rows(1 << 20, 1), Rows(5000, 2), new byte[4096], Encoding.ASCII.GetBytes("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")])
        {
            var length = codec.Compress(kind, data, packed)!.Value;
            Assert.True(length < data.Length);
            var back = new byte[data.Length];
            Assert.True(codec.Decompress(kind, packed.AsSpan(0, length), back));
            Assert.Equal(data, back);
            Assert.False(codec.Decompress(kind, packed.AsSpan(0, length), new byte[data.Length - 1]));
            Assert.False(codec.Decompress(kind, packed.AsSpan(0, length / 2), back));
        }
        Assert.Null(codec.Compress(kind, Noise(100_000, 3), packed));
        Assert.Null(codec.Compress(kind, new byte[1], packed));
    }

    [Fact]
    public async Task What_killed_processes_left_is_removed_after_a_week_and_not_before()
    {
        Database.Files["data.db"] = Rows(1_000, 8);
        await BackUpAsync();
        var (old, young) = (Path.Combine(Repository.Path, "tmp", "old"), Path.Combine(Repository.Path, "tmp", "young"));
        File.WriteAllText(old, "x");
        File.WriteAllText(young, "x");
        File.SetLastWriteTimeUtc(old, DateTime.UnixEpoch);

        await BackUpAsync();

        Assert.False(File.Exists(old));
        Assert.True(File.Exists(young));
    }

    [RootLinuxFact]
    public async Task Folders_links_modes_and_owners_come_back()
    {
        Database.Files["conf/secret"] = [1, 2, 3];
        Database.Extra.Add(new BackupEntry { Path = "conf", Type = BackupEntryType.Directory, Mode = 0x1C0 });
        Database.Extra.Add(new BackupEntry { Path = "current", Type = BackupEntryType.SymbolicLink, LinkTarget = "conf/secret" });
        Database.Describe = e => e with { Mode = 0x180, Owner = "12345", Group = "54321" };

        await RestoreAsync(await BackUpAsync());

        var restored = Path.Combine(Root, "restored");
        Assert.Equal("conf/secret", new FileInfo(Path.Combine(restored, "current")).LinkTarget);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Path.Combine(restored, "current")));
        Assert.Equal("600 12345:54321", Output("stat", "-c", "%a %u:%g", Path.Combine(restored, "conf", "secret")));
        Assert.Equal("700", Output("stat", "-c", "%a", Path.Combine(restored, "conf")));
    }

    private static string Output(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(Wait.Limit));
        return output.Trim();
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments))!;
        Assert.True(process.WaitForExit(Wait.Limit));
        Assert.Equal(0, process.ExitCode);
    }

    private sealed class Inline(Action<OperationProgress> report) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => report(value);
    }
}

/// <summary>A test that mounts a small file system.</summary>
public sealed class RootLinuxFactAttribute : FactAttribute
{
    public RootLinuxFactAttribute() => Skip = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess ? null : "needs root on Linux, to mount a small tmpfs";
}

using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class PruneTests : UpkeepFixture
{
    private async Task<(BackupInfo Old, BackupInfo New)> TwoAsync()
    {
        Database.Files["data.db"] = Noise(3 << 20, 1);
        Database.Files["same.db"] = Noise(1 << 20, 9);
        var old = await TakeAsync();
        Database.Files["data.db"] = Noise(3 << 20, 2);
        return (old, await TakeAsync());
    }

    [Fact]
    public async Task A_removed_backup_is_gone_and_its_space_is_freed_and_the_others_restore()
    {
        var (old, kept) = await TwoAsync();
        var before = Keys("packs").Count;

        var result = await RemoveAsync(old);

        Assert.Equal(kept.Id, (await ListAsync()).Single().Id);
        Assert.Equal((1, 0L, null), (result.RemovedBackups, result.WaitingBytes, result.WaitingFor));
        Assert.True(result.FreedBytes >= 2 << 20, $"{result.FreedBytes}");
        Assert.True(Keys("packs").Count < before);
        Assert.Empty(Keys("trash"));
        Assert.Single(Keys("index"));
        await AssertAllRestoreAsync();
        AssertClean();
    }

    [Fact]
    public async Task Within_its_grace_a_removed_backup_is_taken_back_whole()
    {
        var (old, _) = await TwoAsync();
        await ProveAsync(old);
        var before = Keys(".").ToHashSet();
        var result = await RemoveAsync(old, new UpkeepOptions());
        Assert.True(result.WaitingBytes > 2 << 20 && result.FreedBytes == 0 && result.WaitingFor is not null);
        Assert.Single(await ListAsync());

        Assert.Equal(old.Id, await Upkeep.UndoAsync(Repository, old.Id[..12], new UpkeepOptions(), CancellationToken.None) is { } id ? id : null);

        Assert.Equal(2, await AssertAllRestoreAsync());
        Assert.True((await ListAsync(new BackupFilter { Id = old.Id })).Single().Proof!.Passed);
        Assert.Superset(before, Keys(".").ToHashSet());
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => Upkeep.UndoAsync(Repository, old.Id, new UpkeepOptions(), CancellationToken.None));
        Assert.Equal(ErrorIds.BackupNotFound, error.Id);
    }

    [Fact]
    public async Task A_plan_changes_nothing()
    {
        var (old, _) = await TwoAsync();
        var before = Keys(".").Select(k => (k, File.GetLastWriteTimeUtc(k))).ToList();

        var plan = await RemoveAsync(old, AtOnce with { Plan = true, Repack = true });

        Assert.True(plan is { Planned: true, RemovedBackups: 1, TrashedPacks: > 0 });
        Assert.Equal(before, Keys(".").Select(k => (k, File.GetLastWriteTimeUtc(k))));
    }

    [Theory]
    [InlineData("manifest")]
    [InlineData("pack")]
    [InlineData("trailer")]
    public async Task A_wounded_repository_is_not_pruned(string wound)
    {
        var (old, kept) = await TwoAsync();
        var content = (BackupContent)await Service.OpenAsync(kept, CancellationToken.None);
        var pack = Path.Combine(Repository.Path, PackFormat.Key(content.Manifest.Packs[0]));
        if (wound == "manifest")
            BackupRoundTripTests.Flip(Keys("backups").Single(k => k.Contains(kept.Id) && k.EndsWith("manifest.json", StringComparison.Ordinal)), 100);
        else if (wound == "pack")
            File.Delete(pack);
        else
        {
            foreach (var index in Keys("index"))
                File.Delete(index);
            BackupRoundTripTests.Flip(pack, new FileInfo(pack).Length - 60);
        }
        var before = Keys(".").Where(k => !k.Contains("/index/", StringComparison.Ordinal)).ToList();

        foreach (var act in new Func<Task>[] { () => PruneAsync(), () => RemoveAsync(old), () => PruneAsync(AtOnce with { Repack = true }) })
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(act);
            Assert.Equal(ErrorIds.RepositoryCorrupt, error.Id);
            Assert.Contains(wound == "manifest" ? kept.Id : content.Manifest.Packs[0], error.Target);
        }
        Assert.Equal(before, Keys(".").Where(k => !k.Contains("/index/", StringComparison.Ordinal)));
        if (wound != "manifest")
        {
            // the one that is damaged may go, and then the rest is whole
            await RemoveAsync(kept);
            Assert.Equal(old.Id, (await ListAsync()).Single().Id);
        }
    }

    [Fact]
    public async Task A_backup_that_is_under_way_keeps_what_it_found()
    {
        var (old, _) = await TwoAsync();
        Database.Files["data.db"] = Noise(3 << 20, 1);
        Database.Files["zz.db"] = Noise(1 << 20, 77);
        PruneResult? first = null, second = null;
        Database.OnPiece = async (given, _) =>
        {
            // the writer has found the old backup's blobs and refers to them: now the old backup goes, and nobody listed needs them
            if (given < 4 << 20 || first is not null)
                return;
            first = await RemoveAsync(old);
            second = await PruneAsync();
        };

        var taken = await TakeAsync();
        Database.OnPiece = null;

        Assert.NotNull(second);
        Assert.Equal(0, first!.FreedBytes + second.FreedBytes);
        Assert.Contains("session", first.WaitingFor);
        Assert.Equal(2, await AssertAllRestoreAsync());
        Assert.True((await ProveAsync(taken)).Passed);
        await PruneAsync();
        await PruneAsync();
        Assert.Empty(Keys("trash"));
        Assert.Equal(2, await AssertAllRestoreAsync());
    }

    [Fact]
    public async Task A_writer_whose_session_was_removed_does_not_end_its_backup()
    {
        var (old, _) = await TwoAsync();
        Database.OnPiece = async (given, _) =>
        {
            if (given < 3 << 20)
                return;
            // taken for dead by another machine
            foreach (var session in Keys("sessions"))
                File.Delete(session);
            await RemoveAsync(old);
        };
        Database.Files["data.db"] = Noise(3 << 20, 1);

        var error = await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

        Assert.Equal(ErrorIds.BackupFailed, error.Id);
        Assert.Contains("session", error.Message);
        Database.OnPiece = null;
        Assert.Equal(1, await AssertAllRestoreAsync());
    }

    [Theory]
    [InlineData("dead", true)]
    [InlineData("reused pid", true)]
    [InlineData("before the reboot", true)]
    [InlineData("alive", false)]
    [InlineData("other machine", false)]
    [InlineData("other container", false)]
    [InlineData("other machine, long silent", true)]
    [InlineData("unreadable", false)]
    public async Task A_session_is_dead_only_where_that_is_certain(string who, bool removed)
    {
        await TwoAsync();
        var here = MachineIdentity.Current;
        var me = WriterSession.Describe("backup", TimeProvider.System);
        var owner = who switch
        {
            "dead" => me with { ProcessId = 0x7ffffff0, ProcessStart = "1" },
            "reused pid" => me with { ProcessStart = "1" },
            "before the reboot" => me with { Machine = here with { Boot = "earlier" } },
            "other machine" or "other machine, long silent" => me with { Machine = new("other", "other", "other"), ProcessId = 0x7ffffff0 },
            "other container" => me with { Machine = here with { Boot = here.Boot.Split(' ')[0] + " pid:[1]" }, ProcessId = 0x7ffffff0 },
            _ => me,
        };
        var storage = new DirectoryStorage(Repository.Path);
        await storage.PutAsync("sessions/x", who == "unreadable" ? "?"u8.ToArray() : SealedDocument.Write(owner), PutMode.Replace, CancellationToken.None);
        if (who.Contains("silent"))
            File.SetLastWriteTimeUtc(Path.Combine(Repository.Path, "sessions/x"), DateTime.UtcNow.AddDays(-8));

        var result = await PruneAsync();

        Assert.Equal((removed ? 1 : 0, !removed), (result.DeadSessions, File.Exists(Path.Combine(Repository.Path, "sessions/x"))));
    }

    [Fact]
    public async Task Another_upkeep_is_not_overtaken_unless_it_died()
    {
        var (old, _) = await TwoAsync();
        var storage = new DirectoryStorage(Repository.Path);
        var me = WriterSession.Describe("a prune", TimeProvider.System);
        await storage.PutAsync(UpkeepLock.Key, SealedDocument.Write(me), PutMode.Replace, CancellationToken.None);

        var busy = await Assert.ThrowsAsync<DbRecoveryException>(() => RemoveAsync(old));
        Assert.Equal((ErrorIds.RepositoryBusy, ErrorKind.Busy), (busy.Id, busy.Kind));
        Assert.Contains($"{Environment.ProcessId}", busy.Message);

        await storage.PutAsync(UpkeepLock.Key, SealedDocument.Write(me with { ProcessStart = "1" }), PutMode.Replace, CancellationToken.None);
        await RemoveAsync(old);
        AssertClean();
    }

    [Theory]
    [InlineData(6, false)]
    [InlineData(-6, true)]
    [InlineData(4, true)]
    public async Task Clocks_that_disagree_remove_nothing_by_age(double minutesOff, bool pruned)
    {
        var (old, _) = await TwoAsync();
        // this machine's clock is behind the storage's by so much
        Upkeep = new RepositoryUpkeep(clock: new MovedTime { By = TimeSpan.FromMinutes(-minutesOff) });
        var all = await ListAsync();

        if (Math.Abs(minutesOff) > 5)
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => Upkeep.DecideAsync(Repository, RetentionText.Parse("days=1"), all, new(), CancellationToken.None));
            Assert.Equal((ErrorIds.ClockSkew, ErrorKind.Refused), (error.Id, error.Kind));
        }
        var decided = await Upkeep.DecideAsync(Repository, RetentionText.Parse("last=1"), all, new(), CancellationToken.None);
        Assert.Equal(old.Id, decided.Single(d => !d.Keep).Backup.Id);
        var day = new UpkeepOptions { Grace = TimeSpan.FromHours(1) };
        await RemoveAsync(old, day);
        foreach (var thrown in Keys("trash"))
            File.SetLastWriteTimeUtc(thrown, DateTime.UtcNow.AddHours(-2));
        if (pruned)
            Assert.True((await PruneAsync(day)).FreedBytes > 0);
        else
        {
            var skew = await Assert.ThrowsAsync<DbRecoveryException>(() => PruneAsync(day));
            Assert.Equal(ErrorIds.ClockSkew, skew.Id);
            Assert.NotEmpty(Keys("trash"));
        }
    }

    [Theory]
    [InlineData("last=1")]
    [InlineData("full=1")]
    [InlineData("days=1")]
    public async Task Where_a_backup_is_dated_in_the_future_no_rule_says_which_is_the_newest(string rule)
    {
        Database.Files["data.db"] = Noise(10_000, 1);
        // taken while a clock was ahead; or the clocks went back since
        await new BackupService(_ => Database, new MovedTime { By = TimeSpan.FromHours(1) }).CreateAsync(RequestOf(), null, CancellationToken.None);
        await BackUpAsync();
        var all = await ListAsync();

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => Upkeep.DecideAsync(Repository, RetentionText.Parse(rule), all, new(), CancellationToken.None));

        Assert.Equal((ErrorIds.ClockSkew, ErrorKind.Refused), (error.Id, error.Kind));
    }

    [Fact]
    public async Task What_failed_backups_left_is_swept()
    {
        await TwoAsync();
        Database.Files["data.db"] = Noise(10 << 20, 50);
        Database.OnPiece = (given, _) => given > 9 << 20 ? throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "locked") : Task.CompletedTask;
        await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);
        Database.OnPiece = null;
        var tmp = Path.Combine(Repository.Path, "tmp", "killed");
        File.WriteAllText(tmp, "part of a pack");
        File.SetLastWriteTimeUtc(tmp, DateTime.UtcNow.AddHours(-2));
        var orphan = Path.Combine(Repository.Path, "tests", "20200101T000000Z-000000", "proof.json");
        Directory.CreateDirectory(Path.GetDirectoryName(orphan)!);
        File.WriteAllText(orphan, "{}");
        File.SetLastWriteTimeUtc(orphan, DateTime.UtcNow.AddHours(-2));

        var result = await PruneAsync();

        Assert.True(result.TrashedPacks > 0);
        Assert.False(File.Exists(tmp) || File.Exists(orphan));
        Assert.Equal(2, await AssertAllRestoreAsync());
    }

    [Fact]
    public async Task A_pack_in_the_trash_is_read_by_a_restore_and_taken_back_by_a_prune()
    {
        var (_, kept) = await TwoAsync();
        // a removal was killed over it: moved, not sealed
        var pack = Keys("packs")[^1];
        var name = Path.GetFileNameWithoutExtension(pack);
        Directory.CreateDirectory(Path.Combine(Repository.Path, "trash"));
        File.Move(pack, Path.Combine(Repository.Path, Trash.Key("0123456789abcdef", TrashKind.Pack, name)));
        await AssertAllRestoreAsync("from the trash");
        foreach (var index in Keys("index"))
            File.Delete(index);
        await AssertAllRestoreAsync("from the trash without an index");

        Assert.Equal(1, (await PruneAsync()).TakenBack);
        Assert.True(File.Exists(pack));
        Assert.True((await ProveAsync(kept)).Passed);
    }
}

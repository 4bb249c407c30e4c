using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Tests.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>Removals, repacks and new epochs of an encrypted repository.</summary>
public sealed class EpochUpkeepTests : KeyFixture
{
    private const int Page = 4096;
    private static readonly UpkeepOptions AtOnce = new() { Grace = TimeSpan.Zero, PackSize = 1 << 20 };

    private RepositoryUpkeep Upkeep => new(Secrets);

    private RepositoryCare Care => new(_ => Database, null, Secrets);

    [Fact]
    public async Task After_a_rotation_nothing_of_the_old_epoch_is_left_and_a_removed_key_opens_nothing()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        var full = await BackUpAsync();
        await AddAsync("second", KeyFile("second.key"));
        ChangePages(3, 200);
        var increment = await IncrementAsync();
        await ProveAsync(increment);
        await TestAsync();
        var stolen = (SlotFile("second"), File.ReadAllBytes(SlotFile("second")));
        await KeyService.RemoveAsync(Repository, "second", CancellationToken.None);
        ChangePages(4);
        var last = await IncrementAsync();

        var waiting = await PruneAsync(new UpkeepOptions { RotateEpochs = true, PackSize = 1 << 20 });
        Assert.Equal(0, waiting.DroppedEpochs);
        Assert.Equal([1u, 2u], (await OpenAsync(Repository)).Keys!.Epochs);
        var done = await PruneAsync(AtOnce with { RotateEpochs = true });

        Assert.Equal(1, done.DroppedEpochs);
        var keys = (await OpenAsync(Repository)).Keys!;
        Assert.Equal([2u], keys.Epochs);
        Assert.Equal([2u], (await keys.CountObjectsAsync(CancellationToken.None)).Keys);
        Assert.Empty(Keys("trash"));
        foreach (var backup in new[] { full, increment, last })
            Assert.True((await ProveAsync(backup)).Passed);
        await RestoreAsync(last);
        AssertRestored();
        Assert.NotNull((await ListAsync()).Single(b => b.Id == increment.Id).Proof);
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        // the key's file as its holder kept it: it opens its epoch, and there is nothing of that
        File.WriteAllBytes(stolen.Item1, stolen.Item2);
        var unread = new List<DbRecoveryException>();
        Assert.Empty(await new BackupService(_ => Database, null, null, Secrets).ListAsync(Second, new BackupFilter(), unread.Add, CancellationToken.None));
        Assert.Equal(3, unread.Count);
        Assert.All(unread, e => Assert.Equal(ErrorIds.RepositoryLocked, e.Id));
        await Assert.ThrowsAsync<DbRecoveryException>(() => new RepositoryUpkeep(Secrets).PruneAsync(Second, AtOnce with { Repack = true }, null, CancellationToken.None));
    }

    [Fact]
    public async Task A_removed_backup_of_the_old_epoch_is_taken_back_while_its_grace_lasts()
    {
        Database.Files["data.db"] = Noise(700_000, 1);
        var old = await BackUpAsync();
        Database.Files["data.db"] = Noise(700_000, 2);
        var kept = await BackUpAsync();
        await RemoveAsync(old, new UpkeepOptions());
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        await PruneAsync(new UpkeepOptions { RotateEpochs = true });
        Assert.Equal([1u, 2u], (await OpenAsync(Repository)).Keys!.Epochs);

        await Upkeep.UndoAsync(Repository, old.Id, new UpkeepOptions(), CancellationToken.None);

        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        Assert.True((await ProveAsync(old)).Passed);
        Assert.True((await ProveAsync(kept)).Passed);
        await RemoveAsync(old, AtOnce);
        Assert.Equal(1, (await PruneAsync(AtOnce with { RotateEpochs = true })).DroppedEpochs);
        Assert.True((await ProveAsync(kept)).Passed);
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
    }

    [Fact]
    public async Task A_repack_of_an_encrypted_repository_keeps_every_backup()
    {
        Database.Files["data.db"] = Noise(3 << 20, 1);
        var full = await BackUpAsync();
        for (var i = 0; i < 4; i++)
        {
            ChangePages([.. Enumerable.Range(0, 60).Select(n => n * 11 % 700 + i)]);
            await IncrementAsync();
        }
        await RemoveAsync(full, AtOnce);

        var result = await PruneAsync(AtOnce with { Repack = true, MergeRuns = true });

        Assert.True(result.RewrittenBackups > 0);
        foreach (var backup in await ListAsync())
            Assert.True((await ProveAsync(backup)).Passed);
        var report = await TestAsync(ScrubDepth.Decode);
        Assert.True(report.Passed, string.Join("; ", report.Damage));
    }

    [Fact]
    public async Task A_writer_whose_keys_were_changed_before_its_session_began_does_not_write()
    {
        Database.Files["data.db"] = Noise(10_000, 1);
        await BackUpAsync();
        var opened = await OpenAsync(Repository);
        await KeyService.RotateAsync(Repository, CancellationToken.None);

        await RefusedAsync(ErrorIds.RepositoryBusy, () => WriterSession.BeginAsync(opened, "a test", TimeProvider.System, CancellationToken.None));

        Assert.Empty(Keys("sessions"));
    }

    private void ChangePages(params int[] pages)
    {
        var content = (byte[])Database.Files["data.db"].Clone();
        foreach (var page in pages)
            content[page * Page + 17]++;
        Database.Files["data.db"] = content;
    }

    private Task<RepositoryReport> TestAsync(ScrubDepth depth = ScrubDepth.New) => Care.TestAsync(Repository, depth, null, CancellationToken.None);

    private Task<PruneResult> PruneAsync(UpkeepOptions options) => Upkeep.PruneAsync(Repository, options, null, CancellationToken.None);

    private Task RemoveAsync(BackupInfo backup, UpkeepOptions options) =>
        Upkeep.RemoveAsync(Repository, [new RetentionDecision { Backup = backup, Keep = false, Reasons = [] }], options, null, CancellationToken.None);
}

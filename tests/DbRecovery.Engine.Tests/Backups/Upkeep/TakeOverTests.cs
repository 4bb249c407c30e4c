using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>What a dead process held is taken over by one, whoever else looks at the same moment.</summary>
public sealed class TakeOverTests : UpkeepFixture
{
    private static readonly TimeSpan Limit = TimeSpan.FromDays(7);

    private DirectoryStorage Storage => new(Repository.Path);

    private string LockFile => Path.Combine(Repository.Path, UpkeepLock.Key);

    private static Task<IAsyncDisposable> TakeAsync(IRepositoryStorage storage, string purpose) =>
        UpkeepLock.TakeAsync(storage, purpose, Limit, TimeProvider.System, CancellationToken.None);

    private async Task LeaveAsync() => await Storage.PutAsync(UpkeepLock.Key,
        SealedDocument.Write(WriterSession.Describe("a prune that was killed", TimeProvider.System) with { ProcessStart = "1" }), PutMode.Replace, CancellationToken.None);

    [Fact]
    public async Task Who_looked_before_another_took_over_takes_nothing_away()
    {
        await LeaveAsync();
        IAsyncDisposable? first = null;
        var late = new HookedStorage(Storage);
        late.AfterRead = async key =>
        {
            if (key != UpkeepLock.Key || first is not null)
                return;
            first = await TakeAsync(Storage, "the first");
        };

        var busy = await Assert.ThrowsAsync<DbRecoveryException>(() => TakeAsync(late, "the late"));

        Assert.Equal(ErrorIds.RepositoryBusy, busy.Id);
        Assert.Equal("the first", SealedDocument.Read<SessionOwner>(File.ReadAllBytes(LockFile))!.Purpose);
        await first!.DisposeAsync();
        AssertClean();
    }

    [Fact]
    public async Task Who_was_taken_for_dead_leaves_the_next_ones_lock_alone()
    {
        var first = await TakeAsync(Storage, "the first");
        File.Delete(LockFile);
        await using (await TakeAsync(Storage, "the second"))
        {
            await first.DisposeAsync();
            Assert.Equal("the second", SealedDocument.Read<SessionOwner>(File.ReadAllBytes(LockFile))!.Purpose);
        }
        AssertClean();
    }

    [Fact]
    public async Task Of_many_at_once_one_has_it()
    {
        const int Takers = 12;
        for (var round = 0; round < 20; round++)
        {
            await LeaveAsync();
            var (start, ended, taken, left) = (new TaskCompletionSource(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0, Takers);
            var takers = Enumerable.Range(0, Takers).Select(i => Task.Run(async () =>
            {
                await start.Task;
                IAsyncDisposable? held = null;
                try
                {
                    held = await TakeAsync(Storage, $"taker {i}");
                    Interlocked.Increment(ref taken);
                }
                catch (DbRecoveryException e)
                {
                    Assert.Equal(ErrorIds.RepositoryBusy, e.Id);
                }
                if (Interlocked.Decrement(ref left) == 0)
                    ended.SetResult();
                if (held is null)
                    return;
                // whoever has it keeps it until nobody tries any more
                await ended.Task.WaitAsync(Wait.Limit);
                await held.DisposeAsync();
            })).ToArray();
            start.SetResult();
            await Task.WhenAll(takers).WaitAsync(Wait.Limit);

            Assert.Equal(1, taken);
            AssertClean();
        }
    }

    [Fact]
    public async Task Who_died_while_it_took_over_holds_nobody_up()
    {
        await LeaveAsync();
        // it dies between the look and the removal
        var dying = new HookedStorage(Storage);
        var writes = 0;
        dying.AfterCommit = key => !key.StartsWith("sessions/", StringComparison.Ordinal) && ++writes > 1 ? throw new OperationCanceledException("killed") : Task.CompletedTask;
        try
        {
            await (await TakeAsync(dying, "the killed")).DisposeAsync();
        }
        catch (OperationCanceledException)
        {
            // whatever it left says that its process is gone
            foreach (var file in Keys("tmp").Where(f => SealedDocument.Read<SessionOwner>(File.ReadAllBytes(f)) is not null))
                File.WriteAllBytes(file, SealedDocument.Write(SealedDocument.Read<SessionOwner>(File.ReadAllBytes(file))! with { ProcessStart = "1" }));
        }

        await (await TakeAsync(Storage, "the next")).DisposeAsync();

        Assert.Empty(Keys("sessions"));
    }
}

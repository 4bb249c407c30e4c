using System.Runtime.CompilerServices;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>Upkeep that dies at each of its operations, upkeep and backups in any order, two at once: what is listed restores.</summary>
public sealed class InterruptedUpkeepTests : UpkeepFixture
{
    [Theory]
    [InlineData(0)]
    [InlineData(24)]
    public async Task Killed_at_whatever_operation_every_listed_backup_restores_and_the_next_run_ends_it(int graceHours)
    {
        var options = AtOnce with { Grace = TimeSpan.FromHours(graceHours), Repack = true };
        var last = 0;
        for (; ; last += 1 + graceHours / 12)
        {
            Assert.True(last < 2000, "it never succeeds");
            if (Directory.Exists(Repository.Path))
                Directory.Delete(Repository.Path, recursive: true);
            Service = ServiceOf(packSize: 1 << 20);
            for (var i = 0; i < 6; i++)
                Database.Files[$"{i}.db"] = Noise(100_000, i);
            var old = await TakeAsync();
            for (var i = 1; i < 6; i++)
                Database.Files[$"{i}.db"] = Noise(100_000, 50 + i);
            await TakeAsync();
            var dying = new Dying(new DirectoryStorage(Repository.Path)) { DiesAt = last };
            Upkeep = new RepositoryUpkeep(_ => dying);
            var ended = true;
            try
            {
                await RemoveAsync(old, options);
            }
            catch (DbRecoveryException) when (dying.Dead)
            {
                ended = false;
            }
            await AssertAllRestoreAsync($"dead at {last}");
            // its lock is that of a process that died
            foreach (var session in Keys("sessions"))
                File.Delete(session);
            Upkeep = new RepositoryUpkeep();
            await PruneAsync(options);
            if ((await ListAsync()).Any(b => b.Id == old.Id))
                await RemoveAsync(old, options);
            Assert.Equal(1, await AssertAllRestoreAsync($"dead at {last}, and ended"));
            if (graceHours == 0)
                Assert.Empty(Keys("trash"));
            if (ended && !dying.Dead)
                break;
        }
        Assert.True(last > 20, $"{last} operations");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task In_whatever_order_backups_and_removals_come_each_listed_backup_restores(int seed)
    {
        var random = new Random(seed);
        Service = ServiceOf(packSize: 64 << 10);
        for (var i = 0; i < 5; i++)
            Database.Files[$"{i}.db"] = Noise(40_000, random.Next(8));
        var removed = new List<string>();
        for (var step = 0; step < 25; step++)
        {
            var what = random.Next(7);
            Database.Files[$"{random.Next(5)}.db"] = Noise(40_000, random.Next(8));
            var listed = await ListAsync();
            var options = new UpkeepOptions { Grace = TimeSpan.FromMinutes(random.Next(2) * 10), PackSize = 64 << 10, MaxSkew = TimeSpan.FromDays(9) };
            if (what <= 1 || listed.Count == 0)
                await TakeAsync();
            else if (what == 2)
            {
                // a removal while a backup is under way
                var target = listed[random.Next(listed.Count)];
                var at = random.Next(200_000);
                var once = false;
                Database.OnPiece = async (given, _) =>
                {
                    if (given < at || once)
                        return;
                    once = true;
                    await RemoveAsync(target, options);
                    await PruneAsync(options with { Repack = random.Next(2) == 0 });
                };
                await TakeAsync();
                Database.OnPiece = null;
                removed.Add(target.Id);
            }
            else if (what == 3)
            {
                var target = listed[random.Next(listed.Count)];
                await RemoveAsync(target, options);
                removed.Add(target.Id);
            }
            else if (what == 4)
                Age(Keys("trash"), TimeSpan.FromMinutes(6));
            else if (what == 5 && removed.Count > 0)
            {
                try
                {
                    await Upkeep.UndoAsync(Repository, removed[random.Next(removed.Count)], options, CancellationToken.None);
                }
                catch (DbRecoveryException e) when (e.Id is ErrorIds.BackupNotFound or ErrorIds.RepositoryCorrupt)
                {
                    // swept already
                }
            }
            else
                await PruneAsync(options with { Repack = random.Next(2) == 0, MergeRuns = random.Next(4) == 0 });
            await AssertAllRestoreAsync($"seed {seed}, step {step}, {what}");
        }
        await PruneAsync();
        var end = await PruneAsync();
        Assert.True(Keys("trash").Count == 0, $"{end.WaitingFor}: {string.Join(' ', Keys("trash"))}");
        await AssertAllRestoreAsync("at the end");
    }

    [Fact]
    public async Task What_another_machine_removed_in_between_is_not_missing()
    {
        Database.Files["0.db"] = Noise(60_000, 6);
        var old = await TakeAsync();
        Database.Files.Clear();
        Database.Files["1.db"] = Noise(60_000, 7);
        await TakeAsync();
        var removed = false;
        var late = new HookedStorage(new DirectoryStorage(Repository.Path))
        {
            BeforeList = async prefix =>
            {
                if (removed || prefix != "packs/")
                    return;
                removed = true;
                await RemoveAsync(old, AtOnce);
            },
        };
        var plan = await new RepositoryUpkeep(_ => late).PruneAsync(Repository, AtOnce with { Plan = true }, null, CancellationToken.None);
        Assert.True(removed);
        Assert.Equal(1, plan.Backups);
    }

    [Fact]
    public async Task Backups_and_two_removals_at_once_on_two_machines_lose_nothing()
    {
        Service = ServiceOf(packSize: 64 << 10);
        for (var i = 0; i < 5; i++)
            Database.Files[$"{i}.db"] = Noise(60_000, i);
        await TakeAsync();
        using var stop = new CancellationTokenSource();
        // each has the lock taken from the other: what a machine does that wrongly holds the other for dead
        var pruning = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            var rounds = 0;
            for (; !stop.IsCancellationRequested; rounds++)
            {
                try
                {
                    await new RepositoryUpkeep(r => new Lockless(new DirectoryStorage(r.Path))).PruneAsync(Repository, AtOnce with { PackSize = 64 << 10 }, null, CancellationToken.None);
                }
                catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryBusy)
                {
                }
            }
            return rounds;
        })).ToList();
        for (var round = 0; round < 8; round++)
        {
            Database.Files[$"{round % 5}.db"] = Noise(60_000, 10 + round);
            await TakeAsync();
            if (round % 2 == 1)
            {
                var oldest = (await ListAsync())[^1];
                await new RepositoryUpkeep(r => new Lockless(new DirectoryStorage(r.Path))).RemoveAsync(Repository, [new RetentionDecision { Backup = oldest, Keep = false, Reasons = [] }], AtOnce, null, CancellationToken.None);
            }
            await AssertAllRestoreAsync($"round {round}");
        }
        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(pruning), r => Assert.True(r > 0));
        Assert.Equal(5, await AssertAllRestoreAsync("at the end"));
    }

    private static void Age(IEnumerable<string> files, TimeSpan by)
    {
        foreach (var file in files)
            File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file) - by);
    }

    /// <summary>A storage whose process dies at an operation: it and all that follow fail.</summary>
    private sealed class Dying(IRepositoryStorage inner) : IRepositoryStorage
    {
        private int _count;

        public int DiesAt { get; init; } = int.MaxValue;
        public bool Dead { get; private set; }
        public string Location => inner.Location;

        public async Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken)
        {
            Enter();
            return new Writer(this, await inner.CreateAsync(cancellationToken));
        }

        public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(key, offset, buffer, cancellationToken);

        public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

        public async IAsyncEnumerable<StorageObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var found in inner.ListAsync(prefix, cancellationToken))
                yield return found;
        }

        public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => inner.HasForeignContentAsync(ownNames, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken)
        {
            Enter();
            return inner.DeleteAsync(key, cancellationToken);
        }

        public Task MoveAsync(string from, string to, CancellationToken cancellationToken)
        {
            Enter();
            return inner.MoveAsync(from, to, cancellationToken);
        }

        private void Enter()
        {
            if (_count++ < DiesAt)
                return;
            Dead = true;
            throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.Failed, "dead");
        }

        private sealed class Writer(Dying owner, IStorageWriter inner) : IStorageWriter
        {
            public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => inner.WriteAsync(data, cancellationToken);

            public Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken)
            {
                owner.Enter();
                return inner.CommitAsync(key, mode, cancellationToken);
            }

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }

    /// <summary>A storage in which the lock of an upkeep holds nobody back.</summary>
    private sealed class Lockless(IRepositoryStorage inner) : IRepositoryStorage
    {
        public string Location => inner.Location;

        public async Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) => new Writer(await inner.CreateAsync(cancellationToken));

        public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(key, offset, buffer, cancellationToken);

        public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

        public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => inner.HasForeignContentAsync(ownNames, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);

        public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => inner.MoveAsync(from, to, cancellationToken);

        private sealed class Writer(IStorageWriter inner) : IStorageWriter
        {
            public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => inner.WriteAsync(data, cancellationToken);

            public Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken) =>
                inner.CommitAsync(key, key == UpkeepLock.Key ? PutMode.Replace : mode, cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}

using System.Runtime.CompilerServices;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class BackupWriteOrderTests : BackupFixture
{
    [Fact]
    public async Task A_manifest_is_written_after_all_that_it_refers_to()
    {
        Database.Files["data.db"] = Noise(3 << 20, 1);
        var storage = new WatchedStorage(new DirectoryStorage(Repository.Path));

        await ServiceOver(storage).CreateAsync(RequestOf(), null, CancellationToken.None);

        var log = storage.Log;
        var manifest = log.FindIndex(l => l.StartsWith("commit backups/", StringComparison.Ordinal) && l.EndsWith("manifest.json", StringComparison.Ordinal));
        Assert.Equal("commit repo.json", log.First(l => l.StartsWith("commit", StringComparison.Ordinal)));
        var session = log.FindIndex(l => l.StartsWith("commit sessions/", StringComparison.Ordinal));
        var packs = log.Select((l, i) => (l, i)).Where(x => x.l.StartsWith("commit packs/", StringComparison.Ordinal)).ToList();
        Assert.True(packs.Count > 1);
        Assert.True(session < packs[0].i);
        var index = log.FindIndex(l => l.StartsWith("commit index/", StringComparison.Ordinal));
        Assert.True(packs[^1].i < index && index < manifest);
        // each pack is looked at once more between the index and the manifest, and once after it
        foreach (var (pack, _) in packs)
        {
            Assert.InRange(log.FindIndex(index, l => l == pack.Replace("commit", "stat")), index, manifest);
            Assert.True(log.FindLastIndex(l => l == pack.Replace("commit", "stat")) > manifest);
        }
        Assert.StartsWith("delete sessions/", log[^1]);
        Assert.Equal(manifest, log.FindLastIndex(l => l.StartsWith("commit", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_pack_that_goes_away_meanwhile_fails_the_backup()
    {
        Database.Files["data.db"] = Noise(3 << 20, 1);
        var storage = new WatchedStorage(new DirectoryStorage(Repository.Path))
        {
            AfterCommit = key =>
            {
                if (key.StartsWith("index/", StringComparison.Ordinal))
                    File.Delete(Keys("packs")[0]);
            },
        };

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => ServiceOver(storage).CreateAsync(RequestOf(), null, CancellationToken.None));

        Assert.Equal(ErrorIds.RepositoryCorrupt, error.Id);
        Assert.StartsWith("packs/", error.Target);
        Assert.Empty(await ListAsync());
        Assert.Empty(Keys("backups"));
        AssertClean();
    }

    /// <summary>The process dies at one operation after the other: the older backup stays good, and the next one succeeds.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whatever_operation_is_the_last_older_backups_stay_and_the_next_succeeds(bool dead)
    {
        Database.Files["data.db"] = Noise(1 << 20, 1);
        var before = await BackUpAsync();
        var kept = Keys(".").ToHashSet();
        var failures = 0;
        for (var last = 0; ; last++)
        {
            Assert.True(last < 200, "the backup never succeeds");
            Database.Files["data.db"] = Noise(2 << 20, 100);
            var storage = new WatchedStorage(new DirectoryStorage(Repository.Path)) { FailAt = last, StaysDead = dead };
            try
            {
                await ServiceOver(storage).CreateAsync(RequestOf(), null, CancellationToken.None);
                break;
            }
            catch (DbRecoveryException e)
            {
                Assert.Equal(ErrorIds.OutOfSpace, e.Id);
                failures++;
            }
            Assert.Equal(before.Id, (await ListAsync()).Single().Id);
            Assert.Empty(Keys("tmp"));
            // what the failed one left would be reused, and the next would not come to write
            foreach (var garbage in Keys(".").Where(k => !kept.Contains(k)))
                File.Delete(garbage);
        }

        Assert.True(failures > 10, $"{failures} operations");
        Assert.Equal(2, (await ListAsync()).Count);
        Assert.True((await ProveAsync(before)).Passed);
        Assert.True((await ProveAsync((await ListAsync(new BackupFilter { Latest = true })).Single())).Passed);
    }

    private BackupService ServiceOver(IRepositoryStorage storage) =>
        new(_ => Database, null, new BackupServiceOptions { PackSize = 1 << 20 }, ZstdLibrary.Instance, _ => storage);

    /// <summary>A storage that tells what was asked of it, and fails when told to.</summary>
    private sealed class WatchedStorage(IRepositoryStorage inner) : IRepositoryStorage
    {
        private int _count;

        public List<string> Log { get; } = [];
        public Action<string>? AfterCommit { get; init; }
        public int FailAt { get; init; } = -1;
        public bool StaysDead { get; init; }
        public string Location => inner.Location;

        public async Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken)
        {
            Enter("create");
            return new Writer(this, await inner.CreateAsync(cancellationToken));
        }

        public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            Enter($"read {key}");
            return inner.ReadAsync(key, offset, buffer, cancellationToken);
        }

        public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken)
        {
            Enter($"stat {key}");
            return inner.StatAsync(key, cancellationToken);
        }

        public async IAsyncEnumerable<StorageObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Enter($"list {prefix}");
            await foreach (var found in inner.ListAsync(prefix, cancellationToken))
                yield return found;
        }

        public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken)
        {
            Enter("foreign");
            return inner.HasForeignContentAsync(ownNames, cancellationToken);
        }

        public Task DeleteAsync(string key, CancellationToken cancellationToken)
        {
            Enter($"delete {key}");
            return inner.DeleteAsync(key, cancellationToken);
        }

        public Task MoveAsync(string from, string to, CancellationToken cancellationToken)
        {
            Enter($"move {from}");
            return inner.MoveAsync(from, to, cancellationToken);
        }

        private void Enter(string what)
        {
            lock (Log)
            {
                Log.Add(what);
                var at = _count++;
                // only the session's removal comes after the manifest: losing that does not fail a backup
                if (FailAt >= 0 && (at == FailAt || (StaysDead && at > FailAt)))
                    throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, $"told to fail at {what}");
            }
        }

        private sealed class Writer(WatchedStorage owner, IStorageWriter inner) : IStorageWriter
        {
            public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
            {
                owner.Enter("write");
                return inner.WriteAsync(data, cancellationToken);
            }

            public async Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken)
            {
                owner.Enter($"commit {key}");
                var done = await inner.CommitAsync(key, mode, cancellationToken);
                owner.AfterCommit?.Invoke(key);
                return done;
            }

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}

using System.Security.Cryptography;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Tests.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>Adding, removing and renewing keys, and what each holder can read afterwards.</summary>
public sealed class KeyChangeTests : KeyFixture
{
    public KeyChangeTests() => Database.Files["data.db"] = Noise(700_000, 1);

    [Fact]
    public async Task Every_key_opens_everything_and_no_change_touches_a_pack()
    {
        var backup = await BackUpAsync();
        var packs = Keys("packs").Select(p => (p, File.GetLastWriteTimeUtc(p))).ToArray();
        var added = await AddAsync("second", Second.Encryption!);
        Assert.Equal((RepositoryKeyKind.KeyFile, RepositoryKeyState.Current, false), (added.Kind, added.State, added.InUse));
        Repository = Second;
        await RestoreAsync(backup);
        AssertRestored();
        var left = await KeyService.RemoveAsync(Repository, "initial", CancellationToken.None);
        Assert.Equal(["second"], left.Select(k => k.Label));
        Assert.Equal(2, left[0].Epoch);
        Assert.Equal(packs, Keys("packs").Select(p => (p, File.GetLastWriteTimeUtc(p))));
        Service = ServiceOf();
        Assert.True((await ProveAsync((await ListAsync()).Single())).Passed);
    }

    [Fact]
    public async Task The_last_key_stays_and_labels_are_told_apart()
    {
        await BackUpAsync();
        Assert.Contains("last key", (await RefusedAsync(ErrorIds.ParameterInvalid, () => KeyService.RemoveAsync(Repository, "initial", CancellationToken.None))).Message, StringComparison.Ordinal);
        await RefusedAsync(ErrorIds.ParameterInvalid, () => AddAsync("initial", Second.Encryption!));
        foreach (var label in new[] { "", " a", "a\nb", new string('x', 65) })
            await RefusedAsync(ErrorIds.ParameterInvalid, () => AddAsync(label, Second.Encryption!));
        await RefusedAsync(ErrorIds.ObjectNotFound, () => KeyService.RemoveAsync(Repository, "nobody", CancellationToken.None));
        await RefusedAsync(ErrorIds.ParameterInvalid, () => KeyService.AddAsync(Repository, new NewRepositoryKey { Label = "a", Passphrase = new SecretValue("short") }, CancellationToken.None));
        await RefusedAsync(ErrorIds.ParameterInvalid, () => KeyService.AddAsync(Repository, new NewRepositoryKey { Label = "a" }, CancellationToken.None));
        await RefusedAsync(ErrorIds.TargetExists, () => KeyService.AddAsync(Repository, new NewRepositoryKey { Label = "a", NewKeyFile = Repository.Encryption!.KeyFile }, CancellationToken.None));
        Assert.Single(await KeyService.ListAsync(Repository, CancellationToken.None));
        // a damaged file has only its id
        await AddAsync("second", Second.Encryption!);
        var file = SlotFile("second");
        File.WriteAllText(file, "damaged");
        await KeyService.RemoveAsync(Repository, Path.GetFileNameWithoutExtension(file)[..8], CancellationToken.None);
        Assert.Single(await KeyService.ListAsync(Repository, CancellationToken.None));
    }

    [Fact]
    public async Task A_removed_key_opens_what_was_written_before_and_nothing_since()
    {
        var old = await BackUpAsync();
        await AddAsync("second", Second.Encryption!);
        var file = SlotFile("second");
        var copy = File.ReadAllBytes(file);
        await KeyService.RemoveAsync(Repository, "second", CancellationToken.None);
        await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Second));
        Database.Files["data.db"] = Noise(700_000, 2);
        Service = ServiceOf();
        var fresh = await BackUpAsync();

        // its holder kept the file and puts it back: he is none of them any more
        File.WriteAllBytes(file, copy);
        Assert.Equal(RepositoryKeyState.Foreign, (await KeyService.ListAsync(Repository, CancellationToken.None)).Single(k => k.Label == "second").State);
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        Assert.Equal(copy, File.ReadAllBytes(file));
        var all = Repository;
        Repository = Second;
        var damaged = new List<DbRecoveryException>();
        Assert.Equal(old.Id, Assert.Single(await ListAsync(damaged: damaged)).Id);
        Assert.Equal(ErrorIds.RepositoryLocked, Assert.Single(damaged).Id);
        await RefusedAsync(ErrorIds.RepositoryLocked, () => RestoreAsync(fresh with { RepositoryDefinition = Second }));
        await RefusedAsync(ErrorIds.RepositoryLocked, BackUpAsync);
        var locked = await OpenAsync(Second);
        foreach (var pack in Keys("packs"))
        {
            var (name, header) = (Path.GetFileNameWithoutExtension(pack), PackFormat.ReadHeader(File.ReadAllBytes(pack).AsMemory(0, PackFormat.HeaderSize))!.Value);
            if (header.Epoch == 1)
                Assert.NotEmpty((await PackReader.ReadContentsAsync(locked, name, CancellationToken.None)).Entries);
            else
                await RefusedAsync(ErrorIds.RepositoryLocked, () => PackReader.ReadContentsAsync(locked, name, CancellationToken.None));
        }
        Repository = all;
        Assert.Equal(2, (await ListAsync()).Count);
        foreach (var backup in await ListAsync())
            Assert.True((await ProveAsync(backup)).Passed);
    }

    [Fact]
    public async Task An_epoch_is_dropped_only_when_nothing_is_sealed_with_it()
    {
        await BackUpAsync();
        await ProveAsync((await ListAsync()).Single());
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        Database.Files["data.db"] = Noise(700_000, 2);
        var fresh = await BackUpAsync();
        var keys = (await OpenAsync(Repository)).Keys!;
        Assert.Equal(2u, keys.CurrentEpoch);
        Assert.Equal([1u, 2u], keys.Epochs);
        Assert.Equal([1u, 2u], (await keys.CountObjectsAsync(CancellationToken.None)).Keys);
        await RefusedAsync(ErrorIds.ParameterInvalid, () => keys.DropEpochAsync(2, CancellationToken.None));
        await RefusedAsync(ErrorIds.ParameterInvalid, () => keys.DropEpochAsync(9, CancellationToken.None));
        await RefusedAsync(ErrorIds.RepositoryBusy, () => keys.DropEpochAsync(1, CancellationToken.None));
        Assert.True(await keys.ResealDocumentsAsync(CancellationToken.None) > 0);
        Assert.Equal(2, (await ListAsync()).Count);
        // the pack of the old epoch goes with its backup
        var error = await RefusedAsync(ErrorIds.RepositoryBusy, () => keys.DropEpochAsync(1, CancellationToken.None));
        Assert.StartsWith("packs/", error.Target, StringComparison.Ordinal);
        File.Delete(Path.Combine(Repository.Path, error.Target!));
        File.Delete(Keys("backups").First(k => k.EndsWith("manifest.json", StringComparison.Ordinal) && !k.Contains(fresh.Id)));
        await keys.DropEpochAsync(1, CancellationToken.None);
        Assert.Equal([2u], (await OpenAsync(Repository)).Keys!.Epochs);
        Assert.True((await ProveAsync((await ListAsync()).Single())).Passed);
    }

    [Fact]
    public async Task A_change_that_is_cut_short_at_any_point_locks_nobody_out_and_the_next_backup_completes_it()
    {
        await BackUpAsync();
        await AddAsync("second", Second.Encryption!);
        await AddAsync("third", KeyFile("third.key"));
        for (var last = 0; ; last++)
        {
            Assert.True(last < 50, "the change never succeeds");
            var storage = new DyingStorage(new DirectoryStorage(Repository.Path), last);
            var failed = false;
            try
            {
                await new RepositoryKeyService(new RepositoryOpener(_ => storage, Secrets, TimeProvider.System)).RotateAsync(Repository, CancellationToken.None);
            }
            catch (DbRecoveryException e)
            {
                Assert.Equal(ErrorIds.OutOfSpace, e.Id);
                failed = true;
            }
            File.Delete(Path.Combine(Repository.Path, "keys", "lock"));
            // whoever has the newest epoch writes first, and gives it to the others
            var newest = Keys("keys").Select(SlotOf).MaxBy(s => s!.Ring.Generation)!.Label;
            Service = ServiceOf();
            var backup = await Service.CreateAsync(RequestOf() with { Repository = Repository with { Encryption = KeyFile(newest == "initial" ? "first.key" : newest + ".key") } }, null, CancellationToken.None);
            foreach (var key in new[] { "first.key", "second.key", "third.key" })
                Assert.Contains(await ServiceOf().ListAsync(Repository with { Encryption = KeyFile(key) }, new BackupFilter(), e => Assert.Fail(e.Message), CancellationToken.None), b => b.Id == backup.Id);
            Assert.All(await KeyService.ListAsync(Repository, CancellationToken.None), k => Assert.Equal(RepositoryKeyState.Current, k.State));
            if (!failed)
                break;
        }
    }

    [Fact]
    public async Task Two_changes_at_once_are_refused_or_follow_each_other()
    {
        await BackUpAsync();
        File.WriteAllText(Path.Combine(Repository.Path, "keys", "lock"), "somebody's");
        Assert.Equal("keys/lock", (await RefusedAsync(ErrorIds.RepositoryBusy, () => KeyService.RotateAsync(Repository, CancellationToken.None))).Target);
        File.SetLastWriteTimeUtc(Path.Combine(Repository.Path, "keys", "lock"), DateTime.UtcNow.AddHours(-1));
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        Assert.Single(Keys("keys"));
        var added = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(async () =>
        {
            try
            {
                return (await new RepositoryKeyService(Secrets).AddAsync(Repository, new NewRepositoryKey { Label = $"k{i}", NewKeyFile = Path.Combine(Root, $"k{i}.key") }, CancellationToken.None)).Label;
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryBusy)
            {
                Assert.False(File.Exists(Path.Combine(Root, $"k{i}.key")));
                return null;
            }
        })));
        var listed = await KeyService.ListAsync(Repository, CancellationToken.None);
        Assert.Equal(added.OfType<string>().Append("initial").Order(), listed.Select(k => k.Label).Order());
        Assert.All(listed, k => Assert.Equal(RepositoryKeyState.Current, k.State));
        foreach (var label in added.OfType<string>())
            Assert.NotNull(await OpenAsync(Repository with { Encryption = KeyFile(label + ".key") }));
    }

    [Fact]
    public async Task A_lock_that_another_took_over_meanwhile_is_not_taken_away()
    {
        await BackUpAsync();
        var file = Path.Combine(Repository.Path, "keys", "lock");
        var me = WriterSession.Describe("a change of the keys", TimeProvider.System);
        File.WriteAllBytes(file, SealedDocument.Write(me with { ProcessStart = "1" }));
        var others = SealedDocument.Write(me with { Id = Guid.NewGuid() });
        var late = new HookedStorage(new DirectoryStorage(Repository.Path));
        late.AfterRead = key =>
        {
            if (key == "keys/lock")
                File.WriteAllBytes(file, others);
            return Task.CompletedTask;
        };

        await RefusedAsync(ErrorIds.RepositoryBusy, () => new RepositoryKeyService(new RepositoryOpener(_ => late, Secrets, TimeProvider.System)).RotateAsync(Repository, CancellationToken.None));

        Assert.Equal(others, File.ReadAllBytes(file));
        // it lives: it may take as long as it wants
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-1));
        await RefusedAsync(ErrorIds.RepositoryBusy, () => KeyService.RotateAsync(Repository, CancellationToken.None));
    }

    [Fact]
    public async Task A_change_whose_lock_was_taken_over_writes_no_further_key()
    {
        await BackUpAsync();
        await AddAsync("second", Second.Encryption!);
        var file = Path.Combine(Repository.Path, "keys", "lock");
        var others = SealedDocument.Write(WriterSession.Describe("a change of the keys", TimeProvider.System));
        var stopped = new HookedStorage(new DirectoryStorage(Repository.Path));
        var written = new List<string>();
        stopped.AfterCommit = key =>
        {
            if (key.EndsWith(".json", StringComparison.Ordinal))
            {
                written.Add(key);
                File.WriteAllBytes(file, others);
            }
            return Task.CompletedTask;
        };

        await RefusedAsync(ErrorIds.RepositoryBusy, () => new RepositoryKeyService(new RepositoryOpener(_ => stopped, Secrets, TimeProvider.System)).RotateAsync(Repository, CancellationToken.None));

        Assert.Single(written);
        Assert.Equal(others, File.ReadAllBytes(file));
    }

    [Fact]
    public async Task An_addition_that_is_cut_short_at_any_point_costs_no_epoch()
    {
        await BackUpAsync();
        for (var last = 0; ; last++)
        {
            Assert.True(last < 50, "the addition never succeeds");
            var added = KeyFile($"k{last}.key");
            var failed = false;
            try
            {
                await new RepositoryKeyService(new RepositoryOpener(_ => new DyingStorage(new DirectoryStorage(Repository.Path), last), Secrets, TimeProvider.System))
                    .AddAsync(Repository, new NewRepositoryKey { Label = $"k{last}", KeyFile = added.KeyFile }, CancellationToken.None);
            }
            catch (DbRecoveryException e)
            {
                Assert.Equal(ErrorIds.OutOfSpace, e.Id);
                failed = true;
            }
            File.Delete(Path.Combine(Repository.Path, "keys", "lock"));
            // each holder goes on as if nothing had been
            await KeyService.RotateAsync(Repository, CancellationToken.None);
            var backup = await ServiceOf().CreateAsync(RequestOf(), null, CancellationToken.None);
            try
            {
                await KeyService.RotateAsync(Repository with { Encryption = added }, CancellationToken.None);
            }
            catch (DbRecoveryException e) when (failed)
            {
                Assert.Contains(e.Id, new[] { ErrorIds.RepositoryLocked, ErrorIds.RepositoryBusy });
            }
            var readable = await ServiceOf().ListAsync(Repository, new BackupFilter(), e => Assert.Fail($"{last}: {e.Message}"), CancellationToken.None);
            Assert.Contains(readable, b => b.Id == backup.Id);
            Assert.Equal(last + 2, readable.Count);
            if (!failed)
                break;
        }
    }

    [Fact]
    public async Task A_ring_sealed_by_somebody_without_a_key_is_none()
    {
        await BackUpAsync();
        var file = SlotFile("initial");
        var good = File.ReadAllBytes(file);
        // the public key is there for all to read; the root key is not
        Rewrite(file, slot => SlotCipher.WithRing(slot, KeyRing.Create().With([new RingMember(slot.Id, SHA256.HashData(slot.PublicKey))])));
        Assert.Contains("damaged", (await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository))).Message, StringComparison.Ordinal);
        File.WriteAllBytes(file, good);
        // nor is a key of his own given an epoch
        using var material = KeyMaterial.OfFile(Second.Encryption!.KeyFile!);
        var ring = KeyRing.Create();
        var planted = SlotCipher.WithRing(SlotCipher.Create(SlotOf(file)!.RepoId, "planted", material, ring, DateTimeOffset.UnixEpoch), ring);
        File.WriteAllBytes(Path.Combine(Repository.Path, planted.Key), SealedDocument.Write(planted));
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        Assert.Equal(planted.Ring.Sealed, SlotOf(SlotFile("planted"))!.Ring.Sealed);
        Assert.Equal(RepositoryKeyState.Foreign, (await KeyService.ListAsync(Repository, CancellationToken.None)).Single(k => k.Label == "planted").State);
        Assert.Equal("repo.json", (await RefusedAsync(ErrorIds.RepositoryCorrupt, () => OpenAsync(Second))).Target);
    }

    /// <summary>A storage whose process dies at its nth write.</summary>
    private sealed class DyingStorage(IRepositoryStorage inner, int last) : IRepositoryStorage
    {
        private int _writes;

        public string Location => inner.Location;

        public Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) => Enter() ?? inner.CreateAsync(cancellationToken);
        public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(key, offset, buffer, cancellationToken);
        public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => inner.StatAsync(key, cancellationToken);
        public IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);
        public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => inner.HasForeignContentAsync(ownNames, cancellationToken);
        public Task DeleteAsync(string key, CancellationToken cancellationToken) => Enter() ?? inner.DeleteAsync(key, cancellationToken);
        public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => Enter() ?? inner.MoveAsync(from, to, cancellationToken);

        private Task<IStorageWriter>? Enter() => _writes++ < last ? null
            : throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, "told to fail");
    }
}

using System.Text;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Tests.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>What an encrypted repository gives away, and when it is refused.</summary>
public sealed class EncryptedRepositoryTests : KeyFixture
{
    private const string Passphrase = "canary-passphrase-7731";
    private static readonly RepositoryEncryption ByPassphrase = new(new SecretReference(SecretSource.Env, "BACKUP_KEY"), null);

    public EncryptedRepositoryTests() => Secrets.Values["BACKUP_KEY"] = Passphrase;

    [Fact]
    public async Task Nothing_in_it_tells_of_the_data_and_it_restores_like_any_other()
    {
        Repository = Repository with { Encryption = ByPassphrase };
        Database.Files["canary-table.db"] = Rows(900_000, 1);
        Database.Files["more.db"] = Noise(300_000, 2);
        Database.SystemId = "fake-1";
        var backup = await BackUpAsync();
        Assert.True((await ProveAsync(backup)).Passed);
        await RestoreAsync(backup);
        AssertRestored();

        foreach (var file in Keys("."))
        {
            var text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
            foreach (var canary in new[] { "canary", "customer", "\"app\"", "counter", "sha256-pages", "inspect", Passphrase, Convert.ToHexString(Encoding.UTF8.GetBytes(Passphrase)), Convert.ToBase64String(Encoding.UTF8.GetBytes(Passphrase)) })
                Assert.False(text.Contains(canary, StringComparison.OrdinalIgnoreCase), $"{canary} is in {file}");
        }
    }

    [Fact]
    public async Task The_same_data_is_stored_once_and_has_another_name_than_in_a_plain_repository()
    {
        Database.Files["data.db"] = Noise(2_000_000, 1);
        var first = await BackUpAsync();
        var second = await BackUpAsync();
        Assert.True(second.StoredBytes < first.StoredBytes / 10, $"{second.StoredBytes} of {first.StoredBytes}");

        var plain = Repository with { Path = Path.Combine(Root, "plain"), Encryption = null };
        await Service.CreateAsync(RequestOf() with { Repository = plain }, null, CancellationToken.None);
        var ids = new HashSet<BlobId>();
        foreach (var definition in new[] { Repository, plain })
        {
            var repository = await OpenAsync(definition);
            foreach (var pack in Directory.GetFiles(Path.Combine(definition.Path, "packs"), "*", SearchOption.AllDirectories))
                Assert.All((await PackReader.ReadContentsAsync(repository, Path.GetFileNameWithoutExtension(pack), CancellationToken.None)).Entries, e => Assert.True(ids.Add(e.Id)));
        }
    }

    [Fact]
    public async Task A_wrong_passphrase_and_none_at_all_say_which_keys_there_are()
    {
        Repository = Repository with { Encryption = ByPassphrase };
        Database.Files["data.db"] = Rows(10_000, 1);
        var backup = await BackUpAsync();
        Secrets.Values["BACKUP_KEY"] = "wrong-" + Passphrase;
        Service = ServiceOf();
        var wrong = await RefusedAsync(ErrorIds.RepositoryLocked, () => RestoreAsync(backup));
        Assert.Contains("'initial' (passphrase", wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Passphrase, wrong.ToString(), StringComparison.Ordinal);

        var none = await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository with { Encryption = null }));
        Assert.Contains("'initial'", none.Message, StringComparison.Ordinal);
        await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository with { Encryption = KeyFile("other.key") }));
        Secrets.Values.Remove("BACKUP_KEY");
        await RefusedAsync(ErrorIds.SecretUnavailable, () => OpenAsync(Repository));
        Secrets.Values["BACKUP_KEY"] = "short";
        await RefusedAsync(ErrorIds.ParameterInvalid, () => Service.CreateAsync(RequestOf() with { Repository = Repository with { Path = Path.Combine(Root, "new") } }, null, CancellationToken.None));
    }

    [Fact]
    public async Task A_key_is_made_of_a_passphrase_once_as_long_as_the_keys_do_not_change()
    {
        Repository = Repository with { Encryption = ByPassphrase };
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        var asked = Secrets.Asked;
        await BackUpAsync();
        await ListAsync();
        Assert.InRange(Secrets.Asked, asked, asked + 1);
        asked = Secrets.Asked;
        await KeyService.AddAsync(Repository, new NewRepositoryKey { Label = "second", KeyFile = KeyFile("second.key").KeyFile }, CancellationToken.None);
        asked = Secrets.Asked;
        await ListAsync();
        Assert.Equal(asked + 1, Secrets.Asked);
    }

    [Fact]
    public async Task A_repository_in_the_clear_is_never_used_where_encryption_is_asked_for()
    {
        var plain = Repository with { Encryption = null };
        Database.Files["data.db"] = Rows(10_000, 1);
        await Service.CreateAsync(RequestOf() with { Repository = plain }, null, CancellationToken.None);
        var before = Keys(".");
        await RefusedAsync(ErrorIds.RepositoryLocked, BackUpAsync);
        await RefusedAsync(ErrorIds.RepositoryLocked, () => ListAsync());
        Assert.Equal(before, Keys("."));
        await RefusedAsync(ErrorIds.RepositoryInvalid, () => KeyService.ListAsync(plain, CancellationToken.None));
    }

    [Fact]
    public async Task An_altered_header_is_found_even_with_a_right_checksum()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        var good = File.ReadAllBytes(Path.Combine(Repository.Path, "repo.json"));
        var changes = new Func<RepositoryHeader, RepositoryHeader>[]
        {
            h => h with { Codec = "raw" }, h => h with { Format = 3 }, h => h with { MinReader = 0 }, h => h with { CreatedAt = h.CreatedAt.AddTicks(1) }, h => h with { Seal = null },
            h => h with { Seal = new string('0', 64) },
        };
        foreach (var change in changes)
        {
            RewriteHeader(change);
            Assert.Equal("repo.json", (await RefusedAsync(ErrorIds.RepositoryCorrupt, () => OpenAsync(Repository))).Target);
            File.WriteAllBytes(Path.Combine(Repository.Path, "repo.json"), good);
        }
        RewriteHeader(h => h with { Cipher = PlainSealer.Name, Seal = null });
        await RefusedAsync(ErrorIds.RepositoryLocked, BackUpAsync);
        await RefusedAsync(ErrorIds.RepositoryCorrupt, () => OpenAsync(Repository with { Encryption = null }));
        RewriteHeader(h => h with { Cipher = AesGcmSealer.Name, RepoId = Guid.NewGuid() });
        await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository));
        File.WriteAllBytes(Path.Combine(Repository.Path, "repo.json"), good);
        Assert.Single(await ListAsync());
    }

    [Fact]
    public async Task Many_creators_at_once_end_with_one_repository_and_one_key()
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => Opener().OpenOrCreateAsync(Repository, CancellationToken.None))));
        Assert.Single(opened.Select(r => r.Header.RepoId).Distinct());
        Assert.Single(Keys("keys"));
        Assert.Equal(RepositoryKeyState.Current, Assert.Single(await KeyService.ListAsync(Repository, CancellationToken.None)).State);
        AssertClean();
    }

    [Fact]
    public async Task What_is_moved_to_another_place_does_not_open()
    {
        Database.Files["data.db"] = Noise(600_000, 1);
        var first = await BackUpAsync();
        await ProveAsync(first);
        var firstPack = Keys("packs").Single();
        Database.Files["data.db"] = Noise(600_000, 2);
        var second = await BackUpAsync();
        await ProveAsync(second);
        var other = Repository with { Path = Path.Combine(Root, "other") };
        await Service.CreateAsync(RequestOf() with { Repository = other }, null, CancellationToken.None);

        var manifests = Keys("backups").Where(k => k.EndsWith("manifest.json", StringComparison.Ordinal)).ToArray();
        await SwappedAsync(manifests[0], manifests[1], async () => Assert.Empty(await ListAsync(damaged: [])));
        var proofs = Keys("tests");
        await SwappedAsync(proofs[0], proofs[1], async () => Assert.All(await ListAsync(damaged: []), b => Assert.Null(b.Proof)));
        var secondPack = Keys("packs").Single(p => p != firstPack);
        await SwappedAsync(firstPack, secondPack, () => RefusedAsync(ErrorIds.RepositoryCorrupt, () => RestoreAsync(first)));
        // under a key that is right for this repository but made by another one's
        var foreign = Directory.GetFiles(Path.Combine(other.Path, "backups"), "manifest.json", SearchOption.AllDirectories).Single();
        await SwappedAsync(manifests.Single(m => m.Contains(first.Id, StringComparison.Ordinal)), foreign, async () => Assert.Equal(second.Id, Assert.Single(await ListAsync(damaged: [])).Id));
        var foreignPack = Directory.GetFiles(Path.Combine(other.Path, "packs"), "*", SearchOption.AllDirectories).Single();
        await SwappedAsync(secondPack, foreignPack, () => RefusedAsync(ErrorIds.RepositoryCorrupt, () => RestoreAsync(second)));
        await RestoreAsync(second);
        AssertRestored();
    }

    [Fact]
    public async Task Two_blobs_of_a_pack_do_not_stand_in_for_each_other()
    {
        Database.Files["data.db"] = Noise(2 << 20, 1);
        Service = ServiceOf(packSize: 64 << 20);
        var backup = await BackUpAsync();
        var pack = Keys("packs").Single();
        var entries = (await PackReader.ReadContentsAsync(await OpenAsync(Repository), Path.GetFileNameWithoutExtension(pack), CancellationToken.None)).Entries;
        Assert.Equal(entries[0].StoredLength, entries[1].StoredLength);
        var bytes = File.ReadAllBytes(pack);
        var (a, b) = (bytes.AsSpan((int)entries[0].Offset, entries[0].StoredLength).ToArray(), bytes.AsSpan((int)entries[1].Offset, entries[1].StoredLength).ToArray());
        b.CopyTo(bytes.AsSpan((int)entries[0].Offset));
        a.CopyTo(bytes.AsSpan((int)entries[1].Offset));
        File.WriteAllBytes(pack, bytes);
        await RefusedAsync(ErrorIds.RepositoryCorrupt, () => RestoreAsync(backup));
    }

    [Fact]
    public void Every_bit_of_a_sealed_object_counts()
    {
        var ring = KeyRing.Create();
        var documents = new SealedDocuments(ring, Guid.NewGuid(), new DirectoryStorage(Root));
        var stored = documents.Seal("a", Encoding.UTF8.GetBytes("what it says"));
        Assert.Equal("what it says", Encoding.UTF8.GetString(documents.Open("a", stored)!.Value.Span));
        Assert.Null(documents.Open("b", stored));
        Assert.Null(new SealedDocuments(ring, Guid.NewGuid(), new DirectoryStorage(Root)).Open("a", stored));
        for (var bit = 0; bit < stored.Length * 8; bit++)
        {
            stored[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(documents.Open("a", stored));
            stored[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        for (var length = 0; length < stored.Length; length++)
            Assert.Null(documents.Open("a", stored[..length]));
        Assert.Null(documents.Open("a", Encoding.UTF8.GetBytes("{\"plain\":1}")));
    }

    private static async Task SwappedAsync(string a, string b, Func<Task> check)
    {
        Swap(a, b);
        await check();
        Swap(a, b);
    }

    private static void Swap(string a, string b)
    {
        File.Move(a, a + ".swap");
        File.Move(b, a);
        File.Move(a + ".swap", b);
    }
}

/// <summary>Every damage of a repository in the clear is found in an encrypted one too.</summary>
public sealed class EncryptedDamageTests : BackupDamageTests
{
    public EncryptedDamageTests()
    {
        var key = Path.Combine(Root, "test.key");
        KeyMaterial.Generate(key);
        Repository = Repository with { Encryption = new RepositoryEncryption(null, key) };
    }
}

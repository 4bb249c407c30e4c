using System.Security.Cryptography;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>Key files and slots that are wrong, damaged or altered.</summary>
public sealed class KeyMaterialTests : KeyFixture
{
    [Fact]
    public void A_key_file_is_made_for_its_owner_only_and_read_whatever_line_end_it_got()
    {
        var path = KeyFile("a.key").KeyFile!;
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        using var made = KeyMaterial.OfFile(path);
        foreach (var end in new[] { "", "\r\n", "\n\n" })
        {
            File.WriteAllText(path, File.ReadAllText(path).TrimEnd() + end);
            using var read = KeyMaterial.OfFile(path);
            Assert.Equal(made.Bytes, read.Bytes);
        }
        // a line end that is one of 32 random bytes is no line end
        byte[] random = [.. RandomNumberGenerator.GetBytes(31), 10];
        random[0] = 200;
        File.WriteAllBytes(path, random);
        var binary = KeyMaterial.OfFile(path);
        Assert.Equal(random, binary.Bytes);
        binary.Dispose();
        Assert.All(binary.Bytes, b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task A_key_file_that_is_none_is_refused_with_what_is_wrong()
    {
        var path = Path.Combine(Root, "bad.key");
        Repository = Repository with { Encryption = new RepositoryEncryption(null, path) };
        Database.Files["data.db"] = Rows(10_000, 1);
        Assert.Equal(path, (await RefusedAsync(ErrorIds.SecretUnavailable, BackUpAsync)).Target);
        foreach (var (content, what) in new[] { (new byte[0], "0 bytes"), (RandomNumberGenerator.GetBytes(31), "31 bytes"), (new byte[64], "not random"), (new byte[70_000], "at most") })
        {
            File.WriteAllBytes(path, content);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Assert.Contains(what, (await RefusedAsync(ErrorIds.ParameterInvalid, BackUpAsync)).Message, StringComparison.Ordinal);
        }
        if (OperatingSystem.IsWindows())
            return;
        File.WriteAllBytes(path, RandomNumberGenerator.GetBytes(32));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Contains("chmod 600", (await RefusedAsync(ErrorIds.AccessDenied, BackUpAsync)).RecommendedAction, StringComparison.Ordinal);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        await BackUpAsync();
    }

    [Fact]
    public async Task A_damaged_key_is_named_and_the_others_still_open()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        await AddAsync("second", Second.Encryption!);
        var file = SlotFile("initial");
        var good = File.ReadAllBytes(file);
        for (var at = 0; at < good.Length; at += 37)
        {
            var bad = (byte[])good.Clone();
            bad[at] ^= 4;
            File.WriteAllBytes(file, at % 2 == 0 ? bad : bad[..at]);
            var error = await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository));
            Assert.Contains("keys/" + Path.GetFileName(file), error.Message, StringComparison.Ordinal);
            Assert.NotNull(await OpenAsync(Second));
        }
        Assert.Equal(RepositoryKeyState.Damaged, (await KeyService.ListAsync(Second, CancellationToken.None)).Single(k => k.Label is null).State);
        File.Delete(file);
        Assert.Equal(RepositoryKeyState.Missing, (await KeyService.ListAsync(Second, CancellationToken.None)).Single(k => k.Label is null).State);
        // a change goes on without it, and what is put back later catches up
        await KeyService.RotateAsync(Second, CancellationToken.None);
        File.WriteAllBytes(file, good);
        Assert.Equal(RepositoryKeyState.Behind, (await KeyService.ListAsync(Second, CancellationToken.None)).Single(k => k.Label == "initial").State);
        await RefusedAsync(ErrorIds.RepositoryLocked, BackUpAsync);
        await ServiceOf().CreateAsync(RequestOf() with { Repository = Second }, null, CancellationToken.None);
        Assert.Equal(2, (await ListAsync()).Count);
    }

    [Fact]
    public async Task An_altered_slot_with_a_right_checksum_is_found()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        await AddAsync("second", Second.Encryption!);
        await KeyService.AddAsync(Repository, new NewRepositoryKey { Label = "third", Passphrase = new SecretValue("correct horse") }, CancellationToken.None);
        Secrets.Values["P"] = "correct horse";
        var third = Repository with { Encryption = new RepositoryEncryption(new SecretReference(SecretSource.Env, "P"), null) };
        Assert.NotNull(await OpenAsync(third));
        var weak = SlotFile("third");
        foreach (var count in new[] { 0, 1000, KeySlot.MinIterations - 1, int.MaxValue })
        {
            Rewrite(weak, s => s with { Kdf = s.Kdf with { Iterations = count } });
            Assert.Contains($"iteration count {count}", (await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(third))).Message, StringComparison.Ordinal);
            Assert.NotNull(await OpenAsync(Second));
        }
        var file = SlotFile("initial");
        var good = File.ReadAllBytes(file);
        var changes = new Func<KeySlot, KeySlot>[]
        {
            s => s with { Label = "other" }, s => s with { CreatedAt = s.CreatedAt.AddDays(1) }, s => s with { PublicKey = SlotOf(SlotFile("second"))!.PublicKey },
            s => s with { Secret = SlotOf(SlotFile("second"))!.Secret }, s => s with { Secret = [] }, s => s with { Ring = s.Ring with { Generation = 9 } },
            s => s with { Ring = s.Ring with { Epoch = 7 } }, s => s with { Ring = SlotOf(SlotFile("second"))!.Ring }, s => s with { Ring = s.Ring with { Sender = new byte[91] } },
            s => s with { Ring = null! }, s => s with { Kdf = null! }, s => s with { Kdf = s.Kdf with { Salt = new byte[16] } }, s => s with { Kdf = s.Kdf with { Algorithm = "none" } },
            s => s with { RepoId = Guid.NewGuid() }, s => s with { Id = Guid.NewGuid() }, s => s with { Format = 2 }, s => s with { Kind = RepositoryKeyKind.Passphrase },
        };
        foreach (var change in changes)
        {
            Rewrite(file, change);
            await RefusedAsync(ErrorIds.RepositoryLocked, () => OpenAsync(Repository));
            Assert.NotNull(await OpenAsync(Second));
            File.WriteAllBytes(file, good);
        }
        Assert.NotNull(await OpenAsync(Repository));
    }
}

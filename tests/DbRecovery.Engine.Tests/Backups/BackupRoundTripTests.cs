using System.Security.Cryptography;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class BackupRoundTripTests : BackupFixture
{
    [Theory]
    [InlineData(0, 4096)]
    [InlineData(1, 4096)]
    [InlineData(4095, 4096)]
    [InlineData(1 << 20, 4096)]
    [InlineData((1 << 20) + 1, 4096)]
    [InlineData(3_333_333, 512)]
    [InlineData(3_333_333, 65536)]
    [InlineData(3_333_333, 0)]
    [InlineData(2_500_000, 1000)]
    public async Task A_file_of_any_size_comes_back_as_it_was(int length, int pageSize)
    {
        Database.PageSize = pageSize;
        Database.Files["data.db"] = Rows(length, 1);

        var backup = await BackUpAsync();
        await RestoreAsync(backup);

        AssertRestored();
        AssertClean();
        Assert.Equal(length, backup.SizeBytes);
        Assert.Equal(BackupStatus.Complete, backup.Status);
    }

    [Theory]
    [InlineData("zeros")]
    [InlineData("noise")]
    [InlineData("many")]
    [InlineData("folders")]
    public async Task Content_of_any_kind_is_proved_and_comes_back(string kind)
    {
        switch (kind)
        {
            case "zeros": Database.Files["data.db"] = new byte[5_000_000]; break;
            case "noise": Database.Files["data.db"] = Noise(3_000_000, 2); break;
            case "many":
                for (var i = 0; i < 200; i++)
                    Database.Files[$"small-{i}"] = Rows(i * 13, i);
                break;
            default:
                Database.Files["base/1/a file"] = Rows(10_000, 1);
                Database.Files["base/2/é'\"\n"] = Rows(20_000, 2);
                break;
        }

        var backup = await BackUpAsync();
        var test = await ProveAsync(backup);
        await RestoreAsync(backup);

        Assert.True(test.Passed, string.Join("; ", test.Proof.Checks));
        AssertRestored();
        AssertClean();
        Assert.True(backup.StoredBytes <= backup.SizeBytes + backup.SizeBytes / 50 + 200_000, $"{backup.StoredBytes} stored for {backup.SizeBytes}");
    }

    [Fact]
    public async Task Every_stored_byte_is_counted_and_every_pack_has_its_hash_as_name()
    {
        Database.Files["data.db"] = Noise(5_000_000, 3);
        var before = Keys(".").Count;

        var backup = await BackUpAsync();

        var stored = Keys("packs").Concat(Keys("index")).Concat(Keys("backups")).Sum(f => new FileInfo(f).Length);
        Assert.Equal(0, before);
        Assert.Equal(stored, backup.StoredBytes);
        Assert.True(Keys("packs").Count > 1);
        foreach (var pack in Keys("packs"))
        {
            var name = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(pack))).ToLowerInvariant();
            Assert.EndsWith(Path.Combine("packs", name[..2], name + ".pack"), pack);
        }
    }

    [Fact]
    public async Task Page_hashes_are_those_of_the_pages()
    {
        var data = Rows(3 * 4096 + 17, 4);
        Database.Files["data.db"] = data;
        var content = await Service.OpenAsync(await BackUpAsync(), CancellationToken.None);

        var hashes = await content.ReadPageHashesAsync("data.db", CancellationToken.None);

        Assert.NotNull(hashes);
        Assert.Equal(4, hashes.Count);
        Assert.Equal(SHA256.HashData(data.AsSpan(4096, 4096))[..16], hashes[1].ToArray());
        Assert.Equal(SHA256.HashData(data.AsSpan(3 * 4096))[..16], hashes[3].ToArray());
        Assert.Equal("7", content.Source.State["counter"]);
        Assert.Null(await content.ReadPageHashesAsync("other", CancellationToken.None));
    }

    [Fact]
    public async Task What_did_not_change_is_not_stored_twice()
    {
        Database.Files["data.db"] = Rows(6 << 20, 5);
        var first = await BackUpAsync();
        Database.Files["data.db"][3 << 20] ^= 1;
        var second = await BackUpAsync();

        Assert.True(second.StoredBytes < first.StoredBytes / 3, $"{second.StoredBytes} after {first.StoredBytes}");
        await RestoreAsync(second);
        AssertRestored();
    }

    [Fact]
    public async Task A_new_backup_stores_again_what_is_damaged_in_the_repository()
    {
        Database.Files["data.db"] = Rows(2 << 20, 6);
        var first = await BackUpAsync();
        var pack = Keys("packs")[0];
        Flip(pack, 1000);

        var second = await BackUpAsync();

        Assert.True((await ProveAsync(second)).Passed);
        await RestoreAsync(second);
        AssertRestored();
        // the older one shares the blobs, and any good copy of a blob will do
        await RestoreAsync(first, "older");
        AssertRestored("older");
    }

    [Fact]
    public async Task Without_zstd_backups_are_made_and_restored_with_what_there_is()
    {
        Database.Files["data.db"] = Rows(3_000_000, 7);
        Service = ServiceWithoutZstd();

        var backup = await BackUpAsync();
        await RestoreAsync(backup);

        AssertRestored();
        Assert.True(backup.StoredBytes < backup.SizeBytes);
    }

    [SkippableZstdFact]
    public async Task A_zstd_backup_on_a_machine_without_zstd_names_the_library()
    {
        Database.Files["data.db"] = Rows(300_000, 7);
        var backup = await BackUpAsync();
        Service = ServiceWithoutZstd();

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));

        Assert.Equal(ErrorIds.LibraryMissing, error.Id);
        Assert.False(Path.Exists(Path.Combine(Root, "restored")));
    }

    [Fact]
    public async Task A_source_with_damage_makes_a_suspect_backup()
    {
        Database.Files["data.db"] = Rows(10_000, 8);
        Database.Problems.Add("page 2 is damaged");

        Assert.Equal(BackupStatus.Suspect, (await BackUpAsync()).Status);
        Assert.Empty(await ListAsync(new BackupFilter { CompleteOnly = true }));
    }

    [Fact]
    public async Task A_file_that_was_not_read_to_its_end_fails_the_backup()
    {
        Database.Files["data.db"] = Rows(10_000, 8);
        Database.ForgetToComplete = true;

        var error = await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

        Assert.Equal(ErrorIds.BackupFailed, error.Id);
        Assert.Empty(await ListAsync());
        AssertClean();
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("a/../../b")]
    [InlineData("")]
    public async Task A_path_that_leaves_the_backup_is_refused(string path)
    {
        Database.Files[path] = [1];

        var error = await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync);

        Assert.Equal(ErrorIds.BackupFailed, error.Id);
    }

    [Fact]
    public async Task Restoring_replaces_only_when_asked_and_keeps_what_was_there()
    {
        Database.Files["data.db"] = Rows(10_000, 9);
        var backup = await BackUpAsync();
        await RestoreAsync(backup);

        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));
        var result = await RestoreAsync(backup, replace: true);

        Assert.Equal(ErrorIds.TargetExists, refused.Id);
        Assert.True(Path.Exists(result.PreviousPath));
        Assert.Equal(DateTimeOffset.UnixEpoch, result.DataAsOf);
    }

    internal static void Flip(string file, long position)
    {
        using var stream = File.Open(file, FileMode.Open);
        stream.Position = position;
        var value = stream.ReadByte();
        stream.Position = position;
        stream.WriteByte((byte)(value ^ 0x10));
    }
}

/// <summary>A test that needs libzstd.</summary>
public sealed class SkippableZstdFactAttribute : FactAttribute
{
    public SkippableZstdFactAttribute() => Skip = ZstdLibrary.Instance is null ? "this machine has no libzstd" : null;
}

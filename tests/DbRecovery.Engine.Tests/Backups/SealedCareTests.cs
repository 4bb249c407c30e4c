using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>The same where a repository is encrypted, and between one that is and one that is not.</summary>
public sealed class SealedCareTests : CareFixture
{
    private RepositoryDefinition Encrypted(string name)
    {
        var keyFile = Path.Combine(Root, name + ".key");
        File.WriteAllBytes(keyFile, Noise(64, name.Length));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(keyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new RepositoryDefinition { Name = name, Path = Path.Combine(Root, name), Encryption = new RepositoryEncryption(null, keyFile) };
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_copy_is_sealed_as_its_new_repository_is(bool from, bool to)
    {
        if (from)
            Repository = Encrypted("vault");
        var destination = to ? Encrypted("second-vault") : Other;
        Database.Files["data.db"] = Rows(1_500_000, 1);
        var backup = await BackUpAsync();

        var copy = await Care.CopyAsync(backup, destination, null, CancellationToken.None);

        Assert.True((await Service.TestAsync(copy.Backup, null, CancellationToken.None)).Passed);
        var report = await Care.TestAsync(destination, ScrubDepth.Decode, null, CancellationToken.None);
        Assert.True(report.Passed, string.Join("; ", report.Damage));
        Assert.Equal(to, report.Encrypted);
        Assert.True((await Care.CopyAsync(backup, destination, null, CancellationToken.None)).Skipped);
    }

    [Fact]
    public async Task A_portable_backup_is_portable_no_longer_where_it_is_sealed()
    {
        Database.Files["data.db"] = Rows(100_000, 1);
        var backup = await Service.CreateAsync(RequestOf() with { Portable = true }, null, CancellationToken.None);

        var copy = await Care.CopyAsync(backup, Encrypted("vault"), null, CancellationToken.None);

        Assert.False(copy.Backup.Portable);
        Assert.Single(copy.Backup.Notes);
        Assert.True((await Care.CopyAsync(backup, Other, null, CancellationToken.None)).Backup.Portable);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_increment_is_copied_between_vaults_and_the_next_one_there_rests_on_it(bool hashesLost)
    {
        Repository = Encrypted("vault");
        var destination = Encrypted("second-vault");
        Database.Files["data.db"] = Noise(1 << 20, 1);
        await BackUpAsync();
        Database.Files["data.db"] = [.. Database.Files["data.db"]];
        Database.Files["data.db"][50_000]++;
        var increment = await IncrementAsync();
        if (hashesLost)
        {
            var manifest = ((BackupContent)await Service.OpenAsync(increment, CancellationToken.None)).Manifest;
            Damage(Path.Combine(Repository.Path, PackFormat.Key(manifest.Packs[manifest.Entries[0].PageHashes!.Base[0].Pack])), -2);
        }

        var copy = await Care.CopyAsync(increment, destination, null, CancellationToken.None);

        Assert.True((await Service.TestAsync(copy.Backup, null, CancellationToken.None)).Passed);
        var next = await Service.CreateAsync(RequestOf(BackupKind.Incremental) with { Repository = destination }, null, CancellationToken.None);
        Assert.Equal((hashesLost ? null : increment.Id, hashesLost ? (long?)null : 0), (next.Parent, next.ChangedBytes));
        Assert.True((await Care.TestAsync(destination, ScrubDepth.Decode, null, CancellationToken.None)).Passed);
    }

    [Theory]
    [InlineData("packs", 0.5)]
    [InlineData("packs", 0.01)]
    [InlineData("packs", -2)]
    [InlineData("index", 0.5)]
    [InlineData("manifest", 0.5)]
    [InlineData("repo.json", 0.5)]
    [InlineData("repo.json", -2)]
    public async Task Damage_to_a_sealed_repository_is_found_and_mended_from_a_plain_one(string kind, double where)
    {
        Repository = Encrypted("vault");
        Database.Files["data.db"] = Noise(2_300_000, 1);
        var backup = await BackUpAsync();
        await CopyAsync(backup);
        Assert.True((await TestAsync(ScrubDepth.Decode)).Passed);
        Damage(FileOf(kind), where);

        Assert.False((await TestAsync()).Passed);
        var result = await RepairAsync(fromOther: true);

        Assert.Equal(0, result.BlobsLost);
        Assert.True(result.Passed, string.Join("; ", result.Damage));
        await RestoreAsync(backup);
        AssertRestored();
    }

    [Fact]
    public async Task A_damaged_key_is_named()
    {
        Repository = Encrypted("vault");
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        File.WriteAllText(Path.Combine(Repository.Path, "keys", $"{Guid.NewGuid():N}.json"), "{}");

        var damage = Assert.Single((await TestAsync()).Damage);
        Assert.Equal(RepositoryObjectKind.Key, damage.Kind);
    }
}

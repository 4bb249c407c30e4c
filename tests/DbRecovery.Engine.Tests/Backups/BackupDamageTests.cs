using System.Text;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public class BackupDamageTests : BackupFixture
{
    public static TheoryData<string, double> Damages() => DamagesOf(
        ["packs", "index", "manifest", "repo.json"], _ => [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.999999, -1, -2]);

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damage_is_found_and_named_and_never_restored_as_good(string kind, double where)
    {
        Database.Files["data.db"] = Rows(900_000, 1);
        Database.Files["more.db"] = Noise(300_000, 2);
        var backup = await BackUpAsync();
        var file = FileOf(kind);
        Damage(file, where);
        var key = KeyOf(file);

        switch (kind)
        {
            case "packs":
                await AssertPackDamageAsync(backup, key);
                break;
            case "index":
                var test = await ProveAsync(backup);
                Assert.True(test.Passed, string.Join("; ", test.Proof.Checks));
                // a missing index is no damage: it is only built again
                Assert.Equal(where == -2 ? 0 : 1, test.Proof.Checks.Count(c => c.Name == "index" && c.Detail.Contains(key)));
                Assert.True((await ProveAsync(backup)).Proof.Checks.All(c => c.Name != "index"), "it was not built again");
                Assert.NotEmpty(Keys("index"));
                break;
            case "manifest":
                await AssertManifestDamageAsync(backup, key, where);
                break;
            default:
                var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));
                Assert.Equal((ErrorIds.RepositoryCorrupt, "repo.json"), (error.Id, error.Target));
                Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(BackUpAsync)).Id);
                break;
        }
    }

    [Fact]
    public async Task Every_bit_of_a_sealed_document_counts()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await BackUpAsync();
        var bytes = File.ReadAllBytes(Path.Combine(Repository.Path, "repo.json"));
        Assert.NotNull(SealedDocument.Read<RepositoryHeader>(bytes));

        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(SealedDocument.Read<RepositoryHeader>(bytes));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        for (var length = 0; length < bytes.Length; length++)
            Assert.Null(SealedDocument.Read<RepositoryHeader>(bytes.AsSpan(0, length)));
    }

    [Fact]
    public async Task A_restore_finds_damage_at_every_place_of_the_data()
    {
        Database.Files["data.db"] = Noise(700_000, 3);
        var backup = await BackUpAsync();
        var pack = Keys("packs").Single();
        var good = File.ReadAllBytes(pack);
        for (var at = PackFormat.HeaderSize; at < PackFormat.HeaderSize + 700_000; at += 69_997)
        {
            BackupRoundTripTests.Flip(pack, at);
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));
            Assert.Equal(ErrorIds.RepositoryCorrupt, error.Id);
            Assert.False(Path.Exists(Path.Combine(Root, "restored")));
            File.WriteAllBytes(pack, good);
        }
        await RestoreAsync(backup);
        AssertRestored();
    }

    [Fact]
    public async Task A_failing_inspection_is_a_failing_proof()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        Database.InspectionFails = true;
        var backup = await BackUpAsync();

        var test = await ProveAsync(backup);

        Assert.False(test.Passed);
        Assert.False((await ListAsync()).Single().Proof!.Passed);
        Assert.Empty(await ListAsync(new BackupFilter { ProvedOnly = true }));
        AssertClean();
    }

    [Fact]
    public async Task A_damaged_proof_counts_as_none()
    {
        Database.Files["data.db"] = Rows(10_000, 1);
        await ProveAsync(await BackUpAsync());
        Assert.True((await ListAsync()).Single().Proof!.Passed);
        BackupRoundTripTests.Flip(Keys("tests").Single(), 40);
        var damaged = new List<DbRecoveryException>();

        Assert.Null((await ListAsync(damaged: damaged)).Single().Proof);
        Assert.StartsWith("tests/", damaged.Single().Target);
    }

    private async Task AssertPackDamageAsync(BackupInfo backup, string key)
    {
        var test = await ProveAsync(backup);
        Assert.False(test.Passed);
        Assert.Contains(test.Proof.Checks, c => !c.Passed && c.Detail.Contains(key));
        Assert.False((await ListAsync()).Single().Proof!.Passed);
        try
        {
            // damage outside the data, in a header or trailer, need not stop a restore: but then it must be the right data
            await RestoreAsync(backup);
            AssertRestored();
        }
        catch (DbRecoveryException error)
        {
            Assert.Equal((ErrorIds.RepositoryCorrupt, key), (error.Id, error.Target));
            Assert.Contains(backup.Id, error.Message);
            Assert.Contains(".db", error.Message);
            Assert.False(Path.Exists(Path.Combine(Root, "restored")));
        }
        var next = await BackUpAsync();
        Assert.True((await ProveAsync(next)).Passed, "a new backup must not rest on the damaged pack");
    }

    private async Task AssertManifestDamageAsync(BackupInfo backup, string key, double where)
    {
        Database.Files["data.db"][7] ^= 1;
        var other = await BackUpAsync();
        var damaged = new List<DbRecoveryException>();
        Assert.Equal(other.Id, (await ListAsync(damaged: damaged)).Single().Id);
        if (where > -2)
            Assert.Equal((ErrorIds.RepositoryCorrupt, key), (damaged.Single().Id, damaged.Single().Target));
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup));
        Assert.Equal(where == -2 ? ErrorIds.BackupNotFound : ErrorIds.RepositoryCorrupt, error.Id);
        Assert.True((await ProveAsync(other)).Passed);
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(0)]
    public async Task Whole_blobs_that_are_put_together_wrongly_are_not_restored(int pageSize)
    {
        Database.PageSize = pageSize;
        Database.Files["data.db"] = Noise((3 << 20) + (pageSize == 0 ? 100 : 0), 1);
        var backup = await BackUpAsync();
        var content = (BackupContent)await Service.OpenAsync(backup, CancellationToken.None);
        var entry = content.Manifest.Entries.Single();
        var (a, b) = (entry.Runs[0], entry.Runs[1]);
        // as an error in an increment or a repack would do it
        ManifestRun[] wrong = [a with { Pack = b.Pack, Blob = b.Blob }, b with { Pack = a.Pack, Blob = a.Blob }, .. entry.Runs.Skip(2)];
        await ManifestStore.WriteAsync(content.Repository, content.Manifest with { Entries = [entry with { Runs = wrong }] }, CancellationToken.None, PutMode.Replace);

        Assert.Equal(ErrorIds.RepositoryCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(() => RestoreAsync(backup))).Id);
        Assert.False((await ProveAsync(backup)).Passed);
    }
}

using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Tests.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>Epochs that end while somebody still holds their keys, or while something still needs them.</summary>
public sealed class LateWriterTests : KeyFixture
{
    private static readonly UpkeepOptions Rotate = new() { Grace = TimeSpan.Zero, PackSize = 1 << 20, RotateEpochs = true };

    public LateWriterTests() => Database.Files["data.db"] = Noise(900_000, 1);

    private RepositoryCare Care => new(_ => Database, null, Secrets);

    private Task<RepositoryReport> TestAsync() => Care.TestAsync(Repository, ScrubDepth.New, null, CancellationToken.None);

    private Task<PruneResult> PruneAsync(UpkeepOptions options) => new RepositoryUpkeep(Secrets).PruneAsync(Repository, options, null, CancellationToken.None);

    [Fact]
    public async Task What_was_sealed_in_an_epoch_that_ended_meanwhile_holds_up_nothing()
    {
        var backup = await BackUpAsync();
        var report = await TestAsync();
        var late = await OpenAsync(Repository);
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        Assert.Equal(1, (await PruneAsync(Rotate)).DroppedEpochs);
        // a check and a restore that began before write what they remember
        await ScrubLedger.SaveAsync(late, [], [], CancellationToken.None);
        await LastCheck.SaveAsync(late, report, CancellationToken.None);
        await late.WriteIndexAsync([], CancellationToken.None);

        Database.Files["data.db"] = (byte[])Database.Files["data.db"].Clone();
        Database.Files["data.db"][5]++;
        var next = await IncrementAsync();
        Assert.Equal(backup.Id, next.Parent);
        Assert.Null(await Care.LastReportAsync(Repository, CancellationToken.None));
        await PruneAsync(Rotate);
        await TestAsync();
        Assert.True((await TestAsync()).Passed);
        Assert.NotNull(await Care.LastReportAsync(Repository, CancellationToken.None));
    }

    [Fact]
    public async Task A_proof_of_such_an_epoch_is_damage_that_a_repair_mends()
    {
        var backup = await BackUpAsync();
        var proof = (await ProveAsync(backup)).Proof;
        var late = await OpenAsync(Repository);
        await KeyService.RotateAsync(Repository, CancellationToken.None);
        await PruneAsync(Rotate);
        await ProofStore.WriteAsync(late, proof with { TestedAt = proof.TestedAt.AddMinutes(1) }, CancellationToken.None);

        Assert.Equal(RepositoryObjectKind.Proof, Assert.Single((await TestAsync()).Damage).Kind);
        await PruneAsync(Rotate);
        var result = await Care.RepairAsync(Repository, null, false, false, null, CancellationToken.None);

        Assert.True(result.Passed, string.Join("; ", result.Damage));
        Assert.NotNull((await ListAsync()).Single().Proof);
    }

    [Fact]
    public async Task An_epoch_stays_as_long_as_something_in_quarantine_is_sealed_with_it()
    {
        var old = await BackUpAsync();
        var pack = Keys("packs")[0];
        Database.Files["data.db"] = Noise(900_000, 2);
        await BackUpAsync();
        BackupRoundTripTests.Flip(pack, 500_000);
        await Care.RepairAsync(Repository, null, false, false, null, CancellationToken.None);
        await new RepositoryUpkeep(Secrets).RemoveAsync(Repository, [new RetentionDecision { Backup = old, Keep = false, Reasons = [] }], Rotate with { RotateEpochs = false }, null, CancellationToken.None);
        await KeyService.RotateAsync(Repository, CancellationToken.None);

        Assert.Equal(0, (await PruneAsync(Rotate)).DroppedEpochs);

        var repository = await OpenAsync(Repository);
        Assert.Equal([1u, 2u], repository.Keys!.Epochs);
        var kept = Keys("quarantine").Single();
        Assert.StartsWith("quarantine/", (await RefusedAsync(ErrorIds.RepositoryBusy, () => repository.Keys.DropEpochAsync(1, CancellationToken.None))).Target, StringComparison.Ordinal);
        // put back to its place it opens: what of it is unharmed can still be had
        File.Copy(kept, pack);
        Assert.NotEmpty((await PackReader.ReadContentsAsync(repository, Path.GetFileNameWithoutExtension(pack), CancellationToken.None)).Entries);
        File.Delete(pack);
        File.Delete(kept);
        Assert.Equal(1, (await PruneAsync(Rotate)).DroppedEpochs);
    }
}

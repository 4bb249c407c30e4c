using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime.Tests;

/// <summary>The clock is moved an hour, either way: nothing is made longer than it is, nothing expires twice, nothing is lost.</summary>
public sealed class ClockTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_backup_taken_after_the_clock_moved_is_listed_and_restores(int hours)
    {
        using var place = new Place();
        var runtime = place.Make();
        var first = await runtime.NewBackupAsync(runtime.GetCluster("shop"), null, BackupKind.Full, portable: false, null, default);
        place.Clock.By = hours * Hour;
        var second = await runtime.NewBackupAsync(runtime.GetCluster("shop"), null, BackupKind.Full, portable: false, null, default);
        var listed = await runtime.GetBackupsAsync(runtime.GetRepository("main"), new BackupFilter(), null, default);
        Assert.Equal(hours > 0 ? new[] { second.Id, first.Id } : new[] { first.Id, second.Id }, listed.Select(b => b.Id));
        Assert.All(await Task.WhenAll(listed.Select(b => runtime.TestBackupAsync(b, null, default))), r => Assert.True(r.Passed));
    }

    [Fact]
    public async Task A_clock_set_back_makes_no_cooldown_longer_and_one_set_forward_ends_it()
    {
        using var place = new Place();
        var runtime = place.Make();
        await place.ProvedBackupAsync(runtime);
        place.Damage();
        await runtime.RecoverAsync(await place.FaultAsync(runtime), null, null, long.MaxValue, null, null, default);

        place.Clock.By = -Hour;
        Assert.All(runtime.GetRecoveryStatus("shop").Cooldowns.Values, end => Assert.True(end <= place.Clock.GetUtcNow() + Hour));
        Assert.NotEmpty(runtime.GetRecoveryStatus("shop").Cooldowns);
        place.Clock.By = Hour + TimeSpan.FromMinutes(1);
        Assert.Empty(runtime.GetRecoveryStatus("shop").Cooldowns);
        Assert.Equal(IncidentState.Resolved, Assert.Single(runtime.GetIncidents("shop")).State);
    }

    [Fact]
    public async Task An_approval_that_was_waited_for_too_long_is_void()
    {
        using var place = new Place();
        var runtime = place.Make();
        await place.ProvedBackupAsync(runtime);
        place.Damage();
        var damaged = File.ReadAllBytes(place.Database);
        var waiting = await runtime.RecoverAsync(await place.FaultAsync(runtime), null, null, null, null, null, default);
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);
        place.Clock.By = Hour;
        try
        {
            await runtime.ApproveIncidentAsync(waiting.Id, waiting.PlanHash, default);
            var resumed = await runtime.ResumeIncidentAsync(waiting.Id, null, null, default);
            Assert.NotEqual(IncidentState.Probation, resumed.State);
        }
        catch (DbRecoveryException e)
        {
            Assert.Equal(ErrorKind.Refused, e.Kind);
        }
        Assert.Equal(damaged, File.ReadAllBytes(place.Database));
    }

    [Fact]
    public async Task A_pause_ends_by_the_clock_and_an_endless_one_does_not()
    {
        using var place = new Place();
        var runtime = place.Make();
        await runtime.SuspendRecoveryAsync("shop", "work", TimeSpan.FromMinutes(30), default);
        Assert.True(runtime.GetRecoveryStatus("shop").Paused);
        place.Clock.By = Hour;
        Assert.False(runtime.GetRecoveryStatus("shop").Paused);
        await runtime.SuspendRecoveryAsync("shop", "work", null, default);
        place.Clock.By = 1000 * Hour;
        Assert.True(runtime.GetRecoveryStatus("shop").Paused);
        await Assert.ThrowsAsync<DbRecoveryException>(() => runtime.SuspendRecoveryAsync("shpo", "work", null, default));
    }

    [Fact]
    public async Task The_incident_of_a_target_without_an_inventory_is_gone_on_with()
    {
        using var place = new Place("");
        var runtime = place.Make(o => o with { StateFolder = "state" });
        var target = runtime.GetTarget("sqlite", place.Database);
        var repository = runtime.GetRepository("./repository");
        target = target with { Backups = new BackupSettings { Repository = repository.Path } };
        var backup = await runtime.NewBackupAsync(target, repository, BackupKind.Full, portable: false, null, default);
        await runtime.TestBackupAsync(backup, null, default);
        place.Damage();
        var fault = (await runtime.TestHealthAsync(target, ObservationLevel.Standard, null, default)).Faults[0];
        var waiting = await runtime.RecoverAsync(fault, null, null, null, null, null, default);
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);

        // another process, which knows of the target only by the journal
        var later = place.Make(o => o with { StateFolder = "state" });
        await later.ApproveIncidentAsync(waiting.Id, null, default);
        Assert.Equal(IncidentState.Probation, (await later.ResumeIncidentAsync(waiting.Id, null, null, default)).State);
    }
}

using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Incidents;

public class CrashTests
{
    [Fact]
    public async Task Death_after_each_record_and_resume_gives_the_same_end_with_each_effect_once()
    {
        int records;
        using (var whole = new World())
        {
            Assert.Equal(IncidentState.Probation, (await whole.RecoverAsync()).State);
            records = whole.Observer.Count;
        }
        Assert.True(records > 10);
        for (var n = 1; n < records; n++)
        {
            using var world = new World { Observer = new Observer { DieAfter = n } };
            await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
            world.Observer = new Observer();
            var id = Assert.Single(world.Service().List("app")).Id;
            var report = await world.Service().ResumeAsync(id, world.Cluster, null, null, default);
            Assert.True(report.State == IncidentState.Probation, $"after record {n}: {report.State}, {report.Summary}");
            Assert.Equal(["restore", "swap"], world.Effects);
            Assert.Equal("a\nb\n", await File.ReadAllTextAsync(world.Database));
            Assert.Equal("BAD\na\nb\nc\n", await File.ReadAllTextAsync(Path.Combine(report.EvidencePath!, "app.db")));
            Assert.All(report.Steps, s => Assert.True(s.State is StepState.Applied or StepState.Confirmed));
            Assert.Equal(2, report.Epoch);
        }
    }

    [Fact]
    public async Task Death_after_each_record_of_a_failing_recovery_ends_in_the_same_failure()
    {
        static World Broken() => new()
        {
            Fail = what => what == "swap" ? new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "held") : null,
            Runbook = World.CorruptRunbook() with
            {
                Steps = [.. World.CorruptRunbook().Steps.Select(s => s with { OnFailure = s.Id == "swap" ? FailurePolicy.Compensate : FailurePolicy.Stop })],
            },
        };
        int records;
        using (var whole = Broken())
        {
            Assert.Equal(IncidentState.Failed, (await whole.RecoverAsync()).State);
            records = whole.Observer.Count;
        }
        for (var n = 1; n < records; n++)
        {
            using var world = Broken();
            world.Observer = new Observer { DieAfter = n };
            await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
            world.Observer = new Observer();
            var report = await world.Service().ResumeAsync("latest", world.Cluster, null, null, default);
            Assert.True(report.State == IncidentState.Failed, $"after record {n}: {report.State}, {report.Summary}");
            Assert.Equal(StepState.Compensated, report.Steps.Single(s => s.Id == "restore").State);
            Assert.Equal(StepState.Applied, report.Steps.Single(s => s.Id == "escalate.tell").State);
            Assert.StartsWith("BAD", await File.ReadAllTextAsync(world.Database), StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(world.Database)!, "*.dbrecovery-*"));
            Assert.Null(report.Loss);
        }
    }

    [Fact]
    public async Task A_swap_that_happened_before_the_process_died_is_not_done_again()
    {
        using var world = new World { AfterSwap = _ => throw new Died() };
        world.Observer.OnWritten = kind =>
        {
            // the outcome of the swap never reaches the journal
            if (kind == JournalKind.StepResult && world.Effects.Contains("swap"))
                throw new Died();
        };
        await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
        (world.AfterSwap, world.Observer) = (null, new Observer());
        var report = await world.Service().ResumeAsync("latest", world.Cluster, null, null, default);
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Equal(StepState.Confirmed, report.Steps.Single(s => s.Id == "swap").State);
        Assert.Single(world.Effects, e => e == "swap");
    }

    [Fact]
    public async Task A_new_request_for_the_same_fault_goes_on_with_what_a_dead_process_left()
    {
        using var world = new World { Observer = new Observer { DieAfter = 7 } };
        await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
        world.Observer = new Observer();
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Single(world.Service().List("app"));
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_stops_the_recovery_before_the_effect()
    {
        int records;
        using (var whole = new World())
        {
            await whole.RecoverAsync();
            records = whole.Observer.Count;
        }
        for (var n = 1; n <= records; n++)
        {
            using var world = new World { Observer = new Observer { FailAt = n } };
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => world.RecoverAsync());
            Assert.Equal(ErrorIds.OutOfSpace, error.Id);
            Assert.Equal(n - 1, world.Observer.Count);
            if (n == 1)
                continue;
            world.Observer = new Observer();
            Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync("latest", world.Cluster, null, null, default)).State);
            Assert.Equal(["restore", "swap"], world.Effects);
        }
    }
}

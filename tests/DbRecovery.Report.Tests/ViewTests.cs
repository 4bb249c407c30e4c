using DbRecovery.Report.View;

namespace DbRecovery.Report.Tests;

/// <summary>What the figures and pictures are made of.</summary>
public sealed class ViewTests
{
    private static readonly DateTimeOffset Now = Sample.Now;

    [Fact]
    public void The_phases_of_an_incident_follow_each_other()
    {
        var phases = IncidentPhases.Of(Sample.Incident("shop", Now, approval: true));
        Assert.Equal(["Detection", "Confirmation", "Planning", "Guards and decision", "Waiting for approval", "Step evidence", "Step restore (3 attempts)", "Step salvage", "Step swap", "Verification", "Probation"], phases.Select(p => p.Name));
        Assert.All(phases, p => Assert.True(p.Duration >= TimeSpan.Zero, p.Name));
        Assert.Equal(2, phases[6].Marks.Count);
        Assert.Equal(phases.OrderBy(p => p.From), phases);
    }

    [Fact]
    public void A_clock_that_was_set_back_gives_no_negative_time()
    {
        var incident = Sample.Incident("shop", Now);
        var turned = incident with { Steps = [.. incident.Steps.Select(s => s with { EndedAt = s.StartedAt - TimeSpan.FromHours(1) })], EndedAt = incident.StartedAt.AddHours(-2) };
        Assert.All(IncidentPhases.Of(turned), p => Assert.True(p.Duration is null || p.Duration >= TimeSpan.Zero, p.Name));
        Assert.Contains("<svg", ReportWriter.Write(new ReportModel { MadeAt = Now, Incidents = [turned] }), StringComparison.Ordinal);
    }

    [Fact]
    public void Waiting_does_not_crush_the_seconds_that_matter()
    {
        var phases = IncidentPhases.Of(Sample.Incident("shop", Now, approval: true));
        var axis = new TimeAxis(phases);
        Assert.Equal(0, axis.At(axis.Begin));
        Assert.Equal(100, axis.At(axis.End), 3);
        var moments = Enumerable.Range(0, 500).Select(i => axis.At(axis.Begin + (axis.End - axis.Begin) * i / 500)).ToList();
        Assert.Equal(moments.Order(), moments);
        var restore = phases.Single(p => p.Name.StartsWith("Step restore", StringComparison.Ordinal));
        Assert.True(axis.At(restore.To!.Value) - axis.At(restore.From) > 25);
        Assert.InRange(axis.Ticks().Count, 2, 8);
    }

    [Fact]
    public void A_wait_without_a_known_end_has_room()
    {
        var incident = Sample.Incident("shop", Now, IncidentState.Probation) with { NextReviewAt = null };
        var phases = IncidentPhases.Of(incident);
        Assert.Null(phases[^1].To);
        Assert.InRange(new TimeAxis(phases).At(phases[^1].From), 50, 95);
    }

    public static TheoryData<string, IncidentReport, string> Losses() => new()
    {
        { "nothing lost", Sample.Incident("a", Now, loss: false), "nothing lost" },
        { "lost since a moment", Sample.Incident("a", Now), "at most 6.7 s" },
        { "lost, nobody knows since when", Sample.Incident("a", Now) with { Loss = new DataLoss { Statement = "unknown" } }, "unknown" },
        { "not recovered", Sample.Incident("a", Now, IncidentState.Failed), "-" },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public void The_loss_is_said_as_it_is_known(string _, IncidentReport incident, string expected) => Assert.Equal(expected, IncidentFigures.LossText(incident));

    public static TheoryData<string, int[], int, int> Gaps() => new()
    {
        { "every day", [0, 1, 2, 3], 0, 0 },
        { "two days missing", [0, 1, 4, 5], 1, 0 },
        { "none of late", [3, 4, 5], 0, 1 },
        { "both", [3, 4, 9], 1, 1 },
        { "none at all", [], 0, 0 },
    };

    [Theory]
    [MemberData(nameof(Gaps))]
    public void A_gap_is_where_the_newest_backup_was_too_old(string _, int[] daysAgo, int closed, int open)
    {
        var coverage = new Coverage([.. daysAgo.Select(d => Sample.Backup("a", Now.AddDays(-d)))], TimeSpan.FromHours(25), Now);
        Assert.Equal(closed, coverage.Gaps.Count(g => g.To is not null));
        Assert.Equal(open, coverage.Gaps.Count(g => g.To is null));
        Assert.Equal(open > 0, coverage.On(coverage.Today) == DayState.Gap);
    }

    [Fact]
    public void The_best_of_a_day_counts_and_a_proof_that_failed_is_none()
    {
        var coverage = new Coverage([Sample.Backup("a", Now, proved: true), Sample.Backup("a", Now.AddHours(-1)), Sample.Backup("a", Now.AddDays(-1), proved: false), Sample.Backup("a", Now.AddDays(-2), status: BackupStatus.Suspect)], TimeSpan.FromDays(2), Now);
        Assert.Equal([DayState.Proved, DayState.Failed, DayState.Suspect, DayState.Before], Enumerable.Range(0, 4).Select(d => coverage.On(coverage.Today.AddDays(-d))));
        Assert.Equal(DayOfWeek.Monday, coverage.Start.DayOfWeek);
    }
}

using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Real clusters that lose their primary, watched by something that may act.</summary>
public sealed class FailoverTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Theory]
    [InlineData(1, "synchronous: 1")]
    [InlineData(0, "maxDataLoss: 64MiB")]
    public async Task A_primary_that_is_gone_and_does_not_start_is_replaced(int synchronous, string policy)
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 2, Synchronous = synchronous }, $"autoRecover: true, {policy}, {PgSituation.Patient}");
        var old = watched.Lab.Primary;
        old.BreakBinary();
        var killed = Stopwatch.GetTimestamp();
        await old.KillAsync();

        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        var failover = incident.Steps.Single(s => s.Action == "failover");
        var primary = watched.Lab[failover.Outputs["newPrimary"].AsText()];
        Assert.NotEqual(old.Name, primary.Name);
        await watched.Writer.UntilAsync(50);
        output.WriteLine($"first write after {watched.Writer.OutageAfter(killed)}");
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();

        Assert.Equal(1, watched.Sampler.Most);
        Assert.Equal(3L, incident.Steps.Single(s => s.Action == "fence").Outputs["level"].AsInt());
        var missing = await watched.Writer.MissingAsync(watched.Lab, primary);
        if (synchronous > 0)
            Assert.Empty(missing);
        else
            Assert.True(incident.Loss?.Bytes > 0 || missing.Count == 0);
        var other = watched.Lab.Standbys.Single(s => s.Name != primary.Name);
        await watched.Lab.UntilStreamingAsync(other, primary);
        Assert.Equal(incident.Epoch, await watched.Lab.ScalarAsync<long>(primary, "select max(epoch) from dbrecovery.epoch"));
    }

    [Fact]
    public async Task A_loss_that_is_not_allowed_is_agreed_to_once_the_old_primary_does_not_start()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 2 }, $"autoRecover: true, {PgSituation.Patient}");
        watched.Lab.Primary.BreakBinary();
        await watched.Lab.Primary.KillAsync();

        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.AwaitingApproval, incident.State);
        Assert.False(incident.Steps.Single(s => s.Action == "start").Outputs["started"].AsBool());
        Assert.NotEmpty(incident.ApprovalReasons);
        await watched.Runtime.ApproveIncidentAsync(incident.Id, incident.PlanHash, default);
        incident = await watched.Runtime.ResumeIncidentAsync(incident.Id, null, null, default);
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        await watched.Writer.UntilAsync(50);
        await watched.Sampler.StopAsync();
        Assert.Equal(1, watched.Sampler.Most);
    }

    [Fact]
    public async Task A_primary_whose_data_are_whole_is_started_where_it_was()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 2 }, $"autoRecover: true, {PgSituation.Patient}");
        await watched.Lab.Primary.KillAsync();

        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        Assert.True(incident.Steps.Single(s => s.Action == "start").Outputs["started"].AsBool());
        Assert.All(incident.Steps.Where(s => s.Action is "fence" or "failover"), s => Assert.Equal(StepState.Skipped, s.State));
        Assert.Null(incident.Loss);
        await watched.Writer.UntilAsync(50);
        await watched.Writer.StopAsync();
        Assert.Empty(await watched.Writer.MissingAsync(watched.Lab, watched.Lab.Primary));
    }
}

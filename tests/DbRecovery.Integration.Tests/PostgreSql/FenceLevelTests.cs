using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Each level of the fence alone: what it lets happen, and what it does not.</summary>
public sealed class FenceLevelTests(Xunit.Abstractions.ITestOutputHelper output)
{
    // nothing is known of how the servers are started and stopped
    private static string WithoutControl(string text) => text.Replace("    control: { kind: pg_ctl }\n", "", StringComparison.Ordinal);

    [Fact]
    public async Task A_synchronous_quorum_denies_a_frozen_primary_every_acknowledgement_even_when_it_thaws()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Synchronous = 1 }, "autoRecover: true, synchronous: 1, detectWithin: 2s", change: WithoutControl, probe: WriteProbe.Acknowledged);
        var (lab, old) = (watched.Lab, watched.Lab.Primary);
        await old.FreezeAsync();
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.StateChanged, To: "Primary" } && e.Event.Node != old.Name), "nobody took over");
        await watched.Writer.UntilAsync(20);
        old.Thaw();
        await watched.Writer.UntilAsync(50);
        // what it would have to be told by a person: the old one is primary still, and cannot acknowledge anything
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.FaultRaised, Fault.Id: "topology.split-brain" }), "the two primaries were not told");
        var steps = watched.Runtime.GetIncidents(lab.Options.Name).Single(i => i.Steps.Any(s => s is { Action: "failover", State: StepState.Applied })).Steps;
        output.WriteLine(watched.Story());
        Assert.Equal(2L, steps.Single(s => s.Action == "fence").Outputs["level"].AsInt());
        var failover = steps.Single(s => s.Action == "failover");
        Assert.Equal(0L, failover.Outputs["lossBytes"].AsInt());
        var primary = lab[failover.Outputs["newPrimary"].AsText()];
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal(1, watched.Sampler.Most);
        Assert.Empty(await watched.Writer.MissingAsync(lab, primary));
    }

    [Fact]
    public async Task Best_effort_is_no_fence_and_nobody_is_promoted_beside_a_living_primary()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 1 }, $"maxDataLoss: 1GiB, {PgSituation.Patient}", recover: false, change: WithoutControl);
        var (lab, old) = (watched.Lab, watched.Lab.Primary);
        var ask = new Runtime.ReplicationRequest { Cluster = watched.Cluster, Operation = Runtime.ReplicationOperation.Failover, AllowDataLossBytes = long.MaxValue };
        var incident = await watched.Runtime.ReplicateAsync(ask, null, null, default);
        output.WriteLine(watched.Story());
        // it is refused before anything is done: read-only by default would be an outage without a new primary
        Assert.Equal(IncidentState.Suppressed, incident.State);
        Assert.Equal("off", await lab.ScalarAsync<string>(old, "show default_transaction_read_only"));
        await watched.Writer.UntilAsync(50);
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal([old.Name], watched.Sampler.Spans.Select(s => s.Node).Distinct());
        Assert.Empty(await watched.Writer.MissingAsync(lab, old));
    }

    [Fact]
    public async Task Without_any_fence_nobody_takes_over_until_a_person_names_that_and_agrees()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 1, Relays = true }, "autoRecover: true, maxDataLoss: 1GiB", change: WithoutControl);
        var (lab, old, standby) = (watched.Lab, watched.Lab.Primary, watched.Lab.Nodes[1]);
        // in this order: what is agreed to is one thing, not a server that is gone first and then a machine
        await old.Relay!.VanishAsync();
        await old.KillAsync();
        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.AwaitingApproval, incident.State);
        Assert.NotEmpty(incident.ApprovalReasons);
        // that best effort could be tried was agreed to; that even this fails was not
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event.Kind == WatchEventKind.NotActed && e.Event.Incident == incident.Id), "nobody was asked");
        await watched.Runtime.ApproveIncidentAsync(incident.Id, incident.PlanHash, default);
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event.Kind == WatchEventKind.NotActed && e.Event.Summary.Contains("ended Failed", StringComparison.Ordinal)), "it did not go on");
        incident = watched.Runtime.GetIncident(incident.Id);
        Assert.Equal((IncidentState.Failed, StepState.Failed), (incident.State, incident.Steps.Single(s => s.Action == "fence").State));
        Assert.True(await lab.ScalarAsync<bool>(standby, "select pg_is_in_recovery()"));

        var ask = new Runtime.ReplicationRequest
        {
            Cluster = watched.Cluster, Operation = Runtime.ReplicationOperation.Failover, AllowDataLossBytes = long.MaxValue, Parameters = new Dictionary<string, string> { ["fence"] = "0" },
        };
        incident = await watched.Runtime.ReplicateAsync(ask, null, null, default);
        Assert.Equal(IncidentState.AwaitingApproval, incident.State);
        await watched.Runtime.ApproveIncidentAsync(incident.Id, incident.PlanHash, default);
        incident = await watched.Runtime.ResumeIncidentAsync(incident.Id, null, null, default);
        output.WriteLine(watched.Story());
        Assert.Equal(0L, incident.Steps.Single(s => s.Action == "fence").Outputs["level"].AsInt());
        Assert.Equal(standby.Name, incident.Steps.Single(s => s.Action == "failover").Outputs["newPrimary"].AsText());
        await watched.Writer.UntilAsync(50);
    }
}

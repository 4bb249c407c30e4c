using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Who takes over from a primary that is gone, and who does not: real replicas that have received more, and less.</summary>
public sealed class CandidateTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task The_only_replica_is_too_far_behind_until_a_person_names_it_and_the_size_of_the_loss()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 1, UpstreamRelays = true }, $"autoRecover: true, maxDataLoss: 1GiB, maxLag: 16KiB, {PgSituation.Patient}");
        var (old, standby) = (watched.Lab.Primary, watched.Lab.Nodes[1]);
        await LeaveBehindAsync(watched, standby, 64 << 10);
        old.BreakBinary();
        await old.KillAsync();
        standby.UpstreamRelay!.CloseAll();

        // the size of the loss would be allowed, the bound on a candidate is not met
        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Failed, incident.State);
        Assert.Contains(incident.Timeline, t => t.Event.Contains("behind, and the policy allows 16384", StringComparison.Ordinal));
        Assert.True(await watched.Lab.ScalarAsync<bool>(standby, "select pg_is_in_recovery()"));

        var ask = new Runtime.ReplicationRequest { Cluster = watched.Cluster with { Policy = watched.Cluster.Policy with { MaxDataLossBytes = 0 } }, Operation = Runtime.ReplicationOperation.Failover, Node = standby.Name };
        var plan = await watched.Runtime.PlanReplicationAsync(ask, null, default);
        Assert.Empty(plan.Blocked);
        Assert.NotEmpty(plan.ApprovalReasons);
        Assert.True(plan.Loss!.Bytes >= 64 << 10, plan.Loss.Statement);
        Assert.Equal(IncidentState.AwaitingApproval, (await watched.Runtime.ReplicateAsync(ask, null, null, default)).State);
        // the longer ago the primary was seen, the more may have been written since
        incident = await watched.Runtime.ReplicateAsync(ask with { AllowDataLossBytes = plan.Loss.Bytes * 1000 }, null, null, default);
        Assert.True(incident.State is IncidentState.Probation or IncidentState.Resolved, incident.Summary);
        await watched.Writer.UntilAsync(50);
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        var missing = await watched.Writer.MissingAsync(watched.Lab, standby);
        Assert.NotEmpty(missing);
        // a row of the writer takes more than 50 bytes of log
        Assert.True(missing.Count * 50L <= incident.Loss!.Bytes, $"{missing.Count} rows, {incident.Loss.Statement}");
        Assert.Equal(1, watched.Sampler.Most);
    }

    [Fact]
    public async Task A_primary_that_starts_is_started_although_nobody_could_take_its_place()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 1 }, $"autoRecover: true, {PgSituation.Patient}",
            change: text => text.Replace("name: lab-2,", "name: lab-2, candidate: false,", StringComparison.Ordinal));
        Assert.False(watched.Cluster.Nodes[1].Candidate);
        await watched.Lab.Primary.KillAsync();
        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        Assert.True(incident.Steps.Single(s => s.Action == "start").Outputs["started"].AsBool());
        await watched.Writer.UntilAsync(50);
    }

    [Fact]
    public async Task The_replica_that_has_received_the_most_takes_over_whatever_the_priorities()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { UpstreamRelays = true }, "autoRecover: true, restartInPlace: false, maxDataLoss: 64MiB",
            change: text => text.Replace("name: lab-2,", "name: lab-2, priority: 200,", StringComparison.Ordinal));
        Assert.Equal([100, 200, 100], watched.Cluster.Nodes.Select(n => n.Priority));
        var (old, preferred, ahead) = (watched.Lab.Primary, watched.Lab.Nodes[1], watched.Lab.Nodes[2]);
        await LeaveBehindAsync(watched, preferred, 64 << 10);
        await old.KillAsync();

        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        Assert.Equal(ahead.Name, incident.Steps.Single(s => s.Action == "failover").Outputs["newPrimary"].AsText());
        await watched.Writer.UntilAsync(50);
        await watched.Lab.UntilStreamingAsync(preferred, ahead);
        await watched.Lab.UntilStreamingAsync(old, ahead);
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal(1, watched.Sampler.Most);
    }

    /// <summary>A replica receives nothing any more, though its connection stands, while the primary writes on; and the watch has seen how much.</summary>
    private static async Task LeaveBehindAsync(WatchedCluster watched, PgNode standby, long bytes)
    {
        standby.UpstreamRelay!.Set(Flow.Pass, Flow.Drop);
        var received = await watched.Lab.ScalarAsync<string>(standby, "select pg_last_wal_receive_lsn()::text");
        await watched.Lab.UntilAsync(watched.Lab.Primary, $"select pg_current_wal_lsn() - '{received}'::pg_lsn > {bytes}", true);
        await watched.UntilAsync(() => watched.AskAsync($"/lab/{standby.Name}/replica?lag={bytes}B").GetAwaiter().GetResult().Contains("bytes behind", StringComparison.Ordinal), "the watch does not see it");
    }
}

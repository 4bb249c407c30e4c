using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A node of another cluster is in the inventory: it is named, never touched, and the others are recovered all the same.</summary>
public sealed class StrangerTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task The_others_are_reported_and_recovered_and_the_stranger_is_left_alone()
    {
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Name = "other", Standbys = 0, FreshSystemId = true });
        var stranger = other.Primary;
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions(), $"autoRecover: true, restartInPlace: false, maxDataLoss: 64MiB, {PgSituation.Patient}",
            change: text => text.Replace("    auth:", $"      - {{ name: {stranger.Name}, host: 127.0.0.1, port: {stranger.Port}, dataDir: {stranger.DataDir}, binDir: {stranger.BinDir}, runAs: postgres }}\n    auth:", StringComparison.Ordinal));
        var (lab, old) = (watched.Lab, watched.Lab.Primary);
        var seen = await watched.Runtime.TestHealthAsync(watched.Cluster, ObservationLevel.Quick, null, default);
        var fault = seen.Faults.Single(f => f.Id == "pg.sysid-mismatch");
        Assert.Equal(stranger.Name, fault.Node);
        Assert.DoesNotContain(seen.Faults, f => f.Id is "topology.split-brain" or "pg.standby.promoted-out-of-band");
        Assert.Equal([NodeRole.Primary, NodeRole.Replica, NodeRole.Replica], lab.Nodes.Select(n => seen.Nodes.Single(o => o.Node == n.Name).Role));
        var plan = await watched.Runtime.PlanReplicationAsync(new Runtime.ReplicationRequest { Cluster = watched.Cluster, Operation = Runtime.ReplicationOperation.Switchover, Node = lab.Nodes[1].Name }, null, default);
        Assert.Empty(plan.Blocked);
        var topology = await watched.Runtime.GetTopologyAsync(seen, default);
        Assert.Equal(old.Name, topology.Primary);

        await old.KillAsync();
        var incident = await watched.IncidentAsync();
        output.WriteLine(watched.Story());
        Assert.Equal(IncidentState.Probation, incident.State);
        var primary = lab[incident.Steps.Single(s => s.Action == "failover").Outputs["newPrimary"].AsText()];
        await watched.Writer.UntilAsync(50);
        foreach (var node in lab.Nodes.Where(n => n != primary))
            await lab.UntilStreamingAsync(node, primary);
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal(1, watched.Sampler.Most);
        // it is what it was, and nothing was written to it
        Assert.False(await other.ScalarAsync<bool>(stranger, "select pg_is_in_recovery()"));
        Assert.Equal(0L, await other.ScalarAsync<long>(stranger, "select count(*) from pg_namespace where nspname = 'dbrecovery'"));
        Assert.Equal(0L, await other.ScalarAsync<long>(stranger, "select count(*) from pg_replication_slots"));
        Assert.DoesNotContain(watched.Runtime.GetIncidents(watched.Cluster.Name).Where(i => i.Fault.Node == stranger.Name).SelectMany(i => i.Steps), s => s.Action != "notify");
    }
}

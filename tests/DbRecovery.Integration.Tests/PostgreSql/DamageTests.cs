using DbRecovery.PostgresLab;
using DbRecovery.Runtime;
using Npgsql;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A byte of a table is another one on the disk: it is named where it is read, a copy is made anew from what is sound, and else nothing is done by itself.</summary>
public sealed class DamageTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const string Count = "select count(*) from damaged";

    [Fact]
    public async Task A_replica_with_damaged_pages_is_copied_anew_from_a_sound_primary_that_goes_on_meanwhile()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Standbys = 1 }, $"autoRecover: true, {PgSituation.Patient}", prepare: lab => DamageAsync(lab, lab.Nodes[1]));
        var (lab, damaged) = (watched.Lab, watched.Lab.Nodes[1]);
        var started = await lab.ScalarAsync<DateTime>(lab.Primary, "select pg_postmaster_start_time()");
        Assert.Equal("XX001", (await Assert.ThrowsAsync<PostgresException>(() => lab.ScalarAsync<long>(damaged, Count))).SqlState);
        var incident = await watched.IncidentAsync("pg.corruption");
        output.WriteLine(watched.Story());
        Assert.Equal((IncidentState.Probation, "postgresql-corrupt-replica", damaged.Name), (incident.State, incident.Runbook, incident.Node));
        Assert.Equal(FaultSeverity.Degraded, incident.Fault.Severity);
        await lab.UntilStreamingAsync(damaged, lab.Primary);
        Assert.Equal(500L, await lab.ScalarAsync<long>(damaged, Count));
        Assert.Equal(started, await lab.ScalarAsync<DateTime>(lab.Primary, "select pg_postmaster_start_time()"));
        // the old data are kept, as they were
        Assert.Single(Directory.GetDirectories(Path.GetDirectoryName(damaged.DataDir)!, $"{Path.GetFileName(damaged.DataDir)}.kept-*"));
        await watched.Writer.StopAsync();
        Assert.Empty(await watched.Writer.MissingAsync(lab, lab.Primary));
    }

    [Fact]
    public async Task Damaged_pages_of_a_primary_and_of_a_replica_are_named_and_mended_as_the_runbook_advises()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions(), $"autoRecover: true, maxDataLoss: 1GiB, {PgSituation.Patient}", prepare: lab => DamageAsync(lab, lab.Nodes[1], lab.Primary));
        var (lab, whole) = (watched.Lab, watched.Lab.Nodes[2]);
        PgNode[] damaged = [lab.Primary, lab.Nodes[1]];
        foreach (var node in damaged)
        {
            Assert.Equal("XX001", (await Assert.ThrowsAsync<PostgresException>(() => lab.ScalarAsync<long>(node, Count))).SqlState);
            await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.FaultRaised, Fault.Id: "pg.corruption" } && e.Event.Node == node.Name), $"the damage of {node.Name} was not told");
        }
        // people are told, and nothing else happens by itself: there is nothing sound that the replica could be copied from
        await watched.UntilAsync(() => Incidents(watched, lab.Primary).Any(i => i.State == IncidentState.Probation) && Incidents(watched, lab.Nodes[1]).Any(i => i.State == IncidentState.Suppressed), "the incidents did not end");
        Assert.All(damaged.SelectMany(n => Incidents(watched, n)).SelectMany(i => i.Steps).Where(s => s.State != StepState.Pending), s => Assert.Equal("notify", s.Action));
        await lab.UntilStreamingAsync(lab.Nodes[1], lab.Primary);
        // whoever takes over is sound
        var failover = await watched.Runtime.PlanReplicationAsync(new ReplicationRequest { Cluster = watched.Cluster, Operation = ReplicationOperation.Failover }, null, default);
        Assert.Contains(failover.Steps.SelectMany(s => s.Acts), a => a.Target == lab.Nodes[1].Name && a.Kind == ActKind.Read && a.Detail.Contains("damaged", StringComparison.Ordinal));
        Assert.Contains(failover.Steps.Single(s => s.Action == "failover").Acts, a => a.Destructive && a.Target == whole.Name);

        await AskAsync(watched, ReplicationOperation.Switchover, whole);
        foreach (var node in damaged)
        {
            await AskAsync(watched, ReplicationOperation.Rejoin, node, ("rebuild", "always"));
            await lab.UntilStreamingAsync(node, whole);
            Assert.Equal(500L, await lab.ScalarAsync<long>(node, Count));
        }
        output.WriteLine(watched.Story());
        Assert.DoesNotContain((await watched.Runtime.TestHealthAsync(watched.Cluster, ObservationLevel.Quick, null, default)).Faults, f => f.Id == "pg.corruption");
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal(1, watched.Sampler.Most);
        Assert.Empty(await watched.Writer.MissingAsync(lab, whole));
    }

    private static async Task DamageAsync(PgCluster lab, params PgNode[] nodes)
    {
        await lab.ExecuteAsync(lab.Primary, "create table damaged as select i as id, repeat('x', 100) as note from generate_series(1, 500) i");
        // else a standby would replay the table into its file again when it starts
        await lab.ExecuteAsync(lab.Primary, "checkpoint");
        var file = await lab.ScalarAsync<string>(lab.Primary, "select pg_relation_filepath('damaged')");
        foreach (var standby in lab.Standbys)
            await lab.UntilCaughtUpAsync(standby, lab.Primary);
        foreach (var node in nodes)
        {
            // written by its shutdown, and in nobody's memory
            await node.StopAsync();
            using (var stream = File.Open(Path.Combine(node.DataDir, file!), FileMode.Open))
            {
                stream.Position = 8192 + 4000;
                var other = (byte)(stream.ReadByte() ^ 1);
                stream.Position--;
                stream.WriteByte(other);
            }
            await node.StartAsync();
        }
        foreach (var standby in lab.Standbys)
            await lab.UntilStreamingAsync(standby, lab.Primary);
    }

    private static IEnumerable<IncidentReport> Incidents(WatchedCluster watched, PgNode node) => watched.Runtime.GetIncidents(watched.Cluster.Name).Where(i => i.Fault.Id == "pg.corruption" && i.Node == node.Name);

    /// <summary>Asks for an operation, and again while the watch has the cluster for an incident of its own.</summary>
    private static async Task AskAsync(WatchedCluster watched, ReplicationOperation operation, PgNode node, params (string Name, string Value)[] parameters)
    {
        var request = new ReplicationRequest
        {
            Cluster = watched.Cluster, Operation = operation, Node = node.Name, AllowDataLossBytes = operation == ReplicationOperation.Rejoin ? long.MaxValue : null,
            Parameters = parameters.ToDictionary(p => p.Name, p => p.Value),
        };
        for (var since = System.Diagnostics.Stopwatch.StartNew(); ; await Task.Delay(200))
        {
            try
            {
                var incident = await watched.Runtime.ReplicateAsync(request, null, null, default);
                if (incident.State is IncidentState.Probation or IncidentState.Resolved)
                    return;
                Assert.True(incident.State == IncidentState.Suppressed && since.Elapsed < TimeSpan.FromMinutes(2), $"{incident.State} {incident.Summary}\n{watched.Story()}");
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.LeaseHeld)
            {
                Assert.True(since.Elapsed < TimeSpan.FromMinutes(2), e.Message);
            }
        }
    }
}

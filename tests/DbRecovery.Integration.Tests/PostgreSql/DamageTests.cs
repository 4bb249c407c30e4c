using DbRecovery.PostgresLab;
using DbRecovery.Runtime;
using Npgsql;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A byte of a table is another one on the disk: it is named where it is read, nothing is done by itself, and what the runbook advises mends it.</summary>
public sealed class DamageTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const string Count = "select count(*) from damaged";

    [Fact]
    public async Task Damaged_pages_of_a_primary_and_of_a_replica_are_named_and_mended_as_the_runbook_advises()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions(), "autoRecover: true, maxDataLoss: 1GiB", prepare: DamageAsync);
        var (lab, whole) = (watched.Lab, watched.Lab.Nodes[2]);
        PgNode[] damaged = [lab.Primary, lab.Nodes[1]];
        foreach (var node in damaged)
        {
            Assert.Equal("XX001", (await Assert.ThrowsAsync<PostgresException>(() => lab.ScalarAsync<long>(node, Count))).SqlState);
            await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.FaultRaised, Fault.Id: "pg.corruption" } && e.Event.Node == node.Name), $"the damage of {node.Name} was not told");
        }
        // people are told, and nothing else happens by itself
        await watched.UntilAsync(() => Incidents(watched).Count(i => i.State == IncidentState.Probation) == damaged.Length, "the incidents did not end");
        Assert.All(Incidents(watched).SelectMany(i => i.Steps), s => Assert.Equal("notify", s.Action));
        await lab.UntilStreamingAsync(lab.Nodes[1], lab.Primary);

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

    private static async Task DamageAsync(PgCluster lab)
    {
        await lab.ExecuteAsync(lab.Primary, "create table damaged as select i as id, repeat('x', 100) as note from generate_series(1, 500) i");
        // else a standby would replay the table into its file again when it starts
        await lab.ExecuteAsync(lab.Primary, "checkpoint");
        var file = await lab.ScalarAsync<string>(lab.Primary, "select pg_relation_filepath('damaged')");
        foreach (var standby in lab.Standbys)
            await lab.UntilCaughtUpAsync(standby, lab.Primary);
        foreach (var node in (PgNode[])[lab.Nodes[1], lab.Primary])
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

    private static IEnumerable<IncidentReport> Incidents(WatchedCluster watched) => watched.Runtime.GetIncidents(watched.Cluster.Name).Where(i => i.Fault.Id == "pg.corruption");

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

using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A failover to its end: slots before anybody is led to the new primary, then the routes, then the old primary, which cannot be rewound.</summary>
public sealed class RebuiltPrimaryTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task Without_checksums_and_hints_the_old_primary_is_copied_anew_and_slots_are_there_before_the_routes_move()
    {
        var moved = Path.Combine(Path.GetTempPath(), $"dbrecovery-route-{Guid.NewGuid():N}");
        try
        {
            await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Checksums = false, UpstreamRelays = true }, $"autoRecover: true, restartInPlace: false, maxDataLoss: 64MiB, {PgSituation.Patient}",
                change: text => text + Route(moved));
            var (old, lab) = (watched.Lab.Primary, watched.Lab);
            // what is written now reaches no standby: it will be lost, and the old primary cannot simply follow
            foreach (var standby in lab.Standbys)
                standby.UpstreamRelay!.Set(Flow.Pass, Flow.Drop);
            await watched.Writer.UntilAsync(100);
            var said = lab.Standbys.ToDictionary(s => s.Name, s => (int)new FileInfo(s.LogFile).Length);
            await old.KillAsync();
            foreach (var standby in lab.Standbys)
                standby.UpstreamRelay!.CloseAll();

            var incident = await watched.IncidentAsync();
            output.WriteLine(watched.Story());
            Assert.Equal(IncidentState.Probation, incident.State);
            var primary = lab[incident.Steps.Single(s => s.Action == "failover").Outputs["newPrimary"].AsText()];
            var sibling = lab.Standbys.Single(s => s.Name != primary.Name);

            // when the route was led there, the sibling's slot was; and the sibling never asked for one that was not
            var route = File.ReadAllLines(moved);
            Assert.Equal($"{primary.Name} {primary.Port}", route[0]);
            Assert.Contains(sibling.Slot, route[1..]);
            Assert.DoesNotContain("does not exist", File.ReadAllText(sibling.LogFile)[said[sibling.Name]..], StringComparison.Ordinal);

            var rejoin = incident.Steps.Single(s => s.Action == "rejoin");
            Assert.Equal((StepState.Applied, "rebuilt"), (rejoin.State, rejoin.Outputs["method"].AsText()));
            Assert.True(File.Exists(Path.Combine(rejoin.Outputs["keptPath"].AsText(), "PG_VERSION")));
            Assert.True(rejoin.Outputs["lostWrites"].AsInt() > 0);
            await lab.UntilStreamingAsync(old, primary);
            await lab.UntilStreamingAsync(sibling, primary);
            Assert.Equal(2L, await lab.ScalarAsync<long>(primary, "select count(*) from pg_replication_slots where active"));
            await watched.Writer.UntilAsync(50);
            await watched.Writer.StopAsync();
            await watched.Sampler.StopAsync();
            Assert.Equal(1, watched.Sampler.Most);
            var missing = await watched.Writer.MissingAsync(lab, primary);
            Assert.NotEmpty(missing);
            // a row of the writer takes more than 50 bytes of log
            Assert.True(missing.Count * 50L <= incident.Loss!.Bytes, $"{missing.Count} rows, {incident.Loss.Statement}");
        }
        finally
        {
            File.Delete(moved);
        }
    }

    // a route of the user's own that notes where it leads, and which slots that server has at this moment
    private static string Route(string note) => $$"""
            routes:
              - command: [ sh, -c, "printf '%s %s\\n' \"$1\" \"$3\" > \"$0\"; psql -X -At -h \"$2\" -p \"$3\" -U postgres -c 'select slot_name from pg_replication_slots' postgres >> \"$0\"", {{note}}, "{node}", "{host}", "{port}" ]

        """;
}

using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>Networks that lose the packets of one direction only: what is alive stays what it is, and the fault has its right name.</summary>
public sealed class OneWayTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task No_direction_that_is_cut_alone_makes_another_primary()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions { Relays = true, UpstreamRelays = true }, "autoRecover: true, maxDataLoss: 1GiB");
        var lab = watched.Lab;
        await CutAsync(lab.Primary.Relay!, Flow.Drop, Flow.Pass, "net.partial-partition", lab.Primary.Name);
        await CutAsync(lab.Primary.Relay!, Flow.Pass, Flow.Drop, "net.partial-partition", lab.Primary.Name);
        // both ends of a stream give up a silent one soon from here on: before, a machine that stands still for that time would take the primary's last witnesses
        foreach (var node in lab.Nodes)
        {
            node.Configure([new("wal_receiver_timeout", "2s"), new("wal_sender_timeout", "2s")]);
            await lab.ExecuteAsync(node, "select pg_reload_conf()");
        }
        await CutAsync(lab.Nodes[1].UpstreamRelay!, Flow.Pass, Flow.Drop, "pg.replica.receiver-down", lab.Nodes[1].Name);
        await CutAsync(lab.Nodes[2].UpstreamRelay!, Flow.Drop, Flow.Pass, "pg.replica.receiver-down", lab.Nodes[2].Name);
        output.WriteLine(watched.Story());
        foreach (var standby in lab.Standbys)
            await lab.UntilStreamingAsync(standby, lab.Primary);
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal([lab.Primary.Name], watched.Sampler.Spans.Where(s => s.Writes > 1).Select(s => s.Node).Distinct());
        Assert.Empty(await watched.Writer.MissingAsync(lab, lab.Primary));
        Assert.Equal(1, await lab.ScalarAsync<int>(lab.Primary, "select timeline_id from pg_control_checkpoint()"));
        Assert.DoesNotContain(watched.Runtime.GetIncidents(watched.Cluster.Name).SelectMany(i => i.Steps), s => s.Action is "fence" or "failover" or "promote" or "start");

        async Task CutAsync(TcpRelay relay, Flow toServer, Flow toClient, string fault, string node)
        {
            relay.Set(toServer, toClient);
            await watched.UntilAsync(() => Last(fault, node) == WatchEventKind.FaultRaised, $"{fault} of {node} was not told");
            // the writer goes on all the while: that the watch or a replica is cut off is nothing to it
            await watched.Writer.UntilAsync(200);
            relay.Restore();
            await watched.UntilAsync(() => Last(fault, node) == WatchEventKind.FaultCleared, $"{fault} of {node} does not end");
        }

        WatchEventKind? Last(string fault, string node) =>
            watched.Events.LastOrDefault(e => e.Event.Kind is WatchEventKind.FaultRaised or WatchEventKind.FaultCleared && e.Event.Fault?.Id == fault && e.Event.Node == node).Event?.Kind;
    }
}

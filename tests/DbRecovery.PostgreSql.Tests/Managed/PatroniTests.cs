using DbRecovery.PostgreSql.Managed;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Managed;

/// <summary>The manager's client against a real Patroni with etcd.</summary>
public sealed class PatroniTests
{
    [Fact]
    public async Task TopologySwitchoverAndARefusal()
    {
        await using var lab = await PatroniLab.StartAsync();
        using var client = new PatroniClient(TimeProvider.System);
        // one address that nobody listens at does not matter
        var cluster = lab.Cluster() with { ManagedBy = new ClusterManager("patroni", [new Uri("http://127.0.0.1:1"), .. lab.Members.Select(m => m.Api)]) };
        var before = await client.LookAsync(cluster, Wait.Limit, default);
        Assert.False(before.Paused);
        Assert.Equal(["node-p1", "node-p2"], before.Members.Select(m => m.Node));
        var leader = before.Members.Single(m => m.Name == before.Leader);
        var other = before.Members.Single(m => m != leader);
        Assert.Equal(("leader", "replica"), (leader.Role, other.Role));

        var operation = client.Switchover(cluster, before, other.Node);
        Assert.Contains(other.Name, Assert.Single(operation.Acts).Detail, StringComparison.Ordinal);
        var outcome = await operation.RunAsync(Wait.Limit, null, default);
        Assert.Equal(other.Node, outcome.Outputs["newPrimary"].AsText());
        var after = await client.LookAsync(cluster, Wait.Limit, default);
        Assert.Equal(other.Name, after.Leader);

        // asked again with what was true before, Patroni says no, and nothing changes
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => client.Switchover(cluster, before with { Leader = other.Name }, other.Node).RunAsync(Wait.Limit, null, default));
        Assert.Equal(ErrorIds.StepFailed, error.Id);
        Assert.Equal(other.Name, (await client.LookAsync(cluster, Wait.Limit, default)).Leader);
        Assert.Equal(ErrorIds.NodeNotFound, Assert.Throws<DbRecoveryException>(() => client.Failover(cluster, after, "nobody")).Id);
    }

    [Fact]
    public async Task AFailoverOfAPausedClusterWithoutALeader()
    {
        await using var lab = await PatroniLab.StartAsync();
        using var client = new PatroniClient(TimeProvider.System);
        var cluster = lab.Cluster();
        await lab.ConfigureAsync("""{"pause": true}""");
        var before = await UntilAsync(client, cluster, c => c.Paused);
        var leader = before.Members.Single(m => m.Name == before.Leader);
        var other = before.Members.Single(m => m != leader);
        await lab.KillAsync(lab.Members.Single(m => m.Name == leader.Name));
        // the leader's lease runs out, and a paused Patroni elects nobody
        var orphaned = await UntilAsync(client, cluster, c => c.Leader is null);
        Assert.Equal(ErrorIds.NoCandidate, Assert.Throws<DbRecoveryException>(() => client.Switchover(cluster, orphaned, other.Node)).Id);
        var outcome = await client.Failover(cluster, orphaned, other.Node!).RunAsync(Wait.Limit, null, default);
        Assert.Equal(other.Node, outcome.Outputs["newPrimary"].AsText());
        Assert.Equal(other.Name, (await client.LookAsync(cluster, Wait.Limit, default)).Leader);
    }

    [Fact]
    public async Task WhatDoesNotAnswerOrIsNoPatroniIsSaid()
    {
        using var client = new PatroniClient(TimeProvider.System);
        var cluster = new ClusterDefinition { Name = "c", Engine = "postgresql", Nodes = [], ManagedBy = new ClusterManager("patroni", [new Uri("http://127.0.0.1:1")]) };
        Assert.Equal(ErrorIds.ConnectionFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => client.LookAsync(cluster, Wait.Limit, default))).Id);
        await using var other = new Protocol.FakeServer(session => session.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"u8.ToArray()));
        cluster = cluster with { ManagedBy = new ClusterManager("patroni", [new Uri($"http://127.0.0.1:{other.Port}")]) };
        Assert.Equal(ErrorIds.ConnectionFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => client.LookAsync(cluster, Wait.Limit, default))).Id);
        await using var silent = new Protocol.FakeServer(session => session.UntilGoneAsync());
        cluster = cluster with { ManagedBy = new ClusterManager("patroni", [new Uri($"http://127.0.0.1:{silent.Port}")]) };
        Assert.Equal(ErrorIds.ConnectionFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => client.LookAsync(cluster, TimeSpan.FromMilliseconds(50), default))).Id);
    }

    private static async Task<ManagedCluster> UntilAsync(PatroniClient client, ClusterDefinition cluster, Func<ManagedCluster, bool> wanted)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            var seen = await client.LookAsync(cluster, Wait.Limit, default);
            if (wanted(seen))
                return seen;
            Assert.True(clock.Elapsed < Wait.Limit, $"leader {seen.Leader}, paused {seen.Paused}");
            await Task.Delay(100);
        }
    }
}

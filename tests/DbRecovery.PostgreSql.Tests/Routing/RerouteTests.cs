using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Routing;
using DbRecovery.PostgresLab;
using NSubstitute;

namespace DbRecovery.PostgreSql.Tests.Routing;

/// <summary>The action, and what health says of routes, on a cluster with a proxy and a pooler in front of it.</summary>
public sealed class RerouteTests
{
    [Fact]
    public async Task RoutesAreLedToTheNewPrimaryAndProvedByAWrite()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var proxy = await HaProxyLab.StartAsync(lab.Nodes.Select((n, i) => $"{n.Name} 127.0.0.1:{n.Port}{(i > 0 ? " disabled" : "")}"));
        await using var pooler = await PgBouncerLab.StartAsync($"[databases]\napplication = host=127.0.0.1 port={lab.Primary.Port} dbname=postgres user=postgres\n", "any", "pool_mode = transaction");
        var cluster = lab.Cluster() with
        {
            Routes =
            [
                new RouteDefinition { Kind = RouteKind.HaProxy, Address = proxy.SocketPath, Backend = HaProxyLab.Backend, Entry = $"127.0.0.1:{proxy.EntryPort}" },
                new RouteDefinition
                {
                    Kind = RouteKind.PgBouncer, Address = $"127.0.0.1:{pooler.Port}", Database = "application", File = pooler.DatabasesFile, User = PgBouncerLab.Admin, Entry = $"127.0.0.1:{pooler.Port}",
                },
            ],
        };
        await using var provider = Provider();
        var (action, context) = (new RerouteAction(), Context(cluster, provider));
        var (old, candidate) = (cluster.Nodes[0], cluster.Nodes[1]);
        await lab.UntilStreamingAsync(lab.Nodes[1], lab.Primary);

        // where routes lead now is part of the health of the cluster, seen through the entries themselves
        Assert.Equal([old.Name, old.Name], (await HealthAsync(cluster, provider)).Routes.Select(r => r.LeadsTo));
        var standby = await action.PlanAsync(context, new RerouteOptions { Primary = candidate.Name }, default);
        Assert.Equal(ErrorIds.WrongNode, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(context, standby, default))).Id);

        await lab.Primary.KillAsync();
        Assert.True(provider.TryGet<IReplicationControl>(out var replication));
        await replication.Promote(cluster, candidate).RunAsync(Wait.Limit, null, default);
        var plan = await action.PlanAsync(context, new RerouteOptions { Primary = candidate.Name }, default);
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(context, plan, default)).Outcome);
        var result = await action.ExecuteAsync(context, plan, default);
        Assert.Equal((2, 2), (result.Outputs["routes"].AsInt(), result.Outputs["proved"].AsInt()));
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(context, plan, default)).Outcome);
        Assert.Equal([candidate.Name, candidate.Name], (await HealthAsync(cluster, provider)).Routes.Select(r => r.LeadsTo));
        await action.ExecuteAsync(context, plan, default);
    }

    [Fact]
    public async Task AnEntryThatLeadsElsewhereThanItsSettingsSayIsSeen()
    {
        await using var lab = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 1 });
        await using var provider = Provider();
        // a command cannot be asked, and its entry answers as the standby does
        var cluster = lab.Cluster() with { Routes = [new RouteDefinition { Kind = RouteKind.Command, Command = ["true"], Entry = $"127.0.0.1:{lab.Nodes[1].Port}" }] };
        var route = Assert.Single((await HealthAsync(cluster, provider)).Routes);
        Assert.Equal((cluster.Nodes[1].Name, null), (route.LeadsTo, route.UnknownBecause));
        // a proof that comes to another server is none
        var (action, context) = (new RerouteAction(), Context(cluster, provider));
        var plan = await action.PlanAsync(context, new RerouteOptions { Primary = cluster.Nodes[0].Name }, default);
        await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(context, plan, default));
        // a server of somebody else
        await using var foreign = await PgCluster.StartAsync(new PgClusterOptions { Standbys = 0, FreshSystemId = true });
        cluster = cluster with { Routes = [cluster.Routes[0] with { Entry = $"127.0.0.1:{foreign.Primary.Port}" }] };
        route = Assert.Single((await HealthAsync(cluster, provider)).Routes);
        Assert.Null(route.LeadsTo);
        Assert.Single(route.Targets);
    }

    private static PostgreSqlProvider Provider() => new(new PostgreSqlOptions { Secrets = Substitute.For<ISecretResolver>(), Commands = Substitute.For<INodeCommands>() });

    private static Task<HealthReport> HealthAsync(ClusterDefinition cluster, PostgreSqlProvider provider) =>
        new HealthService(new HealthServiceOptions { Providers = _ => provider, Routes = new ClusterRoutes(_ => provider, TimeProvider.System), RouteTimeout = Wait.Limit })
            .ExamineAsync(cluster, ObservationLevel.Standard, null, default);

    private static ActionContext Context(ClusterDefinition cluster, PostgreSqlProvider provider) => new()
    {
        Cluster = cluster, Provider = provider, Backups = Substitute.For<IBackupService>(), Health = Substitute.For<IHealthService>(), Secrets = Substitute.For<ISecretResolver>(),
        IncidentId = "test", IncidentFolder = "/nonexistent", Timeout = Wait.Limit,
    };
}

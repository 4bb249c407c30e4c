using DbRecovery.Engine.Routing;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>reroute</c>.</summary>
internal sealed record RerouteOptions
{
    /// <summary>The node.</summary>
    [Option("the node that all routes shall lead to; empty: the one that is primary")]
    public string Primary { get; init; } = "";
}

/// <summary>Where the routes are led.</summary>
internal sealed record RerouteState(string Primary);

/// <summary>Leads the cluster's routes to its primary and, where a route has an entry, proves it by a write.</summary>
internal sealed class RerouteAction : RecoveryAction<RerouteOptions, RerouteState>
{
    private const string Name = "reroute";
    // an entry may lead to a pooler that holds us back for minutes because its server is gone
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        Name, "Leads every route to the primary, ends sessions that lead elsewhere, and writes through each route that has an entry.", capability: typeof(IReplicationControl), outputs:
        [
            new("routes", FactType.Int, null, "routes that lead to the primary"),
            new("proved", FactType.Int, null, "routes through which a write came to the primary"),
        ]);

    protected override Task<Planned<RerouteState>> PlanCoreAsync(ActionContext context, RerouteOptions options, CancellationToken cancellationToken)
    {
        var primary = context.Cluster.Node(options.Primary.Length > 0 ? options.Primary : OnlyPrimary(context));
        var canaries = Entries(context.Cluster).Select(r => new PlannedAct(ActKind.Sql, r.Entry!, $"write a row to schema dbrecovery through {r.Name}; it must come to '{primary.Name}'"));
        return Task.FromResult(new Planned<RerouteState>(new(primary.Name), [.. Routes(context).SetPrimary(context.Cluster, primary).Acts, .. canaries]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, RerouteState state, CancellationToken cancellationToken)
    {
        var since = context.Clock.GetTimestamp();
        TimeSpan Left() => context.Timeout - context.Clock.GetElapsedTime(since);
        var primary = context.Cluster.Node(state.Primary);
        if (context.Cluster.Routes.Count == 0)
            return Result("The cluster has no routes.", 0, 0);
        var server = await RequirePrimaryAsync(context, primary, Left(), cancellationToken).ConfigureAwait(false);
        var set = await Routes(context).SetPrimary(context.Cluster, primary).RunAsync(Left(), context.Progress, cancellationToken).ConfigureAwait(false);
        var proofs = await Task.WhenAll(Entries(context.Cluster).Select(r => ProveAsync(context, r, primary, server, Left(), cancellationToken))).ConfigureAwait(false);
        return Result($"{set.Summary} {Counted.Of(proofs.Length, "route")} proved by a write.", set.Outputs["routes"].AsInt(), proofs.Length);
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, RerouteState state, CancellationToken cancellationToken)
    {
        var seen = await Routes(context).LookAsync(context.Cluster, ObservationLevel.Standard, Look, cancellationToken).ConfigureAwait(false);
        // setting a route again does no harm, and lets go on whom a cut-off attempt held back
        return seen.FirstOrDefault(r => r.LeadsTo != state.Primary || r.Paused) is { } route
            ? new Reconciliation(ReconcileOutcome.NotDone, route.Paused ? $"{route.Route} is paused" : $"{route.Route} does not lead to '{state.Primary}', or cannot say")
            : new Reconciliation(ReconcileOutcome.Done, $"every route leads to '{state.Primary}'", Result($"Every route leads to '{state.Primary}'.", seen.Count, 0));
    }

    private static IRoutes Routes(ActionContext context) => context.Routes ?? new ClusterRoutes(_ => context.Provider, context.Clock, context.SecretVariables);

    private static IEnumerable<RouteDefinition> Entries(ClusterDefinition cluster) => cluster.Routes.Where(r => r.Entry is not null);

    private static string OnlyPrimary(ActionContext context) =>
        context.Seen?.Primaries().Select(o => o.Node).ToArray() is [var only]
            ? only
            : throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.InvalidInput, $"which node of '{context.Cluster.Name}' is the primary is not clear, so its routes cannot be led there",
                "Name it: 'primary: NODE'.", context.Cluster.Name);

    /// <summary>Applications are led to nobody but a server that takes writes.</summary>
    private static async Task<ServerIdentity> RequirePrimaryAsync(ActionContext context, NodeDefinition primary, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var server = await context.Provider.Require<IServerProbe>(Name)
            .IdentifyAsync(context.Cluster, primary.Host ?? primary.Name, primary.Port ?? 0, null, timeout, cancellationToken).ConfigureAwait(false);
        return server.Writable
            ? server
            : throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{primary.Name}' takes no writes, so applications are not led there", "Name the primary.", primary.Name);
    }

    /// <summary>The cluster as one logs in to it through a route: a pooler's name for the database is the one that goes through it.</summary>
    internal static ClusterDefinition Through(ClusterDefinition cluster, RouteDefinition route) =>
        route.Database is null ? cluster : cluster with { Auth = (cluster.Auth ?? new AuthSettings()) with { Database = route.Database } };

    private static async Task<bool> ProveAsync(ActionContext context, RouteDefinition route, NodeDefinition primary, ServerIdentity server, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var entry = Endpoints.Parse(route.Entry, $"the entry of the route {route.Name}");
        var through = Through(context.Cluster, route);
        await context.Provider.Require<IReplicationControl>(Name).CanaryWriteAsync(through, entry.Host, entry.Port, synchronous: false, timeout, cancellationToken).ConfigureAwait(false);
        var found = await context.Provider.Require<IServerProbe>(Name).IdentifyAsync(through, entry.Host, entry.Port, null, timeout, cancellationToken).ConfigureAwait(false);
        return found == server
            ? true
            : throw new DbRecoveryException(ErrorIds.RouteFailed, ErrorKind.Failed, $"the route {route.Name} leads to another server than '{primary.Name}': a write through {route.Entry} came elsewhere",
                "Look at what is between the entry and the nodes.", route.Name);
    }

    private static ActionResult Result(string summary, long routes, long proved) => new()
    {
        Summary = summary, Outputs = new Dictionary<string, FactValue> { ["routes"] = routes, ["proved"] = proved },
    };
}

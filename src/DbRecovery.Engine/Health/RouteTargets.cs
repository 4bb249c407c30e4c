namespace DbRecovery.Engine.Health;

/// <summary>Finds the node that a route leads to by the server that answered there.</summary>
internal static class RouteTargets
{
    // both are the server's own text of one moment, so they differ by rounding at most
    private const double SameMoment = 2e-6;

    /// <summary>The observation with the node whose server answered through the entry: what answers there is where the route leads, whatever its settings say.</summary>
    public static RouteObservation Resolve(RouteObservation route, IReadOnlyList<NodeObservation> nodes)
    {
        if (route.Server is not { } server)
            return route;
        if (nodes.FirstOrDefault(n => IsSame(n, server)) is not { } node)
        {
            // a node that was not seen may be the one that answered
            return nodes.All(n => n.Facts.Number(PostgreSqlFacts.StartedAt) is not null)
                ? route with { LeadsTo = null, UnknownBecause = null, Targets = ["a server that is none of the cluster's nodes"] }
                : route;
        }
        return route with { LeadsTo = node.Node, UnknownBecause = null, Targets = route.Targets.Contains(node.Node, StringComparer.Ordinal) ? route.Targets : [node.Node] };
    }

    private static bool IsSame(NodeObservation node, ServerIdentity server) =>
        (server.SystemId is null || node.SystemId is null || server.SystemId == node.SystemId)
        && node.Facts.Number(PostgreSqlFacts.StartedAt) is { } startedAt && Math.Abs(startedAt - server.StartedAt) <= SameMoment;
}

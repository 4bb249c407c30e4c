namespace DbRecovery.Engine.Routing;

/// <summary>
/// The ways by which applications reach a cluster's primary. Every operation works on all of the cluster's routes at once: the failure of one
/// stops none of the others and is told at the end. A cluster without routes has operations that do nothing.
/// </summary>
public interface IRoutes : IRouteObserver
{
    /// <summary>
    /// Holds clients back where a route can (PgBouncer): transactions end, new ones wait. It has the time of its run for that; when that is over,
    /// or any route fails, all are let go on again and it fails. Nothing but <see cref="Resume"/> or <see cref="SetPrimary"/> lets clients go on after it.
    /// </summary>
    NodeOperation Pause(ClusterDefinition cluster);

    /// <summary>Lets clients go on that were held back. Done twice it does no harm.</summary>
    NodeOperation Resume(ClusterDefinition cluster);

    /// <summary>
    /// Leads every route to a node, ends sessions that still lead elsewhere, lets clients go on and looks that it is so. Done twice it does no harm.
    /// Output <c>routes</c> (int).
    /// </summary>
    NodeOperation SetPrimary(ClusterDefinition cluster, NodeDefinition primary);

    /// <summary>
    /// Takes a node out of the routes and ends the sessions that lead to it; clients find nobody, or wait, until <see cref="SetPrimary"/>.
    /// A route that leads elsewhere is left as it is. Output <c>dropped</c> (int): the routes that certainly do not lead to the node any more.
    /// A command cannot do this and is not counted.
    /// </summary>
    NodeOperation EndSessions(ClusterDefinition cluster, NodeDefinition node);
}

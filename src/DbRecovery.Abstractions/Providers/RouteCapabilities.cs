namespace DbRecovery;

/// <summary>The admin console of a connection pooler (PgBouncer).</summary>
public interface IPoolerConsole
{
    /// <summary>
    /// Runs one command on a connection of its own and gives the rows that it shows, by column. A command that waits, such as <c>PAUSE</c>,
    /// is not undone when its time is over.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>, <see cref="ErrorIds.LoginFailed"/>, <see cref="ErrorIds.TlsFailed"/>; <see cref="ErrorIds.TimedOut"/>; <see cref="ErrorIds.RouteFailed"/>: the console refused the command, in its own words.</exception>
    Task<IReadOnlyList<IReadOnlyDictionary<string, string?>>> ExecuteAsync(RouteDefinition route, string command, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>A name as the console's commands take it.</summary>
    string Quote(string name);
}

/// <summary>Tells which server answers at an address, through whatever is in between. It reads, and writes nothing.</summary>
public interface IServerProbe
{
    /// <summary>Connects, asks and leaves.</summary>
    /// <param name="cluster">The cluster, for its login.</param>
    /// <param name="host">The host: a node's, or a route's entry.</param>
    /// <param name="port">Its port.</param>
    /// <param name="database">The database to connect to; null: the login's own.</param>
    /// <param name="timeout">The time that it has.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException">It could not be reached or asked.</exception>
    Task<ServerIdentity> IdentifyAsync(ClusterDefinition cluster, string host, int port, string? database, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>Looks where a cluster's routes lead.</summary>
public interface IRouteObserver
{
    /// <summary>
    /// Looks at every route, all at once; one that cannot be asked is an observation, not an exception. A quick look asks only what answers
    /// without a login (HAProxy); a longer one also connects through the entries.
    /// </summary>
    Task<IReadOnlyList<RouteObservation>> LookAsync(ClusterDefinition cluster, ObservationLevel level, TimeSpan timeout, CancellationToken cancellationToken);
}

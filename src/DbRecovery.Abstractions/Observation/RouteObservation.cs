namespace DbRecovery;

/// <summary>Where a route leads.</summary>
public sealed record RouteObservation
{
    /// <summary>The route as people call it (<see cref="RouteDefinition.Name"/>).</summary>
    public required string Route { get; init; }
    /// <summary>When it was looked at (UTC).</summary>
    public required DateTimeOffset ObservedAt { get; init; }
    /// <summary>The one node that it leads to; null where that is none, several, nobody of the cluster, or not known.</summary>
    public string? LeadsTo { get; init; }
    /// <summary>All that it leads to: names of nodes, and addresses that are no node's. Empty with <see cref="UnknownBecause"/> null: it leads nowhere.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];
    /// <summary>Whether it holds its clients back: PgBouncer is paused.</summary>
    public bool Paused { get; init; }
    /// <summary>Why it is not known where it leads; null where it is.</summary>
    public string? UnknownBecause { get; init; }
    /// <summary>The server that answered a connection through the route's entry; null where none was tried.</summary>
    public ServerIdentity? Server { get; init; }
    /// <summary>Why a connection through the route's entry failed; null where it did not, or none was tried.</summary>
    public string? EntryError { get; init; }
}

/// <summary>Who a server is, whatever the address that led to it.</summary>
/// <param name="SystemId">Its data's origin; null where the user may not see it.</param>
/// <param name="StartedAt">When its main process started, in seconds since 1970: with the origin this tells one server from every other.</param>
/// <param name="Writable">Whether it takes writes.</param>
public sealed record ServerIdentity(string? SystemId, double StartedAt, bool Writable);

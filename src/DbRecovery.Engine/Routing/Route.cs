namespace DbRecovery.Engine.Routing;

/// <summary>One operation on one route: what it will do, and the doing. True: it was done; false: there was nothing to do.</summary>
internal sealed record RouteStep(IReadOnlyList<PlannedAct> Acts, Func<TimeSpan, CancellationToken, Task<bool>> RunAsync);

/// <summary>One way by which applications reach the primary.</summary>
internal abstract class Route(ClusterDefinition cluster, RouteDefinition definition)
{
    /// <summary>The route as the inventory has it.</summary>
    public RouteDefinition Definition => definition;

    /// <summary>The route as people call it, with what tells it from another one at the same place.</summary>
    public string Name => (definition.Backend ?? definition.Database) is { } part ? $"{definition.Name} ({part})" : definition.Name;

    protected ClusterDefinition Cluster => cluster;

    /// <summary>Whether a look costs no more than a local question.</summary>
    public virtual bool IsQuick => false;

    /// <summary>Where its own settings lead. Errors are thrown.</summary>
    public abstract Task<RouteObservation> LookAsync(DateTimeOffset now, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Holds clients back; null where it cannot.</summary>
    public virtual RouteStep? Pause() => null;

    /// <summary>Lets clients go on; null where it cannot hold them back.</summary>
    public virtual RouteStep? Resume() => null;

    /// <summary>Leads it to a node.</summary>
    public abstract RouteStep SetPrimary(NodeDefinition primary);

    /// <summary>Takes a node out of it, with its sessions; null where it cannot.</summary>
    public virtual RouteStep? EndSessions(NodeDefinition node) => null;

    protected PlannedAct Act(ActKind kind, string detail) => new(kind, definition.Name, detail);

    protected DbRecoveryException Failed(string message, string? action = null, Exception? inner = null) =>
        new(ErrorIds.RouteFailed, ErrorKind.Failed, $"the route {Name}: {message}", action, definition.Name, inner);

    /// <summary>An observation of these targets.</summary>
    protected RouteObservation Seen(DateTimeOffset now, IReadOnlyList<string> targets, bool paused = false) => new()
    {
        Route = definition.Name, ObservedAt = now, Targets = targets, Paused = paused,
        LeadsTo = targets is [var one] && cluster.Nodes.Any(n => n.Name == one) ? one : null,
    };
}

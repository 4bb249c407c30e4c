namespace DbRecovery.Engine.Routing;

/// <summary>The routes of clusters. It keeps nothing: what a route is like is asked whenever it matters.</summary>
/// <param name="providers">Gives the database of an engine.</param>
/// <param name="clock">The clock.</param>
/// <param name="secretVariables">Environment variables with secrets, which commands do not inherit.</param>
public sealed class ClusterRoutes(Func<string, IDatabaseProvider> providers, TimeProvider clock, IReadOnlyCollection<string>? secretVariables = null) : IRoutes
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<RouteObservation>> LookAsync(ClusterDefinition cluster, ObservationLevel level, TimeSpan timeout, CancellationToken cancellationToken) =>
        await Task.WhenAll(cluster.Routes.Select(r => LookAsync(cluster, r, level, timeout, cancellationToken))).ConfigureAwait(false);

    /// <inheritdoc/>
    public NodeOperation Pause(ClusterDefinition cluster)
    {
        var routes = Steps(cluster, r => r.Pause());
        return new NodeOperation(Acts(routes), async (timeout, _, cancellationToken) =>
        {
            try
            {
                return Outcome(await RunAllAsync(routes, timeout, cancellationToken).ConfigureAwait(false), "held back", "paused");
            }
            catch (Exception e) when (e is DbRecoveryException or OperationCanceledException)
            {
                // one that is not paused makes the pause of the others useless; they must not wait for nothing
                await RunAllAsync(Steps(cluster, r => r.Resume()), TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(false);
                throw;
            }
        });
    }

    /// <inheritdoc/>
    public NodeOperation Resume(ClusterDefinition cluster) => Operation(Steps(cluster, r => r.Resume()), "let go on", "resumed");

    /// <inheritdoc/>
    public NodeOperation SetPrimary(ClusterDefinition cluster, NodeDefinition primary) => Operation(Steps(cluster, r => r.SetPrimary(primary)), $"led to '{primary.Name}'", "routes");

    /// <inheritdoc/>
    public NodeOperation EndSessions(ClusterDefinition cluster, NodeDefinition node) => Operation(Steps(cluster, r => r.EndSessions(node)), $"closed to '{node.Name}'", "dropped");

    private Route Make(ClusterDefinition cluster, RouteDefinition route) => route.Kind switch
    {
        RouteKind.HaProxy => new HaProxyRoute(cluster, route, clock),
        RouteKind.PgBouncer => new PgBouncerRoute(cluster, route, providers(cluster.Engine).Require<IPoolerConsole>(route.Name), clock),
        _ => new CommandRoute(cluster, route, secretVariables ?? [], clock),
    };

    private List<(Route Route, RouteStep Step)> Steps(ClusterDefinition cluster, Func<Route, RouteStep?> step)
    {
        var steps = new List<(Route, RouteStep)>();
        foreach (var definition in cluster.Routes)
        {
            var route = Make(cluster, definition);
            if (step(route) is { } one)
                steps.Add((route, one));
        }
        return steps;
    }

    private static NodeOperation Operation(List<(Route Route, RouteStep Step)> steps, string what, string output) =>
        new(Acts(steps), async (timeout, _, cancellationToken) => Outcome(await RunAllAsync(steps, timeout, cancellationToken).ConfigureAwait(false), what, output));

    private static PlannedAct[] Acts(List<(Route Route, RouteStep Step)> steps) => [.. steps.SelectMany(s => s.Step.Acts)];

    private static OperationOutcome Outcome(int done, string what, string output) =>
        new($"{Counted.Of(done, "route")} {what}.", new Dictionary<string, FactValue> { [output] = (long)done });

    /// <summary>Runs all at once, each to its end, and tells every failure.</summary>
    private static async Task<int> RunAllAsync(List<(Route Route, RouteStep Step)> steps, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var failures = new List<DbRecoveryException>();
        var done = await Task.WhenAll(steps.Select(async s =>
        {
            try
            {
                return await s.Step.RunAsync(timeout, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e)
            {
                lock (failures)
                    failures.Add(e);
            }
            catch (TimeoutException e)
            {
                lock (failures)
                    failures.Add(new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"the route {s.Route.Name}: {e.Message}", null, s.Route.Definition.Name, e));
            }
            return false;
        })).ConfigureAwait(false);
        var set = done.Count(d => d);
        return failures switch
        {
            [] => set,
            [var one] when steps.Count == 1 => throw one,
            _ => throw new DbRecoveryException(ErrorIds.RouteFailed, ErrorKind.Failed,
                $"{failures.Count} of {Counted.Of(steps.Count, "route")} failed: {string.Join("; ", failures.Select(f => f.Message))}", failures[0].RecommendedAction, failures[0].Target, failures[0]),
        };
    }

    private async Task<RouteObservation> LookAsync(ClusterDefinition cluster, RouteDefinition definition, ObservationLevel level, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        using var time = new CancellationTokenSource(timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancellationToken);
        RouteObservation seen;
        try
        {
            var route = Make(cluster, definition);
            seen = level == ObservationLevel.Quick && !route.IsQuick
                ? Unknown("a quick look does not log in")
                : await route.LookAsync(now, timeout, both.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbRecoveryException or TimeoutException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            seen = Unknown(e is DbRecoveryException ? e.Message : $"it did not answer within {timeout.TotalSeconds:0.###} s");
        }
        return level == ObservationLevel.Quick ? seen : await TryEntryAsync(cluster, definition, seen, timeout, both.Token, cancellationToken).ConfigureAwait(false);

        RouteObservation Unknown(string because) => new() { Route = definition.Name, ObservedAt = now, UnknownBecause = because };
    }

    private async Task<RouteObservation> TryEntryAsync(
        ClusterDefinition cluster, RouteDefinition definition, RouteObservation seen, TimeSpan timeout, CancellationToken ends, CancellationToken cancellationToken)
    {
        // a paused pooler would only keep us waiting
        if (definition.Entry is null || seen.Paused || !providers(cluster.Engine).TryGet<IServerProbe>(out var probe))
            return seen;
        try
        {
            var entry = Endpoints.Parse(definition.Entry, $"the entry of the route {definition.Name}");
            return seen with { Server = await probe.IdentifyAsync(cluster, entry.Host, entry.Port, definition.Database, timeout, ends).ConfigureAwait(false) };
        }
        catch (Exception e) when (e is DbRecoveryException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return seen with { EntryError = e is DbRecoveryException ? e.Message : $"it did not answer within {timeout.TotalSeconds:0.###} s" };
        }
    }
}

namespace DbRecovery.Engine.Routing;

/// <summary>
/// A backend of HAProxy. Either each node has a server of its name, and all but the primary's are in maintenance; or one server is given the
/// primary's address. HAProxy forgets both when it is reloaded without a state file; the next look sees that.
/// </summary>
internal sealed class HaProxyRoute(ClusterDefinition cluster, RouteDefinition route, TimeProvider clock) : Route(cluster, route)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(2);
    private readonly HaProxySocket _socket = new(route.Address ?? "", clock);

    public override bool IsQuick => true;

    private string Backend => Checked(Definition.Backend ?? throw Failed("the inventory names no backend", "Add 'backend: NAME' to the route."));

    public override async Task<RouteObservation> LookAsync(DateTimeOffset now, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var servers = await _socket.ServersAsync(Backend, timeout, cancellationToken).ConfigureAwait(false);
        if (Definition.Server is { } only && servers.All(s => s.Name != only))
            throw Missing(only);
        var targets = new List<string>();
        foreach (var server in servers.Where(s => s.TakesSessions && (Definition.Server is null || s.Name == Definition.Server)))
            targets.Add(await TargetAsync(server, cancellationToken).ConfigureAwait(false));
        return Seen(now, targets);
    }

    public override RouteStep SetPrimary(NodeDefinition primary) => Definition.Server is { } server ? Readdress(server, primary) : LeaveOne(primary);

    public override RouteStep EndSessions(NodeDefinition node)
    {
        var server = Qualified(Definition.Server ?? node.Name);
        return new RouteStep([Act(ActKind.Command, $"{Maintenance(server)}{Where(node)}"), Act(ActKind.Command, Shutdown(server))], async (timeout, cancellationToken) =>
        {
            var left = Left(timeout);
            if (Definition.Server is not null && !(await LeadsToAsync(node, left(), cancellationToken).ConfigureAwait(false)))
                return true;
            await CloseAsync(server, left, mayBeMissing: Definition.Server is null, cancellationToken).ConfigureAwait(false);
            return true;
        });
    }

    private RouteStep LeaveOne(NodeDefinition primary)
    {
        var others = Cluster.Nodes.Where(n => n.Name != primary.Name).Select(n => Qualified(n.Name)).ToArray();
        var open = Qualified(primary.Name);
        return new RouteStep(
            [.. others.SelectMany(o => new[] { Act(ActKind.Command, Maintenance(o)), Act(ActKind.Command, Shutdown(o)) }), Act(ActKind.Command, Ready(open))],
            async (timeout, cancellationToken) =>
            {
                var left = Left(timeout);
                // at no moment do two take sessions
                foreach (var other in others)
                    await CloseAsync(other, left, mayBeMissing: true, cancellationToken).ConfigureAwait(false);
                await _socket.TellAsync(Ready(open), left(), cancellationToken).ConfigureAwait(false);
                await VerifyAsync(primary, left, cancellationToken).ConfigureAwait(false);
                return true;
            });
    }

    private RouteStep Readdress(string name, NodeDefinition primary)
    {
        var server = Qualified(name);
        string SetAddress(object address) => $"set server {server} addr {address} port {primary.Port}";
        return new RouteStep(
            [Act(ActKind.Command, Maintenance(server)), Act(ActKind.Command, Shutdown(server)), Act(ActKind.Command, SetAddress(primary.Host ?? primary.Name)), Act(ActKind.Command, Ready(server))],
            async (timeout, cancellationToken) =>
            {
                var left = Left(timeout);
                if (!await LeadsToAsync(primary, left(), cancellationToken).ConfigureAwait(false))
                {
                    // a name is looked up before anything is closed: HAProxy takes addresses only
                    var address = (await Endpoints.LookUpAsync(primary.Host ?? primary.Name, cancellationToken).WaitAsync(left(), clock, cancellationToken).ConfigureAwait(false)).FirstOrDefault()
                        ?? throw Failed($"the host name '{primary.Host}' is not known here, and HAProxy takes addresses only", "Give the node an address, or mend this machine's name service.");
                    await CloseAsync(server, left, mayBeMissing: false, cancellationToken).ConfigureAwait(false);
                    await _socket.TellAsync(SetAddress(address), left(), cancellationToken, "IP changed", "no need to change", "port changed").ConfigureAwait(false);
                }
                await _socket.TellAsync(Ready(server), left(), cancellationToken).ConfigureAwait(false);
                await VerifyAsync(primary, left, cancellationToken).ConfigureAwait(false);
                return true;
            });
    }

    /// <summary>Puts a server into maintenance and ends its sessions, and looks that both are so.</summary>
    private async Task CloseAsync(string server, Func<TimeSpan> left, bool mayBeMissing, CancellationToken cancellationToken)
    {
        var own = server[(server.IndexOf('/', StringComparison.Ordinal) + 1)..];
        if ((await _socket.ServersAsync(Backend, left(), cancellationToken).ConfigureAwait(false)).All(s => s.Name != own))
        {
            if (mayBeMissing)
                return;
            throw Missing(own);
        }
        await _socket.TellAsync(Maintenance(server), left(), cancellationToken).ConfigureAwait(false);
        await _socket.TellAsync(Shutdown(server), left(), cancellationToken).ConfigureAwait(false);
        while (await _socket.SessionsAsync(Backend, own, left(), cancellationToken).ConfigureAwait(false) is var sessions and > 0)
        {
            if (left() == TimeSpan.Zero)
                throw Failed($"{Counted.Of(sessions, "session")} of the server '{own}' did not end in time");
            await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Waits until it leads to the node and nowhere else: a health check of HAProxy's own may need some rounds to see the new primary.</summary>
    private async Task VerifyAsync(NodeDefinition primary, Func<TimeSpan> left, CancellationToken cancellationToken)
    {
        while (await LookAsync(clock.GetUtcNow(), LookTime, cancellationToken).ConfigureAwait(false) is var seen && seen.LeadsTo != primary.Name)
        {
            if (left() <= Interval)
            {
                throw Failed($"it was set to '{primary.Name}', and leads to {(seen.Targets.Count == 0 ? "nobody: HAProxy holds the server for down" : string.Join(", ", seen.Targets))}",
                    "Look at the backend's servers and health checks.");
            }
            await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> LeadsToAsync(NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var server = (await _socket.ServersAsync(Backend, timeout, cancellationToken).ConfigureAwait(false)).FirstOrDefault(s => s.Name == Definition.Server)
            ?? throw Missing(Definition.Server!);
        return await new Endpoint(server.Address, server.Port).IsAsync(node, cancellationToken).WaitAsync(timeout, clock, cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> TargetAsync(HaProxyServer server, CancellationToken cancellationToken)
    {
        if (Definition.Server is null && Cluster.Nodes.Any(n => n.Name == server.Name))
            return server.Name;
        var node = Definition.Server is null ? null : await new Endpoint(server.Address, server.Port).FindAsync(Cluster, cancellationToken).ConfigureAwait(false);
        return node?.Name ?? $"{server.Address}:{server.Port} (server {server.Name})";
    }

    private Func<TimeSpan> Left(TimeSpan timeout)
    {
        var since = clock.GetTimestamp();
        return () => timeout - clock.GetElapsedTime(since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private DbRecoveryException Missing(string server) => Failed($"there is no server '{server}' in its backend", "Check the names of the backend's servers, and the inventory.");

    private string Qualified(string server) => $"{Backend}/{Checked(server)}";

    private string Where(NodeDefinition node) => Definition.Server is null ? "" : $" (if it leads to {node.Address})";

    private static string Maintenance(string server) => $"set server {server} state maint";

    private static string Shutdown(string server) => $"shutdown sessions server {server}";

    private static string Ready(string server) => $"set server {server} state ready";

    // a name that HAProxy cannot have would be read as further words, or as a further command
    private string Checked(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or ':' or '-')
        ? name
        : throw Failed($"HAProxy cannot have a backend or server named '{name}'", "Give the route 'server: NAME', one server that is given the primary's address.");
}

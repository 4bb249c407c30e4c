using DbRecovery.Engine.Faults.Rules;
using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>What the actions of replication ask of their context.</summary>
internal static class ReplicationContext
{
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(1);

    /// <summary>The acts of replication that the database has.</summary>
    public static IReplicationControl Replication(this ActionContext context, string action) => context.Provider.Require<IReplicationControl>(action);

    /// <summary>Refuses what a cluster manager would undo, or be confused by.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ManagedCluster"/>.</exception>
    public static void RefuseManaged(this ActionContext context, string action)
    {
        if (context.Cluster.ManagedBy is { } manager)
        {
            throw new DbRecoveryException(ErrorIds.ManagedCluster, ErrorKind.Refused,
                $"'{action}' is not done behind the back of {manager.Kind}, which owns the cluster '{context.Cluster.Name}': it would set back what it does not know of, or promote another node",
                $"Let {manager.Kind} do it: the actions 'failover' and 'switchover' ask it. Or take 'managedBy' out of the inventory once {manager.Kind} is gone.", context.Cluster.Name);
        }
    }

    /// <summary>Refuses to let anybody follow a former primary that came back while the one that took over from it is away: what was written since would go.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.WrongNode"/>.</exception>
    public static void RefuseStalePrimary(this HealthReport seen, string primary)
    {
        if (seen.LastPrimary is { } last && last.Node != primary && seen.Observations.FirstOrDefault(o => o.Node == primary && o.IsPrimary()) is { } node && StalePrimaryRule.IsBehind(node, last))
        {
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{primary}' takes writes, and is a former primary: '{last.Node}' took over from it, on timeline {last.Position?.History}",
                $"Stop '{primary}', and bring '{last.Node}' back. If '{last.Node}' is lost for good, take it out of the inventory first.", primary);
        }
    }

    /// <summary>The last look at the cluster, or a quick one where there was none.</summary>
    public static async Task<HealthReport> SeenAsync(this ActionContext context, CancellationToken cancellationToken) =>
        context.Seen ?? await context.Health.ExamineAsync(context.Cluster, ObservationLevel.Quick, context.Progress, cancellationToken).ConfigureAwait(false);

    /// <summary>The last look at the cluster while a plan is shown, which may be a little old; a new one for what is done now.</summary>
    public static async Task<HealthReport> SeenNowAsync(this ActionContext context, CancellationToken cancellationToken) => context is { Acting: false, Seen: { } last }
        ? last
        : await context.Health.ExamineAsync(context.Cluster, ObservationLevel.Quick, context.Progress, cancellationToken).ConfigureAwait(false);

    /// <summary>The acts of an operation that takes something away, which the first of them stands for.</summary>
    public static IEnumerable<PlannedAct> AsDestructive(this IEnumerable<PlannedAct> acts) => acts.Select((a, i) => i == 0 ? a with { Destructive = true } : a);

    /// <summary>Runs an operation whose failure is told, not an error; several may run side by side.</summary>
    /// <param name="context">The context.</param>
    /// <param name="remarks">What gets the failure, in one sentence.</param>
    /// <param name="what">What it begins with.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="timeout">The time that it has.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Whether it went well.</returns>
    public static async Task<bool> TryAsync(this ActionContext context, List<string> remarks, string what, NodeOperation operation, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // a command that hangs on its way must not take the time of what can be tried after it
        using var late = new CancellationTokenSource(timeout + Slack, context.Clock);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        string failure;
        try
        {
            await operation.RunAsync(timeout, context.Progress, ends.Token).ConfigureAwait(false);
            return true;
        }
        catch (DbRecoveryException e)
        {
            failure = e.Message;
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            failure = $"it did not end within {timeout.TotalSeconds:0.#} s";
        }
        lock (remarks)
            remarks.Add($"{what}: {failure}");
        return false;
    }

    /// <summary>Looks at nodes anew, side by side, each within the time; one that cannot be looked at has timed out.</summary>
    public static async Task<IReadOnlyList<NodeObservation>> LookAsync(this ActionContext context, IEnumerable<NodeDefinition> nodes, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var observer = context.Provider.Require<INodeObserver>("a look at the cluster");
        return await Task.WhenAll(nodes.Select(LookAsync)).ConfigureAwait(false);

        async Task<NodeObservation> LookAsync(NodeDefinition node)
        {
            var at = context.Clock.GetUtcNow();
            try
            {
                return await observer.ObserveAsync(new ObservationRequest { Cluster = context.Cluster, Node = node, Level = ObservationLevel.Quick, Timeout = timeout }, null, cancellationToken)
                    .WaitAsync(timeout + timeout, context.Clock, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is TimeoutException or DbRecoveryException { Kind: not ErrorKind.MissingDependency })
            {
                return new NodeObservation
                {
                    Node = node.Name, ObservedAt = at, Duration = context.Clock.GetUtcNow() - at, Level = ObservationLevel.Quick, Reachability = Reachability.TimedOut,
                    Errors = [new ObservedError((e as DbRecoveryException)?.Id ?? ErrorIds.TimedOut, e.Message, "observation")],
                };
            }
        }
    }

    /// <summary>The node that an action is about: the one named, or the faulty one.</summary>
    public static NodeDefinition NodeOrTarget(this ActionContext context, string named) => named.Length > 0 ? context.Cluster.Node(named) : context.TargetNode();

    /// <summary>The cluster's other nodes, without those that are known to hold another cluster's data.</summary>
    public static IEnumerable<NodeDefinition> Others(this ActionContext context, NodeDefinition node) =>
        context.Cluster.Nodes.Where(n => n.Name != node.Name && context.Seen?.IsStranger(n.Name) != true);

    /// <summary>The promotions that may still come to pass. A later timeline than the one that a node was asked on says that it came to that, or that people went on without it.</summary>
    public static IReadOnlyList<AskedPromotion> PendingPromotions(this ActionContext context, HealthReport seen)
    {
        var latest = seen.Primaries().Select(p => LogPlace.Of(p)?.Timeline).Append(LogPlace.Of(seen.LastPrimary?.Position)?.Timeline).Max();
        return [.. context.AskedPromotions().Where(a => !(latest > a.Timeline))];
    }

    /// <summary>The node that is primary, or last was; null where nobody ever saw one.</summary>
    public static string? LastPrimaryNode(this HealthReport seen) =>
        seen.Primaries().Select(o => o.Node).ToList() is [var only] ? only : seen.LastPrimary?.Node;

    /// <summary>The one node that takes writes.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.WrongNode"/>: nobody does, or more than one does, and nobody can tell which is the right one.</exception>
    public static string OnlyPrimary(this HealthReport seen) => seen.Primaries() is [var only] ? only.Node
        : throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{seen.Cluster}' has {Counted.Of(seen.Primaries().Count, "primary that answers", "primaries that answer")}, and one is needed",
            "Look at the topology first.", seen.Cluster);

    /// <summary>Whether a node certainly receives from another one now.</summary>
    public static bool StreamsFrom(this NodeObservation node, ClusterDefinition cluster, string upstream) =>
        node.Upstream is { Streaming: true } from && IsAt(from.Address, cluster.Node(upstream));

    /// <summary>Whether a node may receive from another one now: it receives, and certainly not from a third one of the cluster.</summary>
    public static bool MayStreamFrom(this NodeObservation node, ClusterDefinition cluster, string upstream) =>
        node.StreamsFrom(cluster, upstream) || node.StreamsFromStranger(cluster);

    /// <summary>Whether a node receives from a server that is none of the cluster's.</summary>
    public static bool StreamsFromStranger(this NodeObservation node, ClusterDefinition cluster) =>
        node.Upstream is { Streaming: true } from && !cluster.Nodes.Any(n => IsAt(from.Address, n));

    // a replica on the primary's machine may know it by another name of that machine
    private static bool IsAt(string address, NodeDefinition node) => string.Equals(address, node.Address, StringComparison.OrdinalIgnoreCase)
        || (address.LastIndexOf(':') is var colon and > 0 && address[(colon + 1)..] == node.Port?.ToString(System.Globalization.CultureInfo.InvariantCulture)
            && IsThisMachine(address[..colon]) && IsThisMachine(node.Host ?? ""));

    private static bool IsThisMachine(string host) => host.Trim('[', ']') is "localhost" or "::1" || host.StartsWith("127.", StringComparison.Ordinal) || host.StartsWith('/');
}

using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Replication;

/// <summary>
/// Takes a replica that came back into those that a commit may wait for, as the policy asks for. Never before it streams, and never so that commits
/// wait for more than those who stream now can give.
/// </summary>
internal sealed class SynchronousReturn(ActionContext context, NodeDefinition primary, NodeDefinition node)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(100);
    private const string Quorum = "ANY ";

    /// <summary>What would be set once it streams, from a look at the primary; null where nothing has to be.</summary>
    public NodeOperation? Planned(NodeObservation? seen) => Wanted(seen, streams: true);

    /// <summary>Waits until it streams, for a bounded time, and sets what has to be. What cannot be done is told: the replica is back all the same.</summary>
    public async Task<string> IncludeAsync(CancellationToken cancellationToken)
    {
        if (context.Cluster.Policy.Synchronous == 0)
            return "";
        var since = context.Clock.GetTimestamp();
        while (true)
        {
            var seen = (await context.LookAsync([primary], Look, cancellationToken).ConfigureAwait(false))[0];
            if (seen.IsPrimary() && Planned(seen) is null)
                return LeftOut(seen) ? $" synchronous_standby_names of '{primary.Name}' is a list by priority that does not name '{node.Name}': it is not changed." : "";
            if (seen.IsPrimary() && Wanted(seen, streams: false) is { } set)
            {
                var remarks = new List<string>();
                return await context.TryAsync(remarks, $"'{node.Name}' is not among the synchronous replicas", set, Look, cancellationToken).ConfigureAwait(false)
                    ? $" '{node.Name}' is a synchronous replica again." : $" {remarks[0]}.";
            }
            if (context.Clock.GetElapsedTime(since) > Longest)
                return $" '{node.Name}' is not among the synchronous replicas of '{primary.Name}' yet: too few of them stream.";
            await Task.Delay(BetweenLooks, context.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private NodeOperation? Wanted(NodeObservation? seen, bool streams)
    {
        var policy = context.Cluster.Policy.Synchronous;
        if (policy == 0 || seen?.Facts.Text(PostgreSqlFacts.SyncNames) is not { } setting || IsByPriority(setting))
            return null;
        var names = SynchronousNames.Parse(setting);
        var required = (int)(seen.Facts.Int(PostgreSqlFacts.SyncRequired) ?? 0);
        var listed = names.Contains("*") || names.Contains(node.Name, StringComparer.OrdinalIgnoreCase);
        if (listed && required >= policy)
            return null;
        string[] streaming = [.. seen.Downstreams.Where(d => d.State == "streaming").Select(d => d.Name), .. streams ? [node.Name] : Array.Empty<string>()];
        if (!streaming.Contains(node.Name, StringComparer.OrdinalIgnoreCase))
            return null;
        // names that the inventory does not have are somebody's, too
        string[] all = listed ? [.. names] : [.. names, node.Name];
        string[] others = [.. streaming.Where(s => !all.Contains(s, StringComparer.OrdinalIgnoreCase) && context.Cluster.Nodes.Any(n => n.Name == s)).Distinct(StringComparer.Ordinal)];
        all = required == 0 ? [.. all, .. others] : all;
        var enough = all.Count(n => streaming.Contains(n, StringComparer.OrdinalIgnoreCase)) >= policy;
        var wait = required >= policy ? required : enough ? policy : required;
        return wait == 0 || (listed && wait == required) ? null
            : context.Replication("the synchronous replicas").SetSynchronous(context.Cluster, primary, [.. all.Select(n => new NodeDefinition { Name = n })], wait);
    }

    private static bool IsByPriority(string setting) => setting.Length > 0 && !setting.StartsWith(Quorum, StringComparison.OrdinalIgnoreCase);

    private bool LeftOut(NodeObservation seen) => seen.Facts.Text(PostgreSqlFacts.SyncNames) is { } setting && IsByPriority(setting)
        && SynchronousNames.Parse(setting) is var names && !names.Contains("*") && !names.Contains(node.Name, StringComparer.OrdinalIgnoreCase);
}

namespace DbRecovery.Engine.Replication;

/// <summary>
/// What synchronous replication proves. Where k of n named standbys had to have a transaction before it was acknowledged, any n-k+1 of them
/// hold every acknowledged one between them; and once n-k+1 of them receive nothing from a primary any more, it can acknowledge nothing.
/// </summary>
internal static class SynchronousProof
{
    // the setting could have been changed unseen in between
    private static readonly TimeSpan LongestUnseen = TimeSpan.FromMinutes(1);

    /// <summary>The named standbys that a proof needs to know: n-k+1; null where replication was not synchronous, the names say nothing, or the primary was seen too long ago to say what it waits for.</summary>
    /// <param name="last">What is known of the primary.</param>
    /// <param name="at">The moment that the proof is about.</param>
    public static int? Needed(LastPrimary? last, DateTimeOffset at) =>
        last is { SynchronousRequired: > 0, SeenAt: { } seen } && (at - seen).Duration() <= LongestUnseen && last.Synchronous.Count >= last.SynchronousRequired && !last.Synchronous.Contains("*")
            ? last.Synchronous.Count - last.SynchronousRequired + 1
            : null;

    /// <summary>The named standbys that answered as replicas of the same system, with what they have.</summary>
    public static IReadOnlyList<(string Node, LogPlace Place)> Known(ClusterDefinition cluster, LastPrimary? last, IReadOnlyList<NodeObservation> seen) =>
    [
        .. seen.Where(o => o is { Reachability: Reachability.Reachable, Role: NodeRole.Replica } && o.Node != last?.Node
                && (last?.SystemId is null || o.SystemId == last.SystemId)
                && last?.Synchronous.Contains(o.Node, StringComparer.OrdinalIgnoreCase) == true && cluster.Nodes.Any(n => n.Name == o.Node))
            .Select(o => (o.Node, LogPlace.Of(o))).Where(o => o.Item2 is not null).Select(o => (o.Node, o.Item2!.Value)),
    ];

    /// <summary>Whether a place holds every acknowledged transaction.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="last">What is known of the primary.</param>
    /// <param name="seen">What was seen of the replicas.</param>
    /// <param name="place">The place.</param>
    /// <param name="endedBy">The moment by which the primary acknowledged nothing any more.</param>
    public static bool HoldsAll(ClusterDefinition cluster, LastPrimary? last, IReadOnlyList<NodeObservation> seen, LogPlace place, DateTimeOffset endedBy)
    {
        // on another timeline than the primary's it may have left the primary's log anywhere
        if (Needed(last, endedBy) is not { } needed || LogPlace.Of(last!.Position)?.Timeline != place.Timeline)
            return false;
        var known = Known(cluster, last, seen);
        return known.Count >= needed && known.All(k => k.Place.Timeline <= place.Timeline && k.Place.Bytes <= place.Bytes);
    }
}

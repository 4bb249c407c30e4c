using DbRecovery.Engine.Faults.Rules;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Replication;

/// <summary>What the choice of a new primary is made from.</summary>
internal sealed record CandidateQuestion
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The primary that is replaced; null where none was ever seen.</summary>
    public string? Old { get; init; }
    /// <summary>What was seen of the nodes.</summary>
    public required IReadOnlyList<NodeObservation> Seen { get; init; }
    /// <summary>What is known of the primary from before.</summary>
    public LastPrimary? Last { get; init; }
    /// <summary>The node that a person names; null: the best.</summary>
    public string? Wanted { get; init; }
    /// <summary>The only node that may, because it was asked before and nobody knows what came of it; null: any. Nobody has agreed to what it lacks.</summary>
    public string? Pinned { get; init; }
    /// <summary>What a longer look before knows to be wrong: a quick one does not check the data.</summary>
    public IReadOnlyList<Fault> Faults { get; init; } = [];
}

/// <summary>Whether a node may become primary, and why not.</summary>
/// <param name="Node">The node.</param>
/// <param name="Place">The furthest place that it has; null where that is not known.</param>
/// <param name="Because">Why not; null if it may.</param>
/// <param name="Damaged">Whether its data are damaged: it may, and comes after every sound one.</param>
internal sealed record CandidateVerdict(string Node, LogPlace? Place, string? Because, bool Damaged);

/// <summary>The choice.</summary>
/// <param name="Candidate">Who becomes primary; null for nobody.</param>
/// <param name="Place">The furthest place that it has.</param>
/// <param name="Verdicts">What was found of each node, the chosen one first.</param>
/// <param name="Asked">Whether a person named it.</param>
internal sealed record CandidateChoice(NodeDefinition? Candidate, LogPlace Place, IReadOnlyList<CandidateVerdict> Verdicts, bool Asked)
{
    /// <summary>What a person must agree to; null for nothing. Whoever names a node has agreed.</summary>
    public string? ApprovalBecause => Candidate is { } chosen && !Asked && Verdicts[0].Damaged ? $"'{chosen.Name}' has damaged data, and no sound replica may take over" : null;

    /// <summary>What a plan says of nodes with damaged data.</summary>
    public IEnumerable<PlannedAct> Remarks => Verdicts.Where(v => v.Damaged)
        .Select(v => new PlannedAct(ActKind.Read, v.Node, "its data are damaged: it takes over only where it is asked for by name, or no sound replica may"));

    /// <summary>Why nobody, or who not and why.</summary>
    public string Reasons => string.Join("; ", Verdicts.Where(v => v.Because is not null).Select(v => $"{v.Node}: {v.Because}"));

    /// <summary>The chosen node.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.NoCandidate"/>.</exception>
    public NodeDefinition Require(string cluster) => Candidate ?? throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused,
        $"no node of '{cluster}' is fit to become primary: {(Verdicts.Count == 0 ? "there is no other node" : Reasons)}",
        "Bring a replica back, or name one whose loss you accept.", cluster);
}

/// <summary>
/// Chooses who becomes primary: a replica of the same system, on the highest timeline, that has received the most; how far it has applied
/// does not matter, for a promotion applies the rest (a paused one too). Priority, then the old primary's zone, decide only among equals. One whose
/// data are damaged comes after every sound one, whatever it has received.
/// </summary>
internal static class CandidateSelection
{
    /// <summary>The choice for a question.</summary>
    public static CandidateChoice Choose(CandidateQuestion question)
    {
        var system = question.Last?.SystemId ?? SystemOf(question);
        var others = question.Cluster.Nodes.Where(n => n.Name != question.Old).ToList();
        var replicas = others.Select(n => (Node: n, Seen: question.Seen.FirstOrDefault(o => o.Node == n.Name))).ToList();
        var places = replicas.Where(r => IsReplica(r.Seen, system)).Select(r => LogPlace.Of(r.Seen!)).OfType<LogPlace>().ToList();
        LogPlace? furthest = places.Count == 0 ? null : places.Max();
        var verdicts = replicas.Select(r => Judge(question, r.Node, r.Seen, system, furthest)).ToList();
        var best = verdicts.Where(v => v.Because is null)
            .OrderBy(v => v.Damaged)
            .ThenByDescending(v => v.Place!.Value)
            .ThenByDescending(v => question.Cluster.Node(v.Node).Priority)
            .ThenByDescending(v => ZoneOf(question, v.Node) is { } zone && zone == ZoneOf(question, question.Old))
            .ThenBy(v => v.Node, StringComparer.Ordinal)
            .ToList();
        var ordered = best.Concat(verdicts.Except(best)).ToList();
        return best.Count == 0 ? new(null, default, ordered, false) : new(question.Cluster.Node(best[0].Node), best[0].Place!.Value, ordered, question.Wanted is not null);
    }

    private static CandidateVerdict Judge(CandidateQuestion question, NodeDefinition node, NodeObservation? seen, string? system, LogPlace? furthest)
    {
        var place = seen is null ? null : LogPlace.Of(seen);
        return new(node.Name, place, Because(), (seen is not null && PageDamage.IsSeen(seen)) || question.Faults.Any(f => f.Id == CorruptionRule.Id && f.Node == node.Name));

        string? Because()
        {
            if (seen is null)
                return "it was not looked at";
            if (seen.Reachability != Reachability.Reachable)
                return $"it does not answer ({seen.Reachability}{(seen.Errors.Count > 0 ? $": {seen.Errors[0].Message}" : "")})";
            if (seen.Role != NodeRole.Replica)
                return seen.Role == NodeRole.Primary ? "it is a primary itself" : "whether it is a replica could not be told";
            if (system is null)
                return "which system is the right one cannot be told: the replicas have different system ids";
            if (seen.SystemId != system)
                return seen.SystemId is null ? "its system id could not be read" : $"it belongs to another system ({seen.SystemId}, not {system})";
            if (place is not { } has)
                return "how much it has received could not be told";
            if (has.Timeline < furthest!.Value.Timeline)
                return $"it is on timeline {has.Timeline}, and another replica on {furthest.Value.Timeline}";
            if (!node.Candidate)
                return "the inventory says 'candidate: false'";
            // a person who names it answers for what it lacks: that is a loss, with a limit of its own
            if (question.Wanted != node.Name && question.Cluster.Policy.MaxLagBytes is { } bound && Behind(question, has, furthest.Value) is var behind && behind > bound)
                return $"it is {Counted.Of(behind, "byte")} behind, and the policy allows {bound}";
            return (question.Pinned ?? question.Wanted) is { } only && only != node.Name ? $"'{only}' was asked for" : null;
        }
    }

    // behind the furthest replica, or behind what the primary itself was known to have
    private static long Behind(CandidateQuestion question, LogPlace has, LogPlace furthest) => Math.Max(
        furthest.Bytes - has.Bytes,
        LogPlace.Of(question.Last?.Position) is { } end && end.Timeline == has.Timeline ? end.Bytes - has.Bytes : 0);

    private static bool IsReplica(NodeObservation? seen, string? system) =>
        seen is { Reachability: Reachability.Reachable, Role: NodeRole.Replica, SystemId: not null } && seen.SystemId == system;

    // without a memory of the primary, the replicas say whose they are; where they do not agree, more than half must
    private static string? SystemOf(CandidateQuestion question)
    {
        var ids = question.Seen.Where(o => o is { Role: NodeRole.Replica, SystemId: not null } && o.Node != question.Old).Select(o => o.SystemId!).ToList();
        return ids.GroupBy(i => i).FirstOrDefault(g => g.Count() * 2 > ids.Count)?.Key;
    }

    private static string? ZoneOf(CandidateQuestion question, string? node) =>
        node is null ? null : question.Cluster.Nodes.FirstOrDefault(n => n.Name == node)?.Zone;
}

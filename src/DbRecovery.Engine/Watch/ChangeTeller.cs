using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Watch;

/// <summary>Tells what changed from one round of a cluster to the next. What is worse than before is told when enough looks agree, what is better at once.</summary>
internal sealed class ChangeTeller(ClusterDefinition cluster, int rounds, TimeProvider clock, Action<WatchEvent> tell)
{
    private readonly Dictionary<string, NodeState> _nodes = new(StringComparer.Ordinal);
    private HealthStatus? _status;
    private HealthStatus _seen;
    private int _agreed;

    /// <summary>The state of the cluster that was told last; null before the first.</summary>
    public HealthStatus? Status => _status;

    /// <summary>Takes a round: the observations with the number of each look, and what is known of the faults.</summary>
    public void Take(IReadOnlyList<(NodeObservation Seen, long Look)> nodes, HealthStatus judged, FaultChanges faults)
    {
        foreach (var (seen, look) in nodes)
            TakeNode(seen, look);
        // a fault that is not believed yet must not be told by way of the state, and one that is has not ended before that is told
        var status = faults.Pending.Count == 0 ? judged : _status ?? judged;
        var worst = Worst(faults.Standing);
        if (worst is { } stands && (faults.Pending.Count > 0 || Weight(stands) > Weight(status)))
            status = stands;
        TakeStatus(status, confirmed: status == worst, nodes);
        foreach (var fault in faults.Raised)
            Tell(WatchEventKind.FaultRaised, fault.Node, fault.Summary, fault: fault);
        foreach (var fault in faults.Cleared)
            Tell(WatchEventKind.FaultCleared, fault.Node, $"{fault.Id} is not seen any more", fault: fault);
    }

    /// <summary>Tells something.</summary>
    public void Tell(WatchEventKind kind, string? node, string summary, string? from = null, string? to = null, Fault? fault = null, string? incident = null) => tell(new WatchEvent
    {
        At = clock.GetUtcNow(), Kind = kind, Cluster = cluster.Name, Node = node, Summary = summary, From = from, To = to, Fault = fault, Incident = incident,
    });

    private void TakeNode(NodeObservation seen, long look)
    {
        if (!_nodes.TryGetValue(seen.Node, out var known))
            _nodes[seen.Node] = known = new NodeState();
        if (look == known.Look)
            return;
        known.Look = look;
        var now = (seen.Reachability, seen.Reachability == Reachability.Reachable ? seen.Role : NodeRole.Unknown);
        known.Agreed = now == known.Seen ? known.Agreed + 1 : 1;
        known.Seen = now;
        if (now == known.Told || (known.Told is not null && seen.Reachability != Reachability.Reachable && known.Agreed < rounds))
            return;
        var before = known.Told;
        known.Told = now;
        if (before is not { } was)
            return;
        var because = seen.Reachability != Reachability.Reachable && seen.Errors.Count > 0 ? $": {seen.Errors[0].Message}" : "";
        Tell(WatchEventKind.StateChanged, seen.Node, $"{seen.Node} was {Words(was)} and is {Words(now)}{because}", Words(was), Words(now));
    }

    private void TakeStatus(HealthStatus status, bool confirmed, IReadOnlyList<(NodeObservation Seen, long Look)> nodes)
    {
        _agreed = status == _seen ? _agreed + 1 : 1;
        _seen = status;
        if (status == _status)
            return;
        if (_status is not { } before)
        {
            _status = status;
            var primary = nodes.Where(n => n.Seen.IsPrimary()).Select(n => n.Seen.Node).ToList();
            Tell(WatchEventKind.Started, null, $"{Counted.Of(nodes.Count, "node")} watched, {nodes.Count(n => n.Seen.Reachability == Reachability.Reachable)} of them answer"
                + (nodes.Count > 1 ? primary.Count == 0 ? "; none is primary" : $"; primary: {string.Join(", ", primary)}" : ""), to: status.ToString());
            return;
        }
        if (Weight(status) > Weight(before) && !confirmed && _agreed < rounds)
            return;
        _status = status;
        Tell(WatchEventKind.StateChanged, null, $"the cluster was {before} and is {status}", before.ToString(), status.ToString());
    }

    private static HealthStatus? Worst(IReadOnlyList<Fault> standing) => standing.Count == 0 ? null
        : standing[0].Severity <= FaultSeverity.Outage ? HealthStatus.Failed
        : standing[0].Severity == FaultSeverity.Degraded ? HealthStatus.Degraded : null;

    private static int Weight(HealthStatus status) => status switch { HealthStatus.Healthy => 0, HealthStatus.Degraded => 1, HealthStatus.Unknown => 2, _ => 3 };

    private static string Words((Reachability Reachability, NodeRole Role) state) =>
        state.Reachability == Reachability.Reachable && state.Role != NodeRole.Unknown ? state.Role.ToString() : state.Reachability.ToString();

    private sealed class NodeState
    {
        public (Reachability, NodeRole)? Told { get; set; }
        public (Reachability, NodeRole) Seen { get; set; }
        public int Agreed { get; set; }
        public long Look { get; set; }
    }
}

namespace DbRecovery.Shells;

/// <summary>A node of a health report in a line.</summary>
internal sealed record NodeLine(string Cluster, string Node, string Address, string Status, string Role, string Position, string Lag);

/// <summary>Parts of a health report.</summary>
internal static class HealthView
{
    /// <summary>The report with only these nodes' part, and what concerns the cluster as a whole; its state is the worst of those nodes'.</summary>
    public static HealthReport ForNodes(HealthReport report, IReadOnlyCollection<string> nodes)
    {
        var kept = report.Nodes.Where(n => nodes.Contains(n.Node)).ToList();
        return report with
        {
            Nodes = kept,
            Status = kept.Count == 0 ? report.Status : kept.MaxBy(n => Weight(n.Status))!.Status,
            Checks = [.. report.Checks.Where(c => c.Node is null || nodes.Contains(c.Node))],
            Faults = [.. report.Faults.Where(f => f.Node is null || nodes.Contains(f.Node))],
            Observations = [.. report.Observations.Where(o => nodes.Contains(o.Node))],
        };
    }

    /// <summary>The nodes of clusters that have more than one, each in a line.</summary>
    public static IReadOnlyList<NodeLine> Nodes(IEnumerable<HealthReport> reports) =>
        [.. from report in reports where report.Nodes.Count > 1 from node in report.Nodes select Line(report, node)];

    private static NodeLine Line(HealthReport report, NodeHealth node)
    {
        var seen = report.Observations.FirstOrDefault(o => o.Node == node.Node);
        var role = seen?.Reachability switch
        {
            Reachability.Refusing => "REFUSES",
            Reachability.Absent => "ABSENT",
            Reachability.TimedOut => "NO ANSWER",
            _ => node.Role.ToString().ToLowerInvariant(),
        };
        var position = node.Position is { } at ? at.History is { } history ? $"{at.Value} on {history}" : at.Value : "-";
        var lag = seen?.Facts.Int(ReplicationFacts.LagBytes) is { } bytes ? SizeText.Size(bytes) : "-";
        return new NodeLine(report.Cluster, node.Node, node.Address, node.Status.ToString(), role, position, lag);
    }

    private static int Weight(HealthStatus status) => status switch
    {
        HealthStatus.Failed => 3,
        HealthStatus.Unknown => 2,
        HealthStatus.Degraded => 1,
        _ => 0,
    };
}

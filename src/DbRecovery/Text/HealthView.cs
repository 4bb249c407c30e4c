namespace DbRecovery.Shells;

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

    private static int Weight(HealthStatus status) => status switch
    {
        HealthStatus.Failed => 3,
        HealthStatus.Unknown => 2,
        HealthStatus.Degraded => 1,
        _ => 0,
    };
}

using DbRecovery.Shells;

namespace DbRecovery.PowerShell;

/// <summary>The tree that a topology is shown as.</summary>
public static class TopologyTree
{
    /// <summary>The tree of a cluster, for the module's format file.</summary>
    /// <param name="topology">The topology.</param>
    public static string Of(ClusterTopology topology) => TopologyText.Of(topology);
}

using System.CommandLine;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>topology: who replicates from whom.</summary>
internal static class TopologyCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("topology", "Shows who replicates from whom: a tree with positions, lag, synchronous parts and slots.",
            "dbrecovery topology", "dbrecovery topology orders --output json", "dbrecovery topology --connection 'host=10.0.0.1,10.0.0.2 user=me'");
        var target = new TargetOptions(verb);
        bind.To(verb, async (session, parsed, token) =>
        {
            session.Output.Prepare<ClusterTopology>();
            var (topologies, code) = await session.EachAsync(target.Of(session, parsed), (cluster, cancel) => session.Runtime.GetTopologyAsync(cluster, cancel), token);
            foreach (var topology in topologies)
                session.Output.WriteOne(topology, (t, width) => (ReferenceEquals(t, topologies[0]) ? "" : "\n") + TopologyText.Of(t, width));
            return code;
        });
        root.Add(verb);
    }
}

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
            var (code, first) = (ExitCodes.Done, true);
            var targets = target.Of(session, parsed);
            foreach (var cluster in targets)
                try
                {
                    var topology = await session.Runtime.GetTopologyAsync(cluster, token);
                    session.Output.WriteOne(topology, (t, width) => (first ? "" : "\n") + TopologyText.Of(t, width));
                    first = false;
                }
                catch (DbRecoveryException e) when (targets.Count > 1)
                {
                    code = Math.Max(code, session.Report(e));
                }
            return code;
        });
        root.Add(verb);
    }
}

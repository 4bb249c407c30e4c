using System.CommandLine;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>health and faults.</summary>
internal static class HealthCommands
{
    public static void Add(RootCommand root, Binder bind)
    {
        root.Add(Make(bind, new Verb("health", "Observes databases and judges their health. Exit code 1 where a fault is found.",
            "dbrecovery health", "dbrecovery health app --level quick", "dbrecovery health --path ./other.db", "dbrecovery health --connection 'host=10.0.0.1,10.0.0.2 user=me'", "dbrecovery health 'app*' --output json"),
            (session, reports) =>
            {
                session.Output.WriteAll(reports, "no clusters");
                session.Output.WriteTableBelow(HealthView.Nodes(reports));
                session.Output.WriteBelow(width => Texts.Of(reports, width));
            }));
        root.Add(Make(bind, new Verb("faults", "Lists the faults of databases, gravest first. Exit code 1 where there is one.",
            "dbrecovery faults", "dbrecovery faults app --level deep"),
            (session, reports) =>
            {
                Fault[] faults = [.. reports.SelectMany(r => r.Faults).OrderBy(f => f.Severity)];
                session.Output.WriteAll(faults, "no faults");
                session.Output.WriteBelow(width => Texts.Of(faults, width));
            }));
    }

    private static Command Make(Binder bind, Verb verb, Action<Session, IReadOnlyList<HealthReport>> write)
    {
        var target = new TargetOptions(verb);
        var level = Binder.Level();
        var nodes = new Option<string[]>("--node") { HelpName = "name", Description = "Only this node's part; may be given more than once." };
        foreach (var option in new Option[] { level, nodes })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            session.Output.Prepare<HealthReport>();
            var (reports, code) = await session.EachAsync(target.Of(session, parsed),
                (cluster, cancel) => ExamineAsync(session, cluster, parsed.GetValue(level), parsed.GetValue(nodes) ?? [], cancel), token);
            foreach (var report in reports)
                code = Math.Max(code, ExitCodes.Of(report));
            write(session, reports);
            // what would answer a fault may be among them
            if (reports.Any(r => r.Faults.Count > 0) && session.Runtime.LeftOutRunbooks() is { } leftOut)
                session.Say(leftOut);
            return code;
        });
        return verb;
    }

    private static async Task<HealthReport> ExamineAsync(Session session, ClusterDefinition cluster, ObservationLevel level, string[] nodes, CancellationToken token)
    {
        foreach (var node in nodes)
            cluster.Node(node);
        var report = await session.Runtime.TestHealthAsync(cluster, level, session.Progress, token);
        return nodes.Length > 0 ? HealthView.ForNodes(report, nodes) : report;
    }
}

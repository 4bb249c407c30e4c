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
            "dbrecovery health", "dbrecovery health app --level quick", "dbrecovery health --engine sqlite --path ./other.db", "dbrecovery health 'app*' --output json"),
            (session, reports) =>
            {
                session.Output.WriteAll(reports, "no clusters");
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
        var clusters = Binder.Many("cluster", "Names of clusters; * and ? are wildcards. Without one: all.");
        var engine = Binder.Text("--engine", "name", "The engine of a database given by --path. Default: sqlite.");
        var path = Binder.Text("--path", "file", "A database file that no inventory knows.");
        var level = Binder.Level();
        var nodes = new Option<string[]>("--node") { HelpName = "name", Description = "Only this node's part; may be given more than once." };
        verb.Add(clusters);
        foreach (var option in new Option[] { engine, path, level, nodes })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            session.Output.Prepare<HealthReport>();
            var names = parsed.GetValue(clusters) ?? [];
            var file = parsed.GetValue(path);
            if (file is not null && names.Length > 0)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a cluster and --path were given", "Give one of them.");
            var targets = file is not null ? [session.Runtime.GetTarget(parsed.GetValue(engine) ?? "sqlite", Path.GetFullPath(file))] : session.Runtime.GetClusters(names.Length == 0 ? null : names);
            var code = ExitCodes.Done;
            var reports = new List<HealthReport>();
            foreach (var cluster in targets)
                try
                {
                    var report = await ExamineAsync(session, cluster, parsed.GetValue(level), parsed.GetValue(nodes) ?? [], token);
                    reports.Add(report);
                    code = Math.Max(code, ExitCodes.Of(report));
                }
                catch (DbRecoveryException e) when (targets.Count > 1)
                {
                    code = Math.Max(code, session.Report(e));
                }
            session.Progress.Clear();
            write(session, reports);
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

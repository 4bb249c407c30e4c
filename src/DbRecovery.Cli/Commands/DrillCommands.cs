using System.CommandLine;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>drill run and drill history; drill alone runs.</summary>
internal static class DrillCommands
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("drill", "Damages a copy of a database, recovers it, and measures and scores what comes of it. The original is only read. Exit code 1 where a damage did not pass.",
            "dbrecovery drill app", "dbrecovery drill app --plan", "dbrecovery drill app --damage data-page,missing-file --rounds 3", "dbrecovery drill app --from-backup");
        var cluster = Binder.One("cluster", "The cluster, or 'history' with a cluster: the results of earlier drills.");
        verb.Add(cluster);
        Run(bind, verb, cluster);
        verb.Add(History(bind));
        root.Add(verb);
    }

    private static void Run(Binder bind, Verb verb, Argument<string> cluster)
    {
        var damage = new Option<string[]>("--damage") { HelpName = "a,b", Description = "Only these damages; may be given more than once. Else: every one." };
        var node = Binder.Text("--node", "name", "The node whose data is copied. Else: the one that backups are read from.");
        var rounds = new Option<int>("--rounds") { HelpName = "n", Description = "How often each damage is inflicted.", DefaultValueFactory = _ => 1 };
        var sandbox = Binder.Text("--sandbox", "folder", "The folder in which the copy is made and damaged. Else: below the state folder.");
        var backup = Binder.Flag("--from-backup", "Copies and recovers from the newest proved backup of the cluster, so that its age and its repository's speed count.");
        var keep = Binder.Flag("--keep", "Leaves the sandbox behind, to look at.");
        var plan = Binder.Flag("--plan", "Lists what would be inflicted, and where, and changes nothing.");
        foreach (var option in new Option[] { damage, node, rounds, sandbox, backup, keep, plan })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = session.Runtime.GetCluster(parsed.GetValue(cluster)!);
            var request = new DrillRequest
            {
                Cluster = definition,
                Node = parsed.GetValue(node),
                Damages = [.. (parsed.GetValue(damage) ?? []).SelectMany(d => d.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
                Rounds = parsed.GetValue(rounds),
                Keep = parsed.GetValue(keep),
                SandboxFolder = parsed.GetValue(sandbox) is { } folder ? Path.GetFullPath(folder) : null,
                FromBackup = parsed.GetValue(backup) ? await session.Runtime.GetDrillBackupAsync(definition, token) : null,
            };
            return parsed.GetValue(plan) ? ShowPlan(session, session.Runtime.PlanDrill(request)) : await RunAsync(session, request, token);
        });
    }

    private static Verb History(Binder bind)
    {
        var verb = new Verb("history", "Lists the results of earlier drills, newest first.", "dbrecovery drill history app", "dbrecovery drill history app --damage data-page --output json");
        var cluster = Binder.One("cluster", "The cluster.");
        var damage = Binder.Text("--damage", "name", "Only this damage.");
        verb.Add(cluster);
        verb.Add(damage);
        bind.To(verb, (session, parsed, _) =>
        {
            var only = parsed.GetValue(damage);
            DrillResult[] found = [.. session.Runtime.GetDrills(parsed.GetValue(cluster)!).Where(d => only is null || d.Damage == only)];
            session.Output.WriteAll(found, "no drills");
            return Task.FromResult(ExitCodes.Done);
        });
        return verb;
    }

    private static int ShowPlan(Session session, DrillPlan plan)
    {
        if (session.Output.IsJson)
        {
            session.Output.WriteAll([plan], "");
            return ExitCodes.Done;
        }
        session.Output.WriteAll(plan.Damages, "no damages");
        session.Output.WriteBelow(width => TextLayout.Hang("", $"{Counted.Of(plan.Rounds, "round")} on a copy of {plan.Source} (node {plan.Node}) in {plan.SandboxFolder}; "
            + $"needs up to {SizeText.Size(plan.NeededBytes)}, {SizeText.Size(plan.FreeBytes)} are free. Nothing was changed.", width));
        return ExitCodes.Done;
    }

    private static async Task<int> RunAsync(Session session, DrillRequest request, CancellationToken token)
    {
        var results = await session.Runtime.DrillAsync(request, result =>
        {
            session.Progress.Clear();
            // each object as it ends; a table is drawn when its columns are known
            if (session.Output.IsJson)
                session.Output.WriteAll([result], "");
        }, session.Progress, token);
        session.Progress.Clear();
        if (!session.Output.IsJson)
        {
            session.Output.WriteAll(results, "no damages");
            session.Output.WriteBelow(width => Texts.Of(results, width));
        }
        return results.All(r => r.Passed || r.Skipped is not null) ? ExitCodes.Done : ExitCodes.FaultFound;
    }
}

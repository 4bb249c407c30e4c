using System.CommandLine;
using DbRecovery.Engine.Backups;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>repository test, repository repair, backup copy.</summary>
internal static class RepositoryCareCommands
{
    public static Verb Test(Binder bind)
    {
        var verb = new Verb("test", "Reads a repository and says what is damaged, and which backups and tables that hits. Exit code 1 where something is.",
            "dbrecovery repository test main", "dbrecovery repository test /backup/dbrecovery --full", "dbrecovery repository test main --decode");
        var repository = Binder.One("repository", "The repository: its name in the inventory, or its path.");
        var full = Binder.Flag("--full", "Reads every byte of every pack, also what an earlier check has read.");
        var decode = Binder.Flag("--decode", "As --full, and decodes every blob: slower, and finds what was wrong before it was written.");
        verb.Add(repository);
        verb.Add(full);
        verb.Add(decode);
        bind.To(verb, async (session, parsed, token) =>
        {
            var depth = parsed.GetValue(decode) ? ScrubDepth.Decode : parsed.GetValue(full) ? ScrubDepth.Full : ScrubDepth.New;
            var report = await session.Runtime.TestRepositoryAsync(session.Repository(parsed.GetValue(repository)!), depth, session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteAll([report], "");
            session.Output.WriteBelow(width => Text(report.Damage, width));
            return report.Passed ? ExitCodes.Done : ExitCodes.FaultFound;
        });
        return verb;
    }

    public static Verb Repair(Binder bind)
    {
        var verb = new Verb("repair", "Mends a repository: stores what is unharmed anew, fills in what is lost, points backups there, moves what is damaged to quarantine/, where it stays until you delete it. Exit code 1 where damage is left.",
            "dbrecovery repository repair main --plan", "dbrecovery repository repair main --from /mnt/other --yes", "dbrecovery repository repair main --give-up --plan");
        var repository = Binder.One("repository", "The repository: its name in the inventory, or its path.");
        var from = Binder.Text("--from", "name|path", "Another repository that may hold what this one lost. It is only read.");
        var giveUp = Binder.Flag("--give-up", "Ends the backups whose manifests cannot be mended, so that removals can go on: the manifests move to quarantine/, and what only those backups need goes with the next removal.");
        var plan = Binder.Flag("--plan", "Says what would be done and changes nothing.");
        var yes = Binder.Flag("--yes", "Repairs without asking. Needed where nobody can be asked.", "-y");
        verb.Add(repository);
        foreach (var option in new Option[] { from, giveUp, plan, yes })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = session.Repository(parsed.GetValue(repository)!);
            var other = parsed.GetValue(from) is { } name ? session.Repository(name) : null;
            var (planned, given) = (parsed.GetValue(plan), parsed.GetValue(giveUp));
            if (!planned && !await session.AgreedAsync(parsed.GetValue(yes), await QuestionAsync(session, definition, other, given, token), token))
                return ExitCodes.Refused;
            var result = await session.Runtime.RepairRepositoryAsync(definition, other, planned, given, session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteAll([result], "");
            session.Output.WriteBelow(width => Text(result.Actions, width));
            session.Output.WriteBelow(width => Text(result.Damage, width));
            return result.Passed ? ExitCodes.Done : ExitCodes.FaultFound;
        });
        return verb;
    }

    private static async Task<string> QuestionAsync(Session session, RepositoryDefinition repository, RepositoryDefinition? other, bool giveUp, CancellationToken token)
    {
        var text = $"Repair the repository '{repository.Path}': damaged objects are moved to its folder quarantine/.";
        if (!giveUp)
            return text;
        var result = await session.Runtime.RepairRepositoryAsync(repository, other, true, true, session.Progress, token);
        session.Progress.Clear();
        var ended = result.Actions.Where(a => a.Kind == RepositoryRepairKind.GiveUpBackup).Select(a => a.Text).ToList();
        return ended.Count == 0 ? text : $"{text} For good: {string.Join("; ", ended)}.";
    }

    public static Verb Copy(Binder bind)
    {
        var verb = new Verb("copy", "Copies backups to another repository and checks what arrived.", "dbrecovery backup copy app --to /mnt/other", "dbrecovery backup copy app 20261121T1015 --to other", "dbrecovery backup copy app --all --to other");
        var cluster = Binder.One("cluster", "The cluster.");
        var id = new Argument<string?>("id") { Description = "The backup's id, or a beginning of it. Without it: the newest.", Arity = ArgumentArity.ZeroOrOne };
        var to = new Option<string>("--to") { HelpName = "name|path", Description = "The repository that gets the backup. It is made where there is none.", Required = true };
        var all = Binder.Flag("--all", "Every backup of the cluster.");
        var repository = Binder.Text("--repository", "name|path", "The repository to read from. Else: the cluster's own.");
        verb.Add(cluster);
        verb.Add(id);
        foreach (var option in new Option[] { to, all, repository })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = session.Runtime.GetCluster(parsed.GetValue(cluster)!);
            var at = session.Repository(definition, parsed.GetValue(repository));
            var destination = session.Repository(parsed.GetValue(to)!);
            var (one, many) = (parsed.GetValue(id), parsed.GetValue(all));
            if (one is not null && many)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "an id and --all were both given", "Give one of them.", one);
            var backups = await session.Runtime.GetBackupsAsync(at, new BackupFilter { Cluster = definition.Name, Id = one, Latest = one is null && !many }, error => session.Report(error), token);
            if (backups.Count == 0)
                throw BackupCommands.NoBackup(definition.Name, one, at);
            var results = new List<BackupCopyResult>();
            foreach (var backup in backups.Reverse())
                results.Add(await session.Runtime.CopyBackupAsync(backup with { RepositoryDefinition = at, Definition = definition }, destination, session.Progress, token));
            session.Progress.Clear();
            session.Output.WriteAll(results, "");
            return ExitCodes.Done;
        });
        return verb;
    }

    private static string Text(IEnumerable<RepositoryDamage> damage, int width) => string.Join('\n', damage.SelectMany(d => new[]
    {
        TextLayout.Hang("", $"{d.Key}: {d.Problem}", width),
        d.Backups.Count == 0 ? "" : TextLayout.Hang("  backups ", string.Join(", ", d.Backups), width),
        d.Objects.Count == 0 ? "" : TextLayout.Hang("  hit     ", string.Join(", ", d.Objects), width),
        TextLayout.Hang("  remedy  ", d.Remedy, width),
    }.Where(l => l.Length > 0)));

    private static string Text(IEnumerable<RepositoryRepairAction> actions, int width) =>
        string.Join('\n', actions.Select(a => TextLayout.Hang("  ", $"{a.Kind}: {a.Key}: {a.Text}", width)));
}

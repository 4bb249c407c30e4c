using System.CommandLine;
using DbRecovery.Engine.Backups;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>backup remove, repository prune.</summary>
internal static class RemovalCommands
{
    public static Verb Remove(Binder bind)
    {
        var verb = new Verb("remove", "Removes backups: those named, or those that a retention rule does not keep.", "dbrecovery backup remove app --plan",
            "dbrecovery backup remove app --retention last=7,daily=30 --yes", "dbrecovery backup remove app 20261121T101500Z-1a2b3c", "dbrecovery backup remove app --undo 20261121T101500Z-1a2b3c");
        var cluster = Binder.One("cluster", "The cluster.");
        var ids = new Argument<string[]>("id") { Description = "The backups' ids, or beginnings of them. Without one: the rule decides.", Arity = ArgumentArity.ZeroOrMore };
        var retention = Binder.Text("--retention", "rule", "What is kept: last, full, days, hours, daily, weekly, monthly, yearly, as in last=7,days=30,full=4. Else: the inventory's 'keep'.");
        var repository = Binder.Text("--repository", "name|path", "The repository. Else: the cluster's own.");
        var undo = Binder.Text("--undo", "id", "Takes a removed backup back, while its grace lasts.");
        var (grace, plan) = (Grace(), Binder.Flag("--plan", "Says what would be removed, and why the others stay. Changes nothing."));
        var force = Binder.Flag("--force", "Removes even the newest or the last proved backup, if it is named.");
        var yes = Binder.Flag("--yes", "Removes without asking. Needed where nobody can be asked.", "-y");
        verb.Add(cluster);
        verb.Add(ids);
        foreach (var option in new Option[] { retention, repository, undo, grace, plan, force, yes })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = session.Runtime.GetCluster(parsed.GetValue(cluster)!);
            var at = session.Repository(definition, parsed.GetValue(repository));
            var wanted = parsed.GetValue(ids) ?? [];
            if (new[] { wanted.Length > 0, parsed.GetValue(retention) is not null, parsed.GetValue(undo) is not null }.Count(given => given) > 1)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "ids, --retention and --undo exclude each other", "Give one of them.");
            if (parsed.GetValue(undo) is { } back)
            {
                session.Output.WriteAll([await session.Runtime.RestoreRemovedBackupAsync(at, back, token)], "");
                return ExitCodes.Done;
            }
            var options = new UpkeepOptions { Grace = Session.Duration(parsed.GetValue(grace), "--grace") ?? new UpkeepOptions().Grace, Plan = parsed.GetValue(plan) };
            var decisions = wanted.Length == 0
                ? await session.Runtime.DecideRetentionAsync(definition.Name, at, parsed.GetValue(retention), options, token)
                : await session.Runtime.DecideRemovalAsync(await FindAsync(session, definition, at, wanted, token), parsed.GetValue(force),
                    refused => { if (!options.Plan) throw refused; }, token);
            return await CarryOutAsync(session, at, decisions, options, parsed.GetValue(yes), token);
        });
        return verb;
    }

    private static async Task<int> CarryOutAsync(Session session, RepositoryDefinition at, IReadOnlyList<RetentionDecision> decisions, UpkeepOptions options, bool yes, CancellationToken token)
    {
        var going = decisions.Where(d => !d.Keep).Select(d => d.Backup).ToList();
        if (!options.Plan && going.Count > 0 && !await session.AgreedAsync(yes,
            $"Remove {going.Count} of {Counted.Of(decisions.Count, "backup")} from '{at.Path}': {string.Join(", ", going.Take(10).Select(b => $"{b.Id} ({SizeText.Moment(b.FinishedAt)})"))}{(going.Count > 10 ? ", ..." : "")}.", token))
            return ExitCodes.Refused;
        var (done, result) = await session.Runtime.RemoveBackupsAsync(at, decisions, options, session.Progress, token);
        session.Progress.Clear();
        session.Output.WriteAll(done, "no backups");
        session.Output.WriteAll([result], "");
        return ExitCodes.Done;
    }

    public static Verb Prune(Binder bind)
    {
        var verb = new Verb("prune", "Removes what no backup needs: first to the trash, and when the grace is over for good.", "dbrecovery repository prune main", "dbrecovery repository prune /backup/dbrecovery --repack --plan");
        var repository = Binder.One("repository", "The repository: its name in the inventory, or its path.");
        var repack = Binder.Flag("--repack", "Writes packs anew that are less than half needed, and gathers many small ones.");
        var merge = Binder.Flag("--full-runs", "Puts files together again that lie in many small pieces after increments: a full backup without the database.");
        var rotate = Binder.Flag("--rotate-epochs", "Writes what an older data key sealed anew with the current one, after a change of an encrypted repository's keys.");
        var (grace, plan) = (Grace(), Binder.Flag("--plan", "Says what would be done. Changes nothing."));
        verb.Add(repository);
        foreach (var option in new Option[] { repack, merge, rotate, grace, plan })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var options = new UpkeepOptions
            {
                Grace = Session.Duration(parsed.GetValue(grace), "--grace") ?? new UpkeepOptions().Grace,
                Plan = parsed.GetValue(plan), Repack = parsed.GetValue(repack), MergeRuns = parsed.GetValue(merge), RotateEpochs = parsed.GetValue(rotate),
            };
            var result = await session.Runtime.PruneRepositoryAsync(session.Repository(parsed.GetValue(repository)!), options, session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteAll([result], "");
            return ExitCodes.Done;
        });
        return verb;
    }

    private static Option<string?> Grace() => Binder.Text("--grace", "duration", "How long what is removed stays in the trash. Default: 24h. 0s frees the space at once, also from under a restore that runs.");

    private static async Task<IReadOnlyList<BackupInfo>> FindAsync(Session session, ClusterDefinition cluster, RepositoryDefinition at, string[] ids, CancellationToken token)
    {
        var found = new List<BackupInfo>();
        foreach (var id in ids)
            found.Add(await BackupCommands.OneAsync(session, cluster, at, id, token));
        return found;
    }
}

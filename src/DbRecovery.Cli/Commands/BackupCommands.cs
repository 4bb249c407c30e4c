using System.CommandLine;
using DbRecovery.Engine.Backups;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>backup new, run, list, test, restore; copy and remove are beside it.</summary>
internal static class BackupCommands
{
    private static Option<string?> Repository() => Binder.Text("--repository", "name|path", "The repository. Else: the cluster's own.");

    public static void Add(RootCommand root, Binder bind)
    {
        var group = new Verb("backup", "Takes, lists, proves, restores, copies and removes backups.",
            "dbrecovery backup new app --test", "dbrecovery backup run app --every 10s", "dbrecovery backup list app", "dbrecovery backup restore app --to ./copy.db",
            "dbrecovery backup copy app --to ./other", "dbrecovery backup remove app --retention last=7,daily=30 --plan");
        group.Add(New(bind));
        group.Add(BackupRunCommand.Make(bind));
        group.Add(List(bind));
        group.Add(Test(bind));
        group.Add(Restore(bind));
        group.Add(RepositoryCareCommands.Copy(bind));
        group.Add(RemovalCommands.Remove(bind));
        root.Add(group);
    }

    private static Verb New(Binder bind)
    {
        var verb = new Verb("new", "Takes a backup of a cluster while it is in use.", "dbrecovery backup new app", "dbrecovery backup new app --kind incremental", "dbrecovery backup new app --test", "dbrecovery backup new --path ./other.db --repository /backup/dbrecovery");
        var cluster = new Argument<string?>("cluster") { Description = "The cluster.", Arity = ArgumentArity.ZeroOrOne };
        var engine = Binder.Text("--engine", "name", "The engine of a database given by --path. Default: sqlite.");
        var path = Binder.Text("--path", "file", "A database file that no inventory knows; --repository is needed.");
        var repository = Repository();
        var kind = new Option<BackupKind>("--kind") { HelpName = "full|differential|incremental", Description = "full (the default) compares with nothing; incremental with the last backup, differential with the last full. Each restores like a full." };
        var portable = Binder.Flag("--portable", "Uses only codecs that standard tools read (gzip).");
        var test = Binder.Flag("--test", "Proves the backup at once.");
        verb.Add(cluster);
        foreach (var option in new Option[] { engine, path, repository, kind, portable, test })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = (parsed.GetValue(cluster), parsed.GetValue(path)) switch
            {
                ({ } name, null) => session.Runtime.GetCluster(name),
                (null, { } file) => session.Runtime.GetTarget(parsed.GetValue(engine) ?? "sqlite", Path.GetFullPath(file)),
                _ => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "one target is needed", "Give a cluster, or --path."),
            };
            var to = session.Repository(definition, parsed.GetValue(repository));
            session.Output.Prepare<BackupInfo>();
            var backup = await session.Runtime.NewBackupAsync(definition, to, parsed.GetValue(kind), parsed.GetValue(portable), session.Progress, token);
            Tell(session, backup);
            backup = backup with { RepositoryDefinition = backup.RepositoryDefinition ?? to, Definition = backup.Definition ?? definition };
            return parsed.GetValue(test) ? await ProveAsync(session, backup, token) : WriteBackups(session, [backup]);
        });
        return verb;
    }

    private static Verb List(Binder bind)
    {
        var verb = new Verb("list", "Lists backups, newest first.", "dbrecovery backup list", "dbrecovery backup list app --proved --output json");
        var clusters = Binder.Many("cluster", "Names of clusters; * and ? are wildcards. Without one: all.");
        var repository = Repository();
        var proved = Binder.Flag("--proved", "Only those whose last test passed.");
        var latest = Binder.Flag("--latest", "Only the newest.");
        verb.Add(clusters);
        foreach (var option in new Option[] { repository, proved, latest })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var filter = new BackupFilter { ProvedOnly = parsed.GetValue(proved), Latest = parsed.GetValue(latest) };
            var names = parsed.GetValue(clusters) ?? [];
            var code = ExitCodes.Done;
            var found = new List<BackupInfo>();
            if (names.Length == 0 && parsed.GetValue(repository) is { } only)
                found.AddRange(await session.Runtime.GetBackupsAsync(session.Repository(only), filter, Damaged, token));
            else
                foreach (var definition in session.Runtime.GetClusters(names.Length == 0 ? null : names))
                    if (names.Length > 0 || parsed.GetValue(repository) is not null || definition.Backups is not null)
                        found.AddRange(await session.Runtime.GetBackupsAsync(session.Repository(definition, parsed.GetValue(repository)), filter with { Cluster = definition.Name }, Damaged, token));
            WriteBackups(session, found);
            foreach (var missing in BackupText.Missing(found))
                session.Say($"warning: {missing}");
            return code;

            void Damaged(DbRecoveryException error) => code = session.Report(error);
        });
        return verb;
    }

    private static Verb Test(Binder bind)
    {
        var verb = new Verb("test", "Proves a backup by restoring it into a scratch place and checking it. Exit code 1 where it does not pass.", "dbrecovery backup test app", "dbrecovery backup test app 20261121T1015");
        var (cluster, id, repository) = Selection(verb);
        bind.To(verb, async (session, parsed, token) =>
            await ProveAsync(session, await OneAsync(session, parsed.GetValue(cluster)!, parsed.GetValue(id), parsed.GetValue(repository), token), token));
        return verb;
    }

    private static Verb Restore(Binder bind)
    {
        var verb = new Verb("restore", "Restores a backup to a path, or to where the database is; with --table only a table or rows of it.", "dbrecovery backup restore app --to ./copy.db", "dbrecovery backup restore app 20261121T1015 --replace --yes",
            "dbrecovery backup restore app --table orders --where \"id in (1,2)\"", "dbrecovery backup restore app --table orders --apply missing,changed --plan",
            "dbrecovery backup restore app --to ./copy.db --include-files --files-to ./copy-files");
        var (cluster, id, repository) = Selection(verb);
        var to = Binder.Text("--to", "path", "The path that shall hold the data. Else: where the cluster's database is.");
        var replace = Binder.Flag("--replace", "Allows replacing a file that is there; it is kept beside the new one.", "--force");
        var files = Binder.Flag("--include-files", "Restores the files that belong to the database, too; what is at their places is kept beside them.", "--files");
        var filesTo = Binder.Text("--files-to", "folder", "The folder that gets those files. Else: where they were.");
        var yes = Binder.Flag("--yes", "Replaces without asking. Needed where nobody can be asked.", "-y");
        foreach (var option in new Option[] { to, replace, files, filesTo, yes })
            verb.Add(option);
        var rows = new RowRestoreVerb(verb);
        bind.To(verb, async (session, parsed, token) =>
        {
            rows.Check(parsed);
            if (rows.Wanted(parsed) && (parsed.GetValue(files) || parsed.GetValue(filesTo) is not null))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "files that belong to the database have no place beside --table", "Restore them with the whole backup: leave --table out.", "--include-files");
            var backup = await OneAsync(session, parsed.GetValue(cluster)!, parsed.GetValue(id), parsed.GetValue(repository), token);
            var destination = parsed.GetValue(to) is { } path ? Path.GetFullPath(path) : null;
            if (rows.Wanted(parsed))
                return await rows.RunAsync(session, parsed, backup, destination, force: parsed.GetValue(replace), yes: parsed.GetValue(yes), token);
            var place = destination ?? backup.Definition?.Nodes.FirstOrDefault(n => n.Name == backup.Node)?.Path ?? $"the place of {backup.Cluster}";
            var there = File.Exists(place);
            var text = $"Restore backup {backup.Id} of '{backup.Cluster}' ({SizeText.Size(backup.SizeBytes)}, {SizeText.Moment(backup.FinishedAt)}) {(there ? "in the place of" : "to")} '{place}'.";
            if (rows.Plan(parsed))
            {
                session.Say(text + (there && !parsed.GetValue(replace) ? " The file is there: this needs --replace." : "") + " Nothing was changed.");
                return ExitCodes.Done;
            }
            if (parsed.GetValue(replace) && (destination is null || there) && !await session.AgreedAsync(parsed.GetValue(yes), text, token))
                return ExitCodes.Refused;
            var result = await session.Runtime.RestoreBackupAsync(backup, destination, parsed.GetValue(replace), parsed.GetValue(files), parsed.GetValue(filesTo) is { } folder ? Path.GetFullPath(folder) : null, session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteAll([result], "");
            return ExitCodes.Done;
        });
        return verb;
    }

    private static (Argument<string> Cluster, Argument<string?> Id, Option<string?> Repository) Selection(Verb verb)
    {
        var cluster = Binder.One("cluster", "The cluster.");
        var id = new Argument<string?>("id") { Description = "The backup's id, or a beginning of it. Without it: the newest.", Arity = ArgumentArity.ZeroOrOne };
        var repository = Repository();
        verb.Add(cluster);
        verb.Add(id);
        verb.Add(repository);
        return (cluster, id, repository);
    }

    private static Task<BackupInfo> OneAsync(Session session, string cluster, string? id, string? repository, CancellationToken token)
    {
        var definition = session.Runtime.GetCluster(cluster);
        return OneAsync(session, definition, session.Repository(definition, repository), id, token);
    }

    /// <summary>The backup whose id begins so; without an id, the newest.</summary>
    internal static async Task<BackupInfo> OneAsync(Session session, ClusterDefinition cluster, RepositoryDefinition at, string? id, CancellationToken token)
    {
        var found = await session.Runtime.GetBackupsAsync(at, new BackupFilter { Cluster = cluster.Name, Id = id, Latest = id is null }, error => session.Report(error), token);
        // of an id that several begin with the listing says so itself
        return found.Count == 0 ? throw NoBackup(cluster.Name, id, at)
            : found[0] with { RepositoryDefinition = found[0].RepositoryDefinition ?? at, Definition = found[0].Definition ?? cluster };
    }

    /// <summary>The error of a cluster without the backup that is meant.</summary>
    internal static DbRecoveryException NoBackup(string cluster, string? id, RepositoryDefinition at) =>
        new(ErrorIds.BackupNotFound, ErrorKind.NotFound, $"'{cluster}' has no backup{(id is null ? "" : $" '{id}'")} in '{at.Path}'", $"List them with 'dbrecovery backup list {cluster}'.", id ?? cluster);

    private static async Task<int> ProveAsync(Session session, BackupInfo backup, CancellationToken token)
    {
        var result = await session.Runtime.TestBackupAsync(backup, session.Progress, token);
        session.Progress.Clear();
        session.Output.WriteAll([result], "");
        return result.Passed ? ExitCodes.Done : ExitCodes.FaultFound;
    }

    private static int WriteBackups(Session session, IReadOnlyList<BackupInfo> backups)
    {
        session.Progress.Clear();
        session.Output.WriteAll(backups, "no backups");
        return ExitCodes.Done;
    }

    /// <summary>Says what a person should know of a backup.</summary>
    internal static void Tell(Session session, BackupInfo backup)
    {
        session.Progress.Clear();
        foreach (var note in backup.Notes)
            session.Say($"note: {note}");
    }
}

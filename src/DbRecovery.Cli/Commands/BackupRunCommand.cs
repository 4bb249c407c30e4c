using System.CommandLine;
using System.Globalization;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>backup run: continuous protection.</summary>
internal static class BackupRunCommand
{
    public static Verb Make(Binder bind)
    {
        var verb = new Verb("run", "Protects a cluster continuously: takes an increment whenever something was committed, until Ctrl+C. Each backup is written when it is there; an error costs its round.",
            "dbrecovery backup run app --every 10s", "dbrecovery backup run app --every 30s --for 8h --output json");
        var cluster = Binder.One("cluster", "The cluster.");
        var every = Binder.Text("--every", "duration", "The interval, which is the most that can be lost. Else: the inventory's 'every', or 10s.");
        var limit = Binder.Text("--for", "duration", "How long to go on. Else: until it is stopped.");
        var count = Binder.Text("--count", "number", "How many backups to take. Else: no limit.");
        var repository = Binder.Text("--repository", "name|path", "The repository. Else: the cluster's own.");
        verb.Add(cluster);
        foreach (var option in new Option[] { every, limit, count, repository })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var definition = session.Runtime.GetCluster(parsed.GetValue(cluster)!);
            var to = session.Repository(definition, parsed.GetValue(repository));
            var code = ExitCodes.Done;
            var taken = await session.Runtime.ProtectAsync(definition, to, Session.Duration(parsed.GetValue(every), "--every"), Session.Duration(parsed.GetValue(limit), "--for"), Count(parsed.GetValue(count)),
                backup =>
                {
                    BackupCommands.Tell(session, backup);
                    session.Output.WriteNow(backup, Line);
                    code = ExitCodes.Done;
                },
                error => code = session.Report(error), token);
            session.Say($"{Counted.Of(taken, "backup")} taken");
            return code;
        });
        return verb;
    }

    private static int? Count(string? text) => text is null ? null : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 ? count
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"--count: '{text}' is no number of backups", "Write 1 or more.", text);

    private static string Line(BackupInfo backup, int width) =>
        $"{backup.Id}  {backup.Kind,-12}  changed {SizeText.Size(backup.ChangedBytes ?? backup.SizeBytes)}  stored {SizeText.Size(backup.StoredBytes)}";
}

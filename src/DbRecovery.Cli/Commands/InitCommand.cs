using System.CommandLine;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>init: what a cluster needs so that it can be observed, failed over and brought back.</summary>
internal static class InitCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("init", "Checks what a cluster needs (a role with the least rights, a schema, settings) and prints the SQL for what is missing, as a script where the output is a pipe; --apply creates it. Exit code 1 where something is missing.",
            "dbrecovery init orders", "dbrecovery init orders --output json", "dbrecovery init orders --apply --user postgres --password-env ADMIN_PASSWORD");
        var cluster = Binder.One("cluster", "The cluster.");
        var apply = Binder.Flag("--apply", "Creates what is missing.");
        var recommended = Binder.Flag("--recommended", "With --apply: creates what is only recommended, too.");
        var yes = Binder.Flag("--yes", "Creates it without asking. Needed where nobody can be asked.", "-y");
        var user = Binder.Text("--user", "name", "The user that looks and creates. Else: the cluster's own.");
        var variable = Binder.Text("--password-env", "variable", "The environment variable with that user's password.");
        var file = Binder.Text("--password-file", "file", "The file with that user's password.");
        verb.Add(cluster);
        foreach (var option in new Option[] { apply, recommended, yes, user, variable, file })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var login = Login(parsed.GetValue(user), parsed.GetValue(variable), parsed.GetValue(file));
            var definition = session.Runtime.GetCluster(parsed.GetValue(cluster)!);
            var items = await session.Runtime.CheckSetupAsync(definition, login, token);
            if (!parsed.GetValue(apply))
            {
                Write(session, items);
                return Code(items);
            }
            return await ApplyAsync(session, definition, login, items, parsed.GetValue(recommended), parsed.GetValue(yes), token);
        });
        root.Add(verb);
    }

    private static async Task<int> ApplyAsync(
        Session session, ClusterDefinition cluster, SetupLogin? login, IReadOnlyList<SetupItem> items, bool recommended, bool yes, CancellationToken token)
    {
        SetupItem[] open = [.. items.Where(i => i.Statements.Count > 0 && (i.State == SetupState.Missing || (recommended && i.State == SetupState.Recommended)))];
        if (open.Length > 0)
        {
            if (!await session.AgreedAsync(yes, SetupText.Sql(open), token))
            {
                session.Say("not agreed; nothing was changed");
                return ExitCodes.Refused;
            }
            foreach (var item in open)
            {
                var outcome = await session.Runtime.ApplySetupAsync(cluster, login, item, token);
                session.Say(outcome.Summary);
            }
            items = await session.Runtime.CheckSetupAsync(cluster, login, token);
        }
        Write(session, items);
        return Code(items);
    }

    // into a pipe goes a script, unless JSON is asked for
    private static void Write(Session session, IReadOnlyList<SetupItem> items)
    {
        // what is there as it should be is a number on a terminal
        var shown = session.Output.IsTable ? [.. items.Where(i => i.State != SetupState.Ok)] : items;
        if (session.Output.IsTable || session.Output.IsJsonAsked)
            session.Output.WriteAll(shown, $"all of {Counted.Of(items.Count, "item")} is there");
        if (!session.Output.IsJsonAsked)
            session.Output.WriteText(SetupText.Sql(items));
    }

    private static int Code(IReadOnlyList<SetupItem> items) => items.Any(i => i.State is SetupState.Missing or SetupState.Unknown) ? ExitCodes.FaultFound : ExitCodes.Done;

    private static SetupLogin? Login(string? user, string? variable, string? file) => (user, variable, file) switch
    {
        (null, null, null) => null,
        (null, _, _) => throw Wrong("a password was named, and no user"),
        (_, { }, { }) => throw Wrong("--password-env and --password-file were given"),
        (_, { } name, _) => new SetupLogin(user, new SecretReference(SecretSource.Env, name)),
        (_, _, { } path) => new SetupLogin(user, new SecretReference(SecretSource.File, Path.GetFullPath(path))),
        _ => new SetupLogin(user, null),
    };

    private static DbRecoveryException Wrong(string message) => new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, message, "Give --user with one of --password-env and --password-file, or without.");
}

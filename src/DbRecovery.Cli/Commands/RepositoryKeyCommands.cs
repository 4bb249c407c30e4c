using System.CommandLine;
using DbRecovery.Engine.Backups;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>repository key list, add, remove, rotate.</summary>
internal static class RepositoryKeyCommands
{
    public static Verb Make(Binder bind)
    {
        var group = new Verb("key", "Lists and changes the keys of an encrypted repository.", "dbrecovery repository key list main", "dbrecovery repository key add main --label escrow --new-key-file ./escrow.key");
        group.Add(List(bind));
        group.Add(Add(bind));
        group.Add(Remove(bind));
        group.Add(Rotate(bind));
        return group;
    }

    private static Argument<string> Repository() =>
        Binder.One("repository", "The repository: its name in the inventory, or its path. One at a path that no inventory knows is opened by $DBRECOVERY_PASSPHRASE or $DBRECOVERY_KEY_FILE.");

    private static Verb List(Binder bind)
    {
        var verb = new Verb("list", "Lists the keys: labels, kinds and states, nothing secret. Exit code 1 where one is not current.", "dbrecovery repository key list main", "dbrecovery repository key list /backup/dbrecovery --output json");
        var repository = Repository();
        verb.Add(repository);
        bind.To(verb, async (session, parsed, token) =>
        {
            var keys = await session.Runtime.GetRepositoryKeysAsync(session.Repository(parsed.GetValue(repository)!), token);
            Write(session, keys);
            return keys.All(k => k.State == RepositoryKeyState.Current) ? ExitCodes.Done : ExitCodes.FaultFound;
        });
        return verb;
    }

    private static Verb Add(Binder bind)
    {
        var verb = new Verb("add", "Adds a key that opens the repository beside those that it has.", "dbrecovery repository key add main --label vault --passphrase-env VAULT_KEY", "dbrecovery repository key add main --label escrow --new-key-file ./escrow.key");
        var repository = Repository();
        var label = new Option<string>("--label") { HelpName = "text", Description = "The key's label, unique in the repository.", Required = true };
        var variable = Binder.Text("--passphrase-env", "name", "The environment variable that holds the passphrase.");
        var file = Binder.Text("--passphrase-file", "file", "The file that holds the passphrase.");
        var keyFile = Binder.Text("--key-file", "file", "A file of at least 32 random bytes that others may not read.");
        var made = Binder.Text("--new-key-file", "file", "Makes a key file of that name, which only its owner may read.", "--generate-key-file");
        verb.Add(repository);
        foreach (var option in new Option[] { label, variable, file, keyFile, made })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var source = (parsed.GetValue(variable), parsed.GetValue(file)) switch
            {
                ({ } name, null) => new SecretReference(SecretSource.Env, name),
                (null, { } path) => new SecretReference(SecretSource.File, Path.GetFullPath(path)),
                (null, null) => null,
                _ => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "--passphrase-env and --passphrase-file were both given", "Give one."),
            };
            var added = await session.Runtime.AddRepositoryKeyAsync(session.Repository(parsed.GetValue(repository)!), new NewRepositoryKey
            {
                Label = parsed.GetValue(label)!,
                Passphrase = source is null ? null : await session.Runtime.ReadSecretAsync(source, token),
                KeyFile = parsed.GetValue(keyFile),
                NewKeyFile = parsed.GetValue(made),
            }, token);
            return Write(session, [added]);
        });
        return verb;
    }

    private static Verb Remove(Binder bind)
    {
        var verb = new Verb("remove", "Removes a key and begins a new epoch, which its holder does not open. Never the last one.", "dbrecovery repository key remove main vault");
        var repository = Repository();
        var key = Binder.One("key", "The key's label, or the beginning of its id.");
        var yes = Binder.Flag("--yes", "Removes without asking. Needed where nobody can be asked.", "-y");
        verb.Add(repository);
        verb.Add(key);
        verb.Add(yes);
        bind.To(verb, async (session, parsed, token) =>
        {
            var (definition, named) = (session.Repository(parsed.GetValue(repository)!), parsed.GetValue(key)!);
            var keys = await session.Runtime.GetRepositoryKeysAsync(definition, token);
            if (!await session.AgreedAsync(parsed.GetValue(yes), RepositoryKeyText.Removal(definition, keys, named), token))
                return ExitCodes.Refused;
            return Write(session, await session.Runtime.RemoveRepositoryKeyAsync(definition, named, token));
        });
        return verb;
    }

    private static Verb Rotate(Binder bind)
    {
        var verb = new Verb("rotate", "Begins a new epoch: what is written from now on is sealed with a new data key, which every key opens.", "dbrecovery repository key rotate main");
        var repository = Repository();
        verb.Add(repository);
        bind.To(verb, async (session, parsed, token) =>
            Write(session, await session.Runtime.RotateRepositoryKeyAsync(session.Repository(parsed.GetValue(repository)!), token)));
        return verb;
    }

    private static int Write(Session session, IReadOnlyList<RepositoryKeyInfo> keys)
    {
        session.Output.WriteAll(keys, "no keys");
        if (!session.Output.IsJson)
            foreach (var problem in keys.Select(k => k.Problem).OfType<string>())
                session.Say(problem);
        return ExitCodes.Done;
    }
}

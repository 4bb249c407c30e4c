using System.CommandLine;
using System.CommandLine.Help;
using DbRecovery.Cli.Output;

namespace DbRecovery.Cli.Commands;

/// <summary>Options that every verb has.</summary>
internal sealed class CommonOptions
{
    public Option<string?> Inventory { get; } = new("--inventory", "-i") { Description = "The inventory file. Else: $DBRECOVERY_INVENTORY, ./dbrecovery.yml, the user's configuration folder.", Recursive = true, HelpName = "file" };
    public Option<string?> State { get; } = new("--state") { Description = "The folder of journals, leases and evidence. Else: $DBRECOVERY_STATE, the inventory's 'state', the user's default.", Recursive = true, HelpName = "folder" };
    public Option<OutputFormat> Output { get; } = new("--output", "-o") { Description = "table or json (one object a line). Else: a table on a terminal, JSON lines into a pipe.", Recursive = true, HelpName = "table|json" };
    public Option<bool> NoColor { get; } = new("--no-color") { Description = "No colours. The variable NO_COLOR does the same.", Recursive = true };
}

/// <summary>The verbs.</summary>
internal static class CommandTree
{
    /// <summary>Makes the whole tree.</summary>
    public static RootCommand Build(AppEnvironment environment)
    {
        var common = new CommonOptions();
        var root = new RootCommand("dbrecovery brings broken databases back, and proves it.") { common.Inventory, common.State, common.Output, common.NoColor };
        foreach (var help in root.Options.OfType<HelpOption>())
            help.Action = new HelpAction(environment.Out);
        var bind = new Binder(environment, common);
        HealthCommands.Add(root, bind);
        WatchCommand.Add(root, bind);
        RecoverCommand.Add(root, bind);
        TopologyCommand.Add(root, bind);
        ReplicationCommands.Add(root, bind);
        RunbookCommands.Add(root, bind);
        IncidentCommands.Add(root, bind);
        BackupCommands.Add(root, bind);
        RepositoryCommands.Add(root, bind);
        SalvageCommand.Add(root, bind);
        DrillCommands.Add(root, bind);
        ReportCommand.Add(root, bind);
        InitCommand.Add(root, bind);
        var inventory = new Verb("inventory", "Checks the inventory.", "dbrecovery inventory lint");
        var lint = new Verb("lint", "Checks the inventory file: each finding with file, line, column and what would be right.", "dbrecovery inventory lint --inventory ./dbrecovery.yml");
        bind.To(lint, (session, _, _) =>
        {
            var result = session.Runtime.LintInventory();
            session.WriteLint([result]);
            return Task.FromResult(result.Valid ? ExitCodes.Done : ExitCodes.Usage);
        });
        inventory.Add(lint);
        root.Add(inventory);
        return root;
    }
}

/// <summary>Ties a verb to what it does.</summary>
internal sealed class Binder(AppEnvironment environment, CommonOptions common)
{
    /// <summary>Ties a verb to a function of a session.</summary>
    public void To(Command verb, Func<Session, ParseResult, CancellationToken, Task<int>> act) =>
        verb.SetAction(async (parsed, token) =>
        {
            await using var session = new Session(environment, parsed, common);
            return await act(session, parsed, token);
        });

    /// <summary>An argument of words.</summary>
    public static Argument<string[]> Many(string name, string description) => new(name) { Description = description, Arity = ArgumentArity.ZeroOrMore };

    /// <summary>An argument of one word.</summary>
    public static Argument<string> One(string name, string description) => new(name) { Description = description };

    /// <summary>An option with a value.</summary>
    public static Option<string?> Text(string name, string help, string description, params string[] aliases) => new(name, aliases) { HelpName = help, Description = description };

    /// <summary>An option without a value.</summary>
    public static Option<bool> Flag(string name, string description, params string[] aliases) => new(name, aliases) { Description = description };

    /// <summary>How much is looked at.</summary>
    public static Option<ObservationLevel> Level() => new("--level")
    {
        HelpName = "quick|standard|deep",
        Description = "How much is looked at: quick takes milliseconds, standard (the default) reads the data once, deep makes every cross-check.",
        DefaultValueFactory = _ => ObservationLevel.Standard,
    };
}

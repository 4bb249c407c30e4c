using System.CommandLine;
using System.CommandLine.Invocation;

namespace DbRecovery.Cli.Commands;

/// <summary>A verb: a command with examples for its help.</summary>
internal sealed class Verb(string name, string description, params string[] examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>Whether it carries an incident out: one that is cancelled can be gone on with.</summary>
    public bool IsRecovery { get; set; }
}

/// <summary>Writes help no wider than 100 columns: what it does, how it is called, its options, examples and exit codes.</summary>
internal sealed class HelpAction(TextWriter output) : SynchronousCommandLineAction
{
    private const int Width = 100;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        var path = Usage.Path(parseResult.CommandResult);
        foreach (var line in Wrap(command.Description ?? "", Width))
            output.WriteLine(line);
        output.WriteLine();
        var arguments = string.Concat(command.Arguments.Select(a => a.Arity.MinimumNumberOfValues > 0 ? $" <{a.Name}>" : a.Arity.MaximumNumberOfValues > 1 ? $" [<{a.Name}>...]" : $" [<{a.Name}>]"));
        output.WriteLine(command is { Subcommands.Count: > 0, Arguments.Count: 0 } ? $"Usage: {path} <command> [options]" : $"Usage: {path}{arguments} [options]");
        Section("Commands", command.Subcommands.Select(c => (c.Name, c.Description ?? "")));
        Section("Arguments", command.Arguments.Select(a => ($"<{a.Name}>", a.Description ?? "")));
        Section("Options", Options(parseResult).Where(o => !o.Hidden).Select(o => (Names(o), o.Description ?? "")));
        if (command is Verb { Examples.Count: > 0 } verb)
            Lines("Examples", verb.Examples);
        else if (command is RootCommand)
            Lines("Examples", ["dbrecovery health app", "dbrecovery recover app --plan", "dbrecovery recover app --yes", "dbrecovery backup new app --test", "dbrecovery drill app", "dbrecovery report --to report.html"]);
        Lines("Exit codes", ["0 healthy or done   1 fault found   2 usage   3 failed   4 refused   130 cancelled"]);
        return ExitCodes.Done;
    }

    private static IEnumerable<Option> Options(ParseResult parsed)
    {
        var own = parsed.CommandResult.Command.Options.AsEnumerable();
        for (var parent = parsed.CommandResult.Parent; parent is not null; parent = parent.Parent)
            if (parent is System.CommandLine.Parsing.CommandResult { Command: var command })
                own = own.Concat(command.Options.Where(o => o.Recursive));
        return own.DistinctBy(o => o.Name);
    }

    private static string Names(Option option)
    {
        var names = string.Join(", ", option.Aliases.Where(a => a is not "/?" and not "/h" and not "-?").OrderBy(a => a.Length).Append(option.Name));
        return option.ValueType == typeof(bool) || option.Arity.MaximumNumberOfValues == 0 ? names : $"{names} <{option.HelpName ?? option.Name.TrimStart('-')}>";
    }

    private void Section(string title, IEnumerable<(string Name, string Text)> rows)
    {
        var list = rows.ToList();
        if (list.Count == 0)
            return;
        output.WriteLine();
        output.WriteLine(title + ":");
        var indent = list.Max(r => r.Name.Length) + 4;
        foreach (var (name, text) in list)
        {
            var first = true;
            foreach (var line in Wrap(text, Width - indent))
            {
                output.WriteLine(((first ? "  " + name : "").PadRight(indent) + line).TrimEnd());
                first = false;
            }
        }
    }

    private void Lines(string title, IEnumerable<string> lines)
    {
        output.WriteLine();
        output.WriteLine(title + ":");
        foreach (var line in lines)
            output.WriteLine("  " + line);
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }
            line = line.Length == 0 ? word : line + " " + word;
        }
        yield return line;
    }
}

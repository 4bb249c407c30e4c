using System.CommandLine;
using System.CommandLine.Parsing;

namespace DbRecovery.Cli.Commands;

/// <summary>Says what is wrong with a command line, and what near it would be right.</summary>
internal static class Usage
{
    /// <summary>Writes the errors and gives the exit code.</summary>
    public static int Report(ParseResult parsed, TextWriter error)
    {
        var command = parsed.CommandResult.Command;
        var unknown = parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : UnknownOption(parsed);
        if (unknown is not null)
        {
            error.WriteLine($"error: '{unknown}' is not known to '{Path(parsed.CommandResult)}'");
            if (Near(unknown, command, parsed.CommandResult) is { } near)
                error.WriteLine($"Did you mean '{near}'?");
        }
        else
            foreach (var problem in parsed.Errors)
                error.WriteLine($"error: {problem.Message}");
        error.WriteLine($"See '{Path(parsed.CommandResult)} --help'.");
        return ExitCodes.Usage;
    }

    /// <summary>A word that looks like an option and was taken for an argument; none after <c>--</c>, where such words are meant so.</summary>
    public static string? UnknownOption(ParseResult parsed) => parsed.Tokens.Any(t => t.Type == TokenType.DoubleDash) ? null
        : parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).Select(t => t.Value).FirstOrDefault(t => t.Length > 1 && t[0] == '-');

    /// <summary>The words of a command from the program's name on.</summary>
    public static string Path(SymbolResult? result)
    {
        var words = new Stack<string>();
        for (; result is not null; result = result.Parent)
            if (result is CommandResult { Command: var command })
                words.Push(command is RootCommand ? "dbrecovery" : command.Name);
        return string.Join(' ', words);
    }

    private static string? Near(string token, Command command, CommandResult? at)
    {
        IEnumerable<string> words = command.Subcommands.Select(c => c.Name);
        if (token.StartsWith('-'))
        {
            words = [];
            for (SymbolResult? result = at; result is not null; result = result.Parent)
                if (result is CommandResult { Command: var holder })
                    words = words.Concat(holder.Options.Where(o => o.Recursive || holder == command).SelectMany(o => o.Aliases.Append(o.Name)));
        }
        return words.Where(w => w.Length > 2)
            .Select(w => (Word: w, Distance: Distance(token, w)))
            .Where(w => w.Distance <= Math.Max(2, token.Length / 3))
            .OrderBy(w => w.Distance).ThenBy(w => w.Word, StringComparer.Ordinal)
            .Select(w => w.Word).FirstOrDefault();
    }

    /// <summary>How many letters must be put in, taken out, changed or swapped with the next to make one word the other.</summary>
    internal static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
            for (var j = 1; j <= b.Length; j++)
            {
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        return d[a.Length, b.Length];
    }
}

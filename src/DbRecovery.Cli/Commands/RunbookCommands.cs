using System.CommandLine;
using DbRecovery.Cli.Output;

namespace DbRecovery.Cli.Commands;

/// <summary>runbook list, show, lint, run.</summary>
internal static class RunbookCommands
{
    public static void Add(RootCommand root, Binder bind)
    {
        var group = new Verb("runbook", "Lists, shows, checks and runs runbooks.", "dbrecovery runbook list", "dbrecovery runbook lint ./runbooks");
        group.Add(List(bind));
        group.Add(Show(bind));
        group.Add(Lint(bind));
        var run = new Verb("run", "Runs a runbook against a fault of a cluster: plan, agreement, steps, verification, report.", "dbrecovery runbook run sqlite-reindex app --plan", "dbrecovery runbook run ./mine.yml app --yes");
        var name = Binder.One("runbook", "The runbook's name or file.");
        var cluster = Binder.One("cluster", "The cluster.");
        run.Add(name);
        run.Add(cluster);
        RecoverCommand.Bind(bind, run, parsed => (parsed.GetValue(cluster)!, parsed.GetValue(name)));
        group.Add(run);
        root.Add(group);
    }

    private static Verb List(Binder bind)
    {
        var verb = new Verb("list", "Lists the runbooks at hand.", "dbrecovery runbook list", "dbrecovery runbook list 'sqlite-*'");
        var name = new Argument<string?>("name") { Description = "A name; * and ? are wildcards. Without it: all.", Arity = ArgumentArity.ZeroOrOne };
        verb.Add(name);
        bind.To(verb, (session, parsed, _) =>
        {
            session.Output.WriteAll(session.Runtime.GetRunbooks(parsed.GetValue(name)), "no runbooks");
            if (session.Runtime.LeftOutRunbooks() is { } leftOut)
                session.Say(leftOut);
            return Task.FromResult(ExitCodes.Done);
        });
        return verb;
    }

    private static Verb Show(Binder bind)
    {
        var verb = new Verb("show", "Shows a runbook.", "dbrecovery runbook show sqlite-corrupt-data");
        var name = Binder.One("name", "The runbook's name.");
        verb.Add(name);
        bind.To(verb, (session, parsed, _) =>
        {
            var wanted = parsed.GetValue(name)!;
            var found = session.Runtime.GetRunbooks(wanted);
            if (found.Count == 0)
                throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound, $"there is no runbook '{wanted}'{(session.Runtime.LeftOutRunbooks() is { } leftOut ? $"; {leftOut}" : "")}", "List them with 'dbrecovery runbook list'.", wanted);
            foreach (var runbook in found)
                session.Output.WriteOne(runbook, Texts.Of);
            return Task.FromResult(ExitCodes.Done);
        });
        return verb;
    }

    private static Verb Lint(Binder bind)
    {
        var verb = new Verb("lint", "Checks runbook files: each finding with file, line, column and what would be right. Exit code 2 where one is not valid.", "dbrecovery runbook lint", "dbrecovery runbook lint ./mine.yml");
        var path = new Argument<string?>("path") { Description = "A file or a folder. Without it: every runbook at hand.", Arity = ArgumentArity.ZeroOrOne };
        verb.Add(path);
        bind.To(verb, (session, parsed, _) =>
        {
            var results = session.Runtime.LintRunbooks(parsed.GetValue(path) is { } given ? Path.GetFullPath(given) : null);
            session.WriteLint(results);
            return Task.FromResult(results.All(r => r.Valid) ? ExitCodes.Done : ExitCodes.Usage);
        });
        return verb;
    }
}

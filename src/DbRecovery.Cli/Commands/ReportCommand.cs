using System.CommandLine;
using DbRecovery.Runtime;

namespace DbRecovery.Cli.Commands;

/// <summary>report.</summary>
internal static class ReportCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("report", "Writes a report for people: one HTML page with incidents, drills, backups and proofs.",
            "dbrecovery report --to report.html", "dbrecovery report app --to app.html --since 30d --force", "dbrecovery report --incident latest --to incident.html");
        var clusters = Binder.Many("cluster", "Names of clusters; * and ? are wildcards. Without one: all.");
        var to = new Option<string>("--to") { HelpName = "file", Description = "The file that shall hold the page.", Required = true };
        var incident = Binder.Text("--incident", "id", "Only this incident: its id, a beginning of it that only one incident has, or latest.");
        var since = Binder.Text("--since", "time", "Leaves older incidents, backups and drills out, such as 30d.");
        var health = Binder.Flag("--health", "Looks quickly at each cluster and tells how it is now, with a picture of who replicates from whom.");
        var force = Binder.Flag("--force", "Allows replacing a file that is there.");
        verb.Add(clusters);
        foreach (var option in new Option[] { to, incident, since, health, force })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var code = ExitCodes.Done;
            var result = await session.Runtime.ExportReportAsync(new ReportRequest
            {
                Path = Path.GetFullPath(parsed.GetValue(to)!), Replace = parsed.GetValue(force), Clusters = parsed.GetValue(clusters) ?? [], Incident = parsed.GetValue(incident),
                Since = Session.Duration(parsed.GetValue(since), "--since"), Health = parsed.GetValue(health),
            }, problem => code = Math.Max(code, session.Report(problem)), session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteAll([result], "");
            return code;
        });
        root.Add(verb);
    }
}

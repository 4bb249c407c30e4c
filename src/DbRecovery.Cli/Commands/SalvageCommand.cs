using System.CommandLine;
using System.Globalization;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>salvage.</summary>
internal static class SalvageCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("salvage", "Reads what is left of a damaged database file into a new one; no backup is needed, and the damaged file is only read. Exit code 1 where not everything could be read.",
            "dbrecovery salvage broken.db --to new.db", "dbrecovery salvage broken.db --plan");
        var file = Binder.One("file", "The damaged database file; its -wal or -journal beside it counts.");
        var to = Binder.Text("--to", "file", "The new database file.");
        var plan = Binder.Flag("--plan", "Only says what can be read; writes nothing.");
        var engine = Binder.Text("--engine", "name", "The engine. Default: sqlite.");
        verb.Add(file);
        foreach (var option in new Option[] { to, plan, engine })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            var destination = parsed.GetValue(to);
            if (destination is null != parsed.GetValue(plan))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, destination is null ? "it is not said where the rows shall go" : "--to and --plan exclude each other", "Give --to FILE, or --plan to see what can be read.");
            var report = await session.Runtime.SalvageAsync(parsed.GetValue(engine) ?? "sqlite", Path.GetFullPath(parsed.GetValue(file)!), destination is null ? null : Path.GetFullPath(destination), session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteOne(report, Text);
            return report.Tables.All(t => t.Complete) && report.RowsRefused == 0 && report.Problems.Count == 0 ? ExitCodes.Done : ExitCodes.FaultFound;
        });
        root.Add(verb);
    }

    private static string Text(SalvageReport report, int width)
    {
        using var table = new StringWriter(CultureInfo.InvariantCulture);
        Tables.Write(report.Tables, table, width, color: false);
        var lines = new List<string> { table.ToString().TrimEnd() };
        lines.AddRange(report.Tables.SelectMany(t => t.Unreadable.Select(u => TextLayout.Hang("  not readable: ", $"{t.Table}, {u}", width))));
        lines.AddRange(report.Problems.Select(p => TextLayout.Hang("  note: ", p, width)));
        lines.Add(report.Destination is null
            ? "Nothing was written."
            : string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(report.RowsWritten, "row")} in {report.Destination}, which passes the integrity check. {SizeText.Duration(report.Duration)}"));
        return string.Join('\n', lines);
    }
}

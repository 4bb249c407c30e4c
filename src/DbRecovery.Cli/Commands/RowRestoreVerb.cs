using System.CommandLine;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>The part of 'backup restore' that restores a table or rows.</summary>
internal sealed class RowRestoreVerb
{
    private const int MostShown = 1000;
    private readonly Option<string?> _table = Binder.Text("--table", "name", "Restores only this table: with --to into a new file, else compared with the live database.");
    private readonly Option<string?> _where = Binder.Text("--where", "condition", "Only the rows for which this holds, as after WHERE.");
    private readonly Option<string[]> _key = new("--key") { HelpName = "value", Description = "Only the row with this primary key; once a row. The values of a key of several columns have commas between." };
    private readonly Option<string?> _staging = Binder.Text("--staging-table", "name", "A new table in the database that gets the backup's rows, to look at.");
    private readonly Option<string?> _apply = Binder.Text("--apply", "kinds", "The differences that are written: missing,changed, and added, which deletes rows that only the database has.");
    private readonly Option<string?> _undo = Binder.Text("--undo-script", "file", "The new file of the script that undoes what is written. Else: beside the database.", "--undo");
    private readonly Option<bool> _plan = Binder.Flag("--plan", "Says what would be written, and changes nothing.");

    public RowRestoreVerb(Verb verb)
    {
        foreach (var option in new Option[] { _table, _where, _key, _staging, _apply, _undo, _plan })
            verb.Add(option);
    }

    /// <summary>Whether rows are meant, rather than the whole.</summary>
    public bool Wanted(ParseResult parsed) => parsed.GetValue(_table) is not null;

    /// <summary>Whether only a plan is wanted.</summary>
    public bool Plan(ParseResult parsed) => parsed.GetValue(_plan);

    /// <summary>Demands that the other options come with a table.</summary>
    public void Check(ParseResult parsed)
    {
        if (Wanted(parsed))
            return;
        foreach (var option in new Option[] { _where, _key, _staging, _apply, _undo })
            if (parsed.GetResult(option) is { Implicit: false })
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{option.Name} is about rows, and no table was named", "Name it with --table.", option.Name);
    }

    public async Task<int> RunAsync(Session session, ParseResult parsed, BackupInfo backup, string? destination, bool force, bool yes, CancellationToken token)
    {
        var (shown, more, refused) = (new List<RowDifference>(), 0L, false);
        var selection = new RowSelection
        {
            Table = parsed.GetValue(_table)!,
            Where = parsed.GetValue(_where),
            Keys = parsed.GetValue(_key) is { Length: > 0 } keys ? [.. keys.Select(k => (IReadOnlyList<string>)[k])] : null,
        };
        var options = new RowRestoreOptions
        {
            Destination = destination,
            StagingTable = parsed.GetValue(_staging),
            Apply = Kinds(parsed.GetValue(_apply)),
            UndoScript = parsed.GetValue(_undo) is { } undo ? Path.GetFullPath(undo) : null,
            Force = force,
            Approve = async (plan, cancel) =>
            {
                session.Progress.Clear();
                if (parsed.GetValue(_plan))
                {
                    session.Output.WriteOne(plan, (p, width) => TextLayout.Wrap(RowText.Of(p), width));
                    return false;
                }
                refused = !await session.AgreedAsync(yes, RowText.Of(plan), cancel);
                return !refused;
            },
        };
        var result = await session.Runtime.RestoreRowsAsync(backup, selection, options, Show, session.Progress, token);
        session.Progress.Clear();
        if (shown.Count > 0)
            session.Output.WriteAll(shown, "");
        if (more > 0)
            session.Say($"{more} more differences are not shown; --output json gives all.");
        session.Output.WriteAll([result], "");
        if (!session.Output.IsJson)
            foreach (var note in result.Notes)
                session.Say("note: " + note);
        return refused ? ExitCodes.Refused : result.Skipped > 0 ? ExitCodes.FaultFound : ExitCodes.Done;

        void Show(RowDifference difference)
        {
            if (session.Output.IsJson)
                session.Output.WriteAll([difference], "");
            else if (shown.Count < MostShown)
                shown.Add(difference);
            else
                more++;
        }
    }

    private static IReadOnlyList<RowDifferenceKind> Kinds(string? text) => text is null ? [] :
    [
        .. text.Split(',', StringSplitOptions.TrimEntries).Select(word => Enum.TryParse<RowDifferenceKind>(word, ignoreCase: true, out var kind) && !char.IsAsciiDigit(word[0]) ? kind
            : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"--apply: '{word}' is no kind of difference", "Write missing, changed, added, with commas between.", word)).Distinct(),
    ];
}

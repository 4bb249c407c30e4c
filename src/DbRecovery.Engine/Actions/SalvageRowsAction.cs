using System.Globalization;
using System.Text.Json;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>salvage-rows</c>.</summary>
internal sealed record SalvageRowsOptions
{
    /// <summary>The restored database.</summary>
    [Option("the restored database that gets the rows; not yet in place")]
    public required string Into { get; init; }
}

/// <summary>What is read, what gets the rows, where they are listed; and why nothing is done, where that is so.</summary>
internal sealed record SalvageRowsState(string Source, string Into, string RowList, string? NothingBecause);

/// <summary>
/// Adds the rows that a damaged database has and its restored backup has not, before that takes its place. The restored rows stay as
/// they were proved.
/// </summary>
internal sealed class SalvageRowsAction : RecoveryAction<SalvageRowsOptions, SalvageRowsState>
{
    /// <summary>The file in the incident's folder that names every row that was added.</summary>
    public const string RowListName = "salvaged-rows.jsonl";

    private const int MostTables = 20;

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "salvage-rows", "Adds rows that are newer than the backup, as far as the damaged database still shows them, to the restored one; lists each.",
        capability: typeof(ISalvager), timeout: TimeSpan.FromHours(1), outputs:
        [
            new("rows", FactType.Int, null, "rows that were added"),
            new("tables", FactType.List, null, "the tables that got rows"),
            new("rowList", FactType.Text, null, "the file that names every row that was added; empty where none was"),
        ]);

    protected override async Task<Planned<SalvageRowsState>> PlanCoreAsync(ActionContext context, SalvageRowsOptions options, CancellationToken cancellationToken)
    {
        var source = context.TargetPath(Descriptor.Name);
        var salvager = context.Provider.Require<ISalvager>(Descriptor.Name);
        var into = Path.GetFullPath(options.Into);
        if (into == source)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the action '{Descriptor.Name}' cannot add rows of '{source}' to itself", "Name the restored file under 'into'.", into);
        var state = new SalvageRowsState(source, into, Path.Combine(context.IncidentFolder, RowListName), NothingBecause(context, source));
        if (state.NothingBecause is { } why)
            return new Planned<SalvageRowsState>(state, [new PlannedAct(ActKind.Read, source, $"no row is salvaged: {why}")]);
        var acts = new List<PlannedAct> { new(ActKind.Read, source, "look for rows whose key the restored database has not") };
        // while a whole plan is shown nothing is restored yet; just before the act the rows are counted in the same way as they are added
        if (!File.Exists(into))
            acts.Add(new PlannedAct(ActKind.Modify, into, "add those rows; how many they are is known when the backup is restored"));
        else
            acts.AddRange(Acts(await salvager.AddNewerRowsAsync(source, into, rowList: null, context.Progress, cancellationToken).ConfigureAwait(false), into));
        acts.Add(new PlannedAct(ActKind.Create, state.RowList, "list every row that is added, and where it was read"));
        return new Planned<SalvageRowsState>(state, acts);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SalvageRowsState state, CancellationToken cancellationToken)
    {
        if (state.NothingBecause is { } why)
            return Result($"No row is salvaged: {why}.", 0, [], null);
        Directory.CreateDirectory(context.IncidentFolder);
        var salvager = context.Provider.Require<ISalvager>(Descriptor.Name);
        var report = await salvager.AddNewerRowsAsync(state.Source, state.Into, state.RowList, context.Progress, cancellationToken).ConfigureAwait(false);
        return await ResultAsync(context, state, report, cancellationToken).ConfigureAwait(false);
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SalvageRowsState state, CancellationToken cancellationToken)
    {
        if (state.NothingBecause is { } why)
            return new Reconciliation(ReconcileOutcome.Done, why, Result($"No row is salvaged: {why}.", 0, [], null));
        if (!File.Exists(state.Into))
            return new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Into}' is not there");
        if (!File.Exists(state.RowList))
            return new Reconciliation(ReconcileOutcome.NotDone, $"'{state.RowList}', which is written before rows are added, is not there");
        var left = await context.Provider.Require<ISalvager>(Descriptor.Name).AddNewerRowsAsync(state.Source, state.Into, rowList: null, context.Progress, cancellationToken).ConfigureAwait(false);
        return left.RowsWritten > 0
            ? new Reconciliation(ReconcileOutcome.NotDone, $"{Counted.Of(left.RowsWritten, "row is", "rows are")} still to be added")
            : new Reconciliation(ReconcileOutcome.Done, $"no row of '{state.Source}' is newer than those in '{state.Into}'", await ResultAsync(context, state, left, cancellationToken).ConfigureAwait(false));
    }

    // a deleted or emptied file has no rows, and a file that nobody wrote to has no newer ones: what differs in it is damage
    internal static string? NothingBecause(ActionContext context, string source) =>
        context.Fault?.Details.GetValueOrDefault("damage") == "silent" ? "pages changed though nothing was written, so that what looks newer may be damage"
        : context.Facts.Bool(SqliteFacts.UnwrittenSinceBackup) == true && context.Facts.Text(CommonFacts.BackupId) == context.Facts.Text(CommonFacts.BackupProvedId) ? "nothing was written since the backup"
        : !File.Exists(source) ? "the database is gone"
        : new FileInfo(source).Length == 0 ? "the database is empty"
        : null;

    private static IEnumerable<PlannedAct> Acts(SalvageReport report, string into)
    {
        var some = report.Tables.Where(t => t.Rows + t.RowsFromIndexes > 0).ToList();
        if (some.Count == 0)
            yield return new PlannedAct(ActKind.Read, into, "no newer row can be read: nothing is added");
        foreach (var table in some.Take(MostTables))
            yield return new PlannedAct(ActKind.Modify, into, $"add {Counted.Of(table.Rows + table.RowsFromIndexes, "row")} to {table.Table}");
        if (some.Count > MostTables)
            yield return new PlannedAct(ActKind.Modify, into, $"add rows to {Counted.Of(some.Count - MostTables, "more table")}");
    }

    private static async Task<ActionResult> ResultAsync(ActionContext context, SalvageRowsState state, SalvageReport report, CancellationToken cancellationToken)
    {
        var listed = Listed(state.RowList);
        var tables = listed.GroupBy(r => r.Table, StringComparer.Ordinal).Select(g => (Name: g.Key, Rows: g.LongCount())).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        var inspector = context.Provider.Require<IDataInspector>("salvage-rows");
        var before = await inspector.CountRowsAsync(state.Source, cancellationToken).ConfigureAwait(false);
        var after = await inspector.CountRowsAsync(state.Into, cancellationToken).ConfigureAwait(false);
        var refused = report.RowsRefused == 0 ? "" : $" {Counted.Of(report.RowsRefused, "row was", "rows were")} refused: {string.Join("; ", report.Problems.Take(3))}.";
        var changed = report.Tables.Sum(t => t.RowsChanged) is var differ and > 0 ? $" {Counted.Of(differ, "row has another content than in the backup and stays as it was", "rows have another content than in the backup and stay as they were")} proved." : "";
        var summary = tables.Count == 0 ? "No newer row could be read from the damaged database."
            : string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(listed.Count, "row newer than the backup was", "rows newer than the backup were")} read from the damaged database and added: {string.Join(", ", tables.Select(t => $"{t.Name} {t.Rows}"))}. Each is listed in '{state.RowList}'.");
        return Result(summary + refused + changed, listed.Count, tables.Select(t => t.Name), tables.Count == 0 ? null : state.RowList) with
        {
            Loss = LossCalculator.ForRestore(null, false, before, after.ToDictionary(t => t.Table, t => t.Rows, StringComparer.Ordinal), listed.Count),
        };
    }

    internal static IReadOnlyList<SalvagedRow> Listed(string rowList) => !File.Exists(rowList) ? []
        : [.. File.ReadLines(rowList).Select(line => JsonSerializer.Deserialize<SalvagedRow>(line, EngineJson.Compact)).OfType<SalvagedRow>()];

    private static ActionResult Result(string summary, long rows, IEnumerable<string> tables, string? rowList) => new()
    {
        Summary = summary,
        Outputs = new Dictionary<string, FactValue> { ["rows"] = rows, ["tables"] = FactValue.OfList(tables), ["rowList"] = rowList ?? string.Empty },
    };
}

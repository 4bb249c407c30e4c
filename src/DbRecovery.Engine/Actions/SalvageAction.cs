using System.Globalization;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>salvage</c>: none.</summary>
internal sealed record SalvageOptions;

/// <summary>What is read and where it goes.</summary>
internal sealed record SalvageState(string Source, string Path);

/// <summary>Reads what is left of a damaged database into a new file beside it; the database itself is not touched.</summary>
internal sealed class SalvageAction : RecoveryAction<SalvageOptions, SalvageState>
{
    private const int MostTables = 20;

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "salvage", "Reads every row that a damaged database still shows into a new file beside it; what is there stays as it is.",
        capability: typeof(ISalvager), timeout: TimeSpan.FromHours(2), outputs:
        [
            new("path", FactType.Text, null, "the new file"),
            new("rows", FactType.Int, null, "rows that were written into it"),
            new("complete", FactType.Bool, null, "whether every row of every table could be read"),
        ]);

    /// <inheritdoc/>
    public override bool CanCompensate => true;

    /// <inheritdoc/>
    public override bool IsOnlyForItsIncident => true;

    protected override async Task<Planned<SalvageState>> PlanCoreAsync(ActionContext context, SalvageOptions options, CancellationToken cancellationToken)
    {
        var source = context.TargetPath(Descriptor.Name);
        var salvager = context.Provider.Require<ISalvager>(Descriptor.Name);
        var state = new SalvageState(source, $"{source}.dbrecovery-{context.IncidentId}");
        var report = await salvager.SalvageAsync(source, destination: null, context.Progress, cancellationToken).ConfigureAwait(false);
        var acts = report.Tables.Take(MostTables).Select(t => new PlannedAct(ActKind.Read, source, string.Create(CultureInfo.InvariantCulture,
            $"{t.Table}: {Counted.Of(t.Rows + t.RowsFromIndexes, "row")}{(t.Complete ? ", all there are" : $"; not readable: {string.Join(", ", t.Unreadable.Take(3))}")}")));
        return new Planned<SalvageState>(state,
            [.. acts, new PlannedAct(ActKind.Create, state.Path, $"write the rows of {Counted.Of(report.Tables.Count, "table")} into a new database and check it")],
            Loss(report, context.Facts), new Dictionary<string, FactValue> { ["path"] = state.Path });
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SalvageState state, CancellationToken cancellationToken)
    {
        // the name holds this incident's id, so what is there is a leftover of an attempt of our own
        FileDatabase.Remove(state.Path);
        var report = await context.Provider.Require<ISalvager>(Descriptor.Name).SalvageAsync(state.Source, state.Path, context.Progress, cancellationToken).ConfigureAwait(false);
        var complete = IsComplete(report);
        var apart = report.RowsRefused == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {Counted.Of(report.RowsRefused, "more is kept apart in it, because it belongs", "more are kept apart in it, because they belong")} in no table for certain.");
        return new ActionResult
        {
            Summary = string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(report.RowsWritten, "row")} of {Counted.Of(report.Tables.Count, "table")} {(report.RowsWritten == 1 ? "was" : "were")} read into '{state.Path}', which passes the integrity check; {(complete ? "no row is missing" : $"not whole: {string.Join(", ", report.Tables.Where(t => !t.Complete).Select(t => t.Table))}")}.{apart}"),
            Outputs = new Dictionary<string, FactValue> { ["path"] = state.Path, ["rows"] = report.RowsWritten, ["complete"] = complete },
            Loss = Loss(report, context.Facts),
        };
    }

    // a salvaged file is put under its name whole, and nobody else knows the name; yet the database may have been written since
    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SalvageState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, File.Exists(state.Path) ? $"'{state.Path}' is there, and is made anew" : $"'{state.Path}' is not there"));

    /// <inheritdoc/>
    public override Task<ActionResult> CompensateAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken)
    {
        var state = Read(plan);
        FileDatabase.Remove(state.Path);
        return Task.FromResult(new ActionResult { Summary = $"The salvaged file '{state.Path}' was removed." });
    }

    // a problem without a table, such as a destroyed header, leaves it open what else there was
    private static bool IsComplete(SalvageReport report) =>
        report.Tables.Count > 0 && report.Tables.All(t => t.Complete) && report.RowsRefused == 0 && report.Problems.Count == 0;

    private static DataLoss Loss(SalvageReport report, FactSet facts)
    {
        var tables = report.Tables.Select(t => new TableLoss
        {
            Table = t.Table,
            RowsReadable = t.Rows + t.RowsFromIndexes,
            RowsAfter = t.Rows + t.RowsFromIndexes,
            Complete = t.Complete,
            Note = t.Complete ? null : $"not readable: {(t.RowsUnreadable is { } lost ? Counted.Of(lost, "row") : "an unknown number of rows")} ({string.Join("; ", t.Unreadable.Take(3))})",
        }).ToList();
        if (IsComplete(report))
        {
            // who has it open may write until the new file is in place
            return facts.List(SqliteFacts.OpenBy) is { Count: 0 }
                ? new DataLoss { Bytes = 0, Tables = tables, Statement = "Nothing is lost: every row of every table could be read." }
                : new DataLoss { Bytes = null, Tables = tables, Statement = "Every row of every table could be read; but the database may be in use, and what is written until the new file is in place is lost." };
        }
        var damaged = report.Tables.Where(t => !t.Complete).ToList();
        var named = damaged.Count == 0 ? string.Join("; ", report.Problems.Take(3))
            : string.Join(", ", damaged.Select(t => $"{t.Table} {t.RowsUnreadable?.ToString(CultureInfo.InvariantCulture) ?? "an unknown number of"}"));
        return new DataLoss { Bytes = null, Tables = tables, Statement = $"There is no proved backup. Rows that cannot be read any more are lost: {named}; how many bytes that is cannot be known." };
    }
}

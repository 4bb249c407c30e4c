using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>swap-file</c>.</summary>
internal sealed record SwapFileOptions
{
    /// <summary>The new file.</summary>
    [Option("the complete database that takes the place; on the same file system")]
    public required string NewFile { get; init; }

    /// <summary>How long to wait for writers.</summary>
    [Option("how long to wait for a writer to end its transaction")]
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether rows that were committed since salvage-rows looked are added.</summary>
    [Option("while writers are locked out, add the rows that were committed since 'salvage-rows' looked, and list them with its own")]
    public bool CatchUp { get; init; }
}

/// <summary>
/// Which file takes whose place. Identity and rows are those of the new file just before the act, null while it does not exist yet:
/// afterwards the application writes into it, and its rows would hide as many lost ones.
/// </summary>
internal sealed record SwapFileState(
    string Node, string Path, string NewFile, string KeepFolder, TimeSpan LockTimeout, FileIdentity? New, bool HadFile, IReadOnlyList<TableCount>? Rows, string? CatchUpList = null);

/// <summary>Puts a new file in the place of a database file in one step and keeps the old one.</summary>
internal sealed class SwapFileAction : RecoveryAction<SwapFileOptions, SwapFileState>
{
    /// <summary>The folder beside a database where replaced files are kept: a rename cannot leave the file system.</summary>
    public const string KeepFolderName = ".dbrecovery-kept";

    private static readonly TimeSpan LongestCatchUp = TimeSpan.FromSeconds(20);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "swap-file", "Puts a new file in the place of the database in one step; the old one is kept beside it.",
        destructive: true, capability: typeof(IFileSwap), timeout: TimeSpan.FromMinutes(2),
        outputs: [new("keptPath", FactType.Text, null, "where the old file is kept; empty where there was none")]);

    protected override async Task<Planned<SwapFileState>> PlanCoreAsync(ActionContext context, SwapFileOptions options, CancellationToken cancellationToken)
    {
        var swap = context.Provider.Require<IFileSwap>(Descriptor.Name);
        var node = context.TargetNode();
        var path = context.TargetPath(Descriptor.Name);
        var keep = Path.Combine(Path.GetDirectoryName(path)!, KeepFolderName, context.IncidentId);
        var newFile = Path.GetFullPath(options.NewFile);
        var identity = FileIdentity.Of(newFile);
        var state = new SwapFileState(node.Name, path, newFile, keep, options.LockTimeout, identity, File.Exists(path),
            identity is null ? null : await FileDatabase.CountAsync(context, newFile, cancellationToken).ConfigureAwait(false),
            options.CatchUp && SalvageRowsAction.NothingBecause(context, path) is null ? Path.Combine(context.IncidentFolder, SalvageRowsAction.RowListName) : null);
        // what an earlier step of this incident restores has its loss counted there already
        var ownRestore = newFile == $"{path}.dbrecovery-{context.IncidentId}";
        var loss = ownRestore ? null : new DataLoss { Bytes = null, Statement = $"What '{newFile}' lacks of the present database is not known." };
        // while a plan is shown the new file is not restored yet; just before the act the provider is asked itself
        var planned = identity is null ? Outline(swap, node, path, newFile, keep) : swap.PlanSwap(node, newFile, keep);
        // the act that takes the present file away is the destructive one, whatever the provider thinks of keeping it
        var acts = planned.Select(a => a.Kind == ActKind.Replace ? a with { Destructive = true } : a).ToList();
        if (state.CatchUpList is not null)
            acts.Insert(0, new PlannedAct(ActKind.Modify, newFile, "while writers are locked out, add the rows that were committed since the salvage"));
        if (!acts.Exists(a => a.Destructive))
            acts.Add(new PlannedAct(ActKind.Replace, path, $"'{newFile}' takes its place", Destructive: true));
        return new Planned<SwapFileState>(state, acts, loss);
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SwapFileState state, CancellationToken cancellationToken)
    {
        var swap = context.Provider.Require<IFileSwap>(Descriptor.Name);
        if (state.New is null)
        {
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"the new file '{state.NewFile}' is not there",
                "A step before this one must make it.", state.NewFile);
        }
        var caughtUp = "";
        var kept = await swap.SwapAsync(context.Cluster.Node(state.Node), state.NewFile, state.KeepFolder, state.LockTimeout,
            async token => (state, caughtUp) = await CatchUpAsync(context, state, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        // the swap has happened: no cancellation may hide its result
        var result = await ResultAsync(context, state, kept, CancellationToken.None).ConfigureAwait(false);
        return result with { Summary = result.Summary + caughtUp };
    }

    /// <summary>Adds what was committed since the salvage. Writers wait meanwhile, so it has its time; without it the swap is still right.</summary>
    private static async Task<(SwapFileState State, string Told)> CatchUpAsync(ActionContext context, SwapFileState state, CancellationToken cancellationToken)
    {
        if (state.CatchUpList is not { } list || !context.Provider.TryGet<ISalvager>(out var salvager))
            return (state, "");
        using var limit = new CancellationTokenSource(LongestCatchUp, context.Clock);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            Directory.CreateDirectory(context.IncidentFolder);
            var report = await salvager.AddNewerRowsAsync(state.Path, state.NewFile, list, context.Progress, limited.Token).ConfigureAwait(false);
            var added = report.Tables.ToDictionary(t => t.Table, t => t.Rows + t.RowsFromIndexes, StringComparer.Ordinal);
            return (state with { Rows = state.Rows?.Select(r => r with { Rows = r.Rows + added.GetValueOrDefault(r.Table) }).ToList() },
                report.RowsWritten == 0 ? "" : $" {Counted.Of(report.RowsWritten, "row that was committed since the salvage was", "rows that were committed since the salvage were")} added before.");
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return (state, $" Rows that were committed since the salvage were not added: {(e is OperationCanceledException ? $"it took longer than {LongestCatchUp.TotalSeconds:0} s, in which writers wait" : e.Message)}.");
        }
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SwapFileState state, CancellationToken cancellationToken)
    {
        if (state.New is not { } wanted)
            return new Reconciliation(ReconcileOutcome.NotDone, "the new file did not exist when the step was planned");
        if (wanted.SameFile(FileIdentity.Of(state.Path)))
        {
            return new Reconciliation(ReconcileOutcome.Done, $"'{state.Path}' is the new file (inode {wanted.Inode})",
                await ResultAsync(context, state, FindKept(state), cancellationToken).ConfigureAwait(false));
        }
        return wanted.SameFile(FileIdentity.Of(state.NewFile))
            ? new Reconciliation(ReconcileOutcome.NotDone, $"the new file is still at '{state.NewFile}'")
            : new Reconciliation(ReconcileOutcome.Unknown, $"neither '{state.Path}' nor '{state.NewFile}' is the file that was restored: somebody else changed them");
    }

    private static List<PlannedAct> Outline(IFileSwap swap, NodeDefinition node, string path, string newFile, string keep) =>
    [
        .. swap.DatabaseFiles(node).Where(f => f != path && File.Exists(f)).Select(f => new PlannedAct(ActKind.Move, f, $"to {keep}")),
        File.Exists(path)
            ? new PlannedAct(ActKind.Replace, path, $"by {newFile} in one step; the old file is kept in {keep}")
            : new PlannedAct(ActKind.Move, newFile, $"to {path}"),
    ];

    // a swap that was killed after the exchange has left the old file under the new one's name
    private static string? FindKept(SwapFileState state)
    {
        if (!state.HadFile)
            return null;
        // a provider that finds the name taken adds a number
        var name = Path.GetFileName(state.Path);
        var kept = Directory.Exists(state.KeepFolder)
            ? Directory.EnumerateFiles(state.KeepFolder, name + "*").Where(f => Path.GetFileName(f)[name.Length..].All(char.IsAsciiDigit)).MaxBy(f => (f.Length, f))
            : null;
        return kept ?? (File.Exists(state.NewFile) ? state.NewFile : null);
    }

    private static async Task<ActionResult> ResultAsync(ActionContext context, SwapFileState state, string? kept, CancellationToken cancellationToken)
    {
        var before = kept is null ? null : await FileDatabase.CountAsync(context, kept, cancellationToken).ConfigureAwait(false);
        // without both counts that of the plan stands
        var loss = state.Rows is null || (before is null && kept is not null)
            ? null
            : LossCalculator.ForRestore(null, false, before, state.Rows.ToDictionary(t => t.Table, t => t.Rows, StringComparer.Ordinal),
                state.CatchUpList is { } list && File.Exists(list) ? SalvageRowsAction.Listed(list).Count : null);
        var open = kept is null ? [] : context.Provider.Require<IFileSwap>("swap-file").StillOpenBy(context.Cluster.Node(state.Node), kept);
        var reopen = open.Count == 0 ? "" : $" The old file is still open by {string.Join(", ", open)}: {(open.Count == 1 ? "it" : "they")} must reopen the database.";
        return new ActionResult
        {
            Summary = kept is null ? $"'{state.Path}' is in place; there was no file before." : $"'{state.Path}' is replaced; the old file is kept as '{kept}'.{reopen}",
            Outputs = new Dictionary<string, FactValue> { ["keptPath"] = kept ?? string.Empty },
            Loss = loss,
        };
    }
}

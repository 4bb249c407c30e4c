namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>run-command</c>.</summary>
internal sealed record RunCommandOptions
{
    /// <summary>The program and its arguments.</summary>
    [Option("the program and its arguments, as a list; no shell is in between")]
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>Where it runs.</summary>
    [Option("the folder that it runs in")]
    public string? WorkingFolder { get; init; }

    /// <summary>Variables.</summary>
    [Option("variables beside those inherited")]
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Variables of secrets.</summary>
    [Option("names of variables with secrets that DbRecovery reads and the program needs, too; without them it gets none of those")]
    public IReadOnlyList<string> Inherit { get; init; } = [];

    /// <summary>The exit code of success.</summary>
    [Option("the exit code that means success")]
    public int ExpectExit { get; init; }
}

/// <summary>What is run. Its variables are kept in the journal, so secrets do not belong there.</summary>
internal sealed record RunCommandState(IReadOnlyList<string> Command, string? WorkingFolder, IReadOnlyDictionary<string, string> Environment, int ExpectExit, IReadOnlyList<string>? Inherit = null);

/// <summary>Runs a program.</summary>
internal sealed class RunCommandAction : RecoveryAction<RunCommandOptions, RunCommandState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "run-command", "Runs a program by its argument list and checks its exit code.", destructive: true);

    protected override Task<Planned<RunCommandState>> PlanCoreAsync(ActionContext context, RunCommandOptions options, CancellationToken cancellationToken) =>
        Task.FromResult(new Planned<RunCommandState>(new(options.Command, options.WorkingFolder, options.Environment, options.ExpectExit, options.Inherit),
            [new PlannedAct(ActKind.Command, options.Command.Count > 0 ? options.Command[0] : "", string.Join(' ', options.Command.Select(Quote)) + Inherited(options.Inherit), Destructive: true)]));

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, RunCommandState state, CancellationToken cancellationToken)
    {
        var outcome = await ProcessRunner.RunAsync(new ProcessRequest
        {
            Command = state.Command,
            WorkingFolder = state.WorkingFolder,
            Environment = state.Environment,
            Withheld = context.SecretVariables.Except(state.Inherit ?? []),
            Timeout = context.Timeout,
        }, context.Clock, cancellationToken).ConfigureAwait(false);
        if (outcome.ExitCode != state.ExpectExit)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed,
                $"'{state.Command[0]}' ended with exit code {outcome.ExitCode}, not {state.ExpectExit}: {Tail(outcome.Error.Length > 0 ? outcome.Error : outcome.Output)}",
                "Look at what the program says.", state.Command[0]);
        }
        return new ActionResult { Summary = $"'{state.Command[0]}' ended with exit code {outcome.ExitCode}." };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, RunCommandState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.Unknown, $"what '{state.Command.FirstOrDefault()}' did cannot be told from outside"));

    private static string Inherited(IReadOnlyList<string> names) => names.Count == 0 ? "" : $" (with the secrets {string.Join(", ", names)})";

    private static string Quote(string argument) => argument.Length > 0 && !argument.Any(char.IsWhiteSpace) ? argument : $"'{argument}'";

    private static string Tail(string text) => text.Trim() is var t && t.Length > 500 ? "..." + t[^500..] : t;
}

/// <summary>Options of <c>run-sql</c>.</summary>
internal sealed record RunSqlOptions
{
    /// <summary>The statements.</summary>
    [Option("the statements, carried out in one transaction")]
    public required string Sql { get; init; }

    /// <summary>Whether they may not write.</summary>
    [Option("refuse whatever writes")]
    public bool ReadOnly { get; init; }
}

/// <summary>What is run where.</summary>
internal sealed record RunSqlState(string Node, string Sql, bool ReadOnly);

/// <summary>Runs SQL on the node.</summary>
internal sealed class RunSqlAction : RecoveryAction<RunSqlOptions, RunSqlState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "run-sql", "Runs statements in one transaction: all or nothing.", destructive: true, capability: typeof(ISqlSession), outputs:
        [
            new("value", FactType.Text, null, "the first column of the first row; empty for none"),
            new("rowsAffected", FactType.Int, null, "rows changed"),
        ]);

    protected override Task<Planned<RunSqlState>> PlanCoreAsync(ActionContext context, RunSqlOptions options, CancellationToken cancellationToken)
    {
        context.Provider.Require<ISqlSession>(Descriptor.Name);
        return Task.FromResult(new Planned<RunSqlState>(new(context.TargetNode().Name, options.Sql, options.ReadOnly),
            [new PlannedAct(ActKind.Sql, context.TargetNode().Address, options.Sql, Destructive: !options.ReadOnly)]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, RunSqlState state, CancellationToken cancellationToken)
    {
        var result = await context.Provider.Require<ISqlSession>(Descriptor.Name)
            .ExecuteAsync(context.Cluster, context.Cluster.Node(state.Node), state.Sql, state.ReadOnly, context.Timeout, cancellationToken).ConfigureAwait(false);
        return new ActionResult
        {
            Summary = $"{Counted.Of(result.RowsAffected, "row")} changed.",
            Outputs = new Dictionary<string, FactValue> { ["value"] = result.Value?.ToString() ?? string.Empty, ["rowsAffected"] = result.RowsAffected },
        };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, RunSqlState state, CancellationToken cancellationToken) =>
        Task.FromResult(state.ReadOnly
            ? new Reconciliation(ReconcileOutcome.NotDone, "reading once more does no harm")
            : new Reconciliation(ReconcileOutcome.Unknown, "whether the transaction was committed cannot be told from outside"));
}

/// <summary>Options of <c>run-powershell</c>.</summary>
internal sealed record RunPowerShellOptions
{
    /// <summary>The script.</summary>
    [Option("the script block's text")]
    public required string Script { get; init; }

    /// <summary>Its arguments.</summary>
    [Option("named arguments")]
    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();
}

/// <summary>What is run.</summary>
internal sealed record RunPowerShellState(string Script, IReadOnlyDictionary<string, string> Arguments);

/// <summary>Runs a script block in the PowerShell that hosts DbRecovery.</summary>
internal sealed class RunPowerShellAction : RecoveryAction<RunPowerShellOptions, RunPowerShellState>
{
    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "run-powershell", "Runs a PowerShell script; only where PowerShell is.", destructive: true, needsPowerShell: true);

    protected override Task<Planned<RunPowerShellState>> PlanCoreAsync(ActionContext context, RunPowerShellOptions options, CancellationToken cancellationToken)
    {
        Host(context);
        return Task.FromResult(new Planned<RunPowerShellState>(new(options.Script, options.Arguments),
            [new PlannedAct(ActKind.Command, "PowerShell", options.Script, Destructive: true)]));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, RunPowerShellState state, CancellationToken cancellationToken)
    {
        var lines = await Host(context).InvokeAsync(state.Script, state.Arguments, context.Timeout, cancellationToken).ConfigureAwait(false);
        return new ActionResult { Summary = $"The script ended; {Counted.Of(lines.Count, "line")} of output." };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, RunPowerShellState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.Unknown, "what the script did cannot be told from outside"));

    private IPowerShellHost Host(ActionContext context) => context.PowerShell
        ?? throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, $"the action '{Descriptor.Name}' works only inside PowerShell",
            "Run the recovery from the PowerShell module, or use 'run-command'.", Descriptor.Name);
}

namespace DbRecovery.Engine.Runbooks;

/// <summary>A place in a file, both from 1.</summary>
public readonly record struct SourcePosition(int Line, int Column);

/// <summary>The type of a runbook's parameter or an action's option.</summary>
public enum OptionType
{
    /// <summary>A duration such as <c>250ms</c>, <c>30s</c>, <c>15m</c>, <c>1h</c>, <c>7d</c>.</summary>
    Duration,
    /// <summary>A size such as <c>0B</c>, <c>64KiB</c>, <c>1GB</c>.</summary>
    Size,
    /// <summary>A whole number.</summary>
    Int,
    /// <summary>true or false.</summary>
    Bool,
    /// <summary>Text.</summary>
    String,
    /// <summary>One of a list of words.</summary>
    Enum,
    /// <summary>A list of texts.</summary>
    List,
    /// <summary>Names with texts.</summary>
    Map,
}

/// <summary>A value in a runbook: written out, or looked up when the step is planned.</summary>
/// <param name="At">Where it stands.</param>
public abstract record RunbookValue(SourcePosition At);

/// <summary>A scalar as it is written; its type is decided by what it is used for.</summary>
public sealed record LiteralValue(SourcePosition At, string Text) : RunbookValue(At);

/// <summary>A value that is one look-up, <c>${path}</c>; it keeps the looked-up type.</summary>
public sealed record LookupValue(SourcePosition At, string Path) : RunbookValue(At);

/// <summary>Text with look-ups in it. The parts are <see cref="LiteralValue"/>s and <see cref="LookupValue"/>s.</summary>
public sealed record TextValue(SourcePosition At, IReadOnlyList<RunbookValue> Parts) : RunbookValue(At);

/// <summary>A list.</summary>
public sealed record ListValue(SourcePosition At, IReadOnlyList<RunbookValue> Items) : RunbookValue(At);

/// <summary>Names with values.</summary>
public sealed record MapValue(SourcePosition At, IReadOnlyDictionary<string, RunbookValue> Items) : RunbookValue(At);

/// <summary>A condition with three outcomes: true, false, and unknown where a fact is.</summary>
/// <param name="At">Where it stands.</param>
public abstract record Condition(SourcePosition At);

/// <summary>The comparison that a <see cref="FactCondition"/> makes.</summary>
public enum Comparison
{
    /// <summary>Equal.</summary>
    Is,
    /// <summary>At least.</summary>
    AtLeast,
    /// <summary>Above.</summary>
    Above,
    /// <summary>Below.</summary>
    Below,
    /// <summary>One of a list.</summary>
    In,
}

/// <summary>A fact compared with a value.</summary>
public sealed record FactCondition(SourcePosition At, string Fact, Comparison Comparison, RunbookValue Value) : Condition(At)
{
    /// <summary>In a guard: what a person can do where it does not hold; null where nothing is said.</summary>
    public string? Otherwise { get; init; }
}
/// <summary>True if one is; unknown if none is true and one unknown.</summary>
public sealed record AnyCondition(SourcePosition At, IReadOnlyList<Condition> Items) : Condition(At);
/// <summary>False if one is; unknown if none is false and one unknown.</summary>
public sealed record AllCondition(SourcePosition At, IReadOnlyList<Condition> Items) : Condition(At);
/// <summary>The opposite; unknown stays unknown.</summary>
public sealed record NotCondition(SourcePosition At, Condition Item) : Condition(At);

/// <summary>
/// What happens when a step fails. An incident that fails runs its escalation first, whichever way led there, and what a step made
/// for this incident alone, such as a restored file that did not come into use, is removed at its end.
/// </summary>
public enum FailurePolicy
{
    /// <summary>Nothing more is done and the incident fails.</summary>
    Stop,
    /// <summary>The next step runs.</summary>
    Continue,
    /// <summary>Steps done so far are undone in reverse order, then the incident fails.</summary>
    Compensate,
    /// <summary>The same as <see cref="Stop"/>; it says in the runbook that people are expected to go on from here.</summary>
    Escalate,
}

/// <summary>How often a step is tried.</summary>
/// <param name="Attempts">Tries in all, at least 1.</param>
/// <param name="Delay">The wait before the second.</param>
/// <param name="Exponential">Whether each further wait is twice the one before.</param>
public sealed record RetryPolicy(int Attempts, TimeSpan Delay, bool Exponential);

/// <summary>A step.</summary>
public sealed record RunbookStep
{
    /// <summary>Where it stands.</summary>
    public required SourcePosition At { get; init; }
    /// <summary>The id, unique in the runbook.</summary>
    public required string Id { get; init; }
    /// <summary>The action's name.</summary>
    public required string Action { get; init; }
    /// <summary>Runs only if this is true when the step's turn comes; null: always.</summary>
    public Condition? When { get; init; }
    /// <summary>The action's options.</summary>
    public IReadOnlyDictionary<string, RunbookValue> With { get; init; } = new Dictionary<string, RunbookValue>();
    /// <summary>The deadline of one attempt; null: the action's own.</summary>
    public RunbookValue? Timeout { get; init; }
    /// <summary>What happens when it fails.</summary>
    public FailurePolicy OnFailure { get; init; }
    /// <summary>How often it is tried.</summary>
    public RetryPolicy Retry { get; init; } = new(1, TimeSpan.Zero, false);
}

/// <summary>A check after the steps.</summary>
public sealed record RunbookCheck
{
    /// <summary>Where it stands.</summary>
    public required SourcePosition At { get; init; }
    /// <summary>The check's name, from <see cref="VerifyChecks"/>.</summary>
    public required string Check { get; init; }
    /// <summary>The check's options.</summary>
    public IReadOnlyDictionary<string, RunbookValue> With { get; init; } = new Dictionary<string, RunbookValue>();
    /// <summary>The time in which it must come true.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>The time for which it must stay true.</summary>
    public TimeSpan Holds { get; init; }
}

/// <summary>The checks that <c>verify</c> knows.</summary>
public static class VerifyChecks
{
    /// <summary>The node answers a read.</summary>
    public const string Readable = "readable";
    /// <summary>
    /// The node, or in a cluster with replication the primary, takes a write; option <c>via</c>: <c>direct</c>, or <c>route</c> as applications come,
    /// through every route whose entry is known.
    /// </summary>
    public const string Writable = "writable";
    /// <summary>Replicas receive from the primary, by others or directly; option <c>atLeast</c>.</summary>
    public const string Replicating = "replicating";
    /// <summary>The fault that was recovered from is not seen any more; option <c>level</c> (quick, standard, deep).</summary>
    public const string FaultGone = "fault-gone";
    /// <summary>No fault of severity outage or worse is seen; option <c>level</c>.</summary>
    public const string Healthy = "healthy";
    /// <summary>Declared tables and row counts are there.</summary>
    public const string Expectations = "expectations";
    /// <summary>A condition over facts holds; option <c>condition</c>.</summary>
    public const string Fact = "fact";

    /// <summary>Every name.</summary>
    public static IReadOnlyList<string> All { get; } = [Readable, Writable, Replicating, FaultGone, Healthy, Expectations, Fact];
}

/// <summary>A parameter that a caller may set.</summary>
/// <param name="At">Where it stands.</param>
/// <param name="Name">The name.</param>
/// <param name="Type">The type.</param>
/// <param name="Default">The default as written; null: the caller must give one.</param>
/// <param name="Values">The words of an enum.</param>
/// <param name="Description">What it is for.</param>
public sealed record RunbookParameter(SourcePosition At, string Name, OptionType Type, string? Default, IReadOnlyList<string> Values, string? Description);

/// <summary>The bounds within which a runbook may act.</summary>
public sealed record RunbookLimits
{
    /// <summary>The time after an incident of the same class in which none is begun; null: one hour.</summary>
    public TimeSpan? Cooldown { get; init; }
    /// <summary>Incidents of this runbook in 24 hours.</summary>
    public int? PerDay { get; init; }
    /// <summary>Bytes of committed data that may be lost without an approval; a size or a look-up.</summary>
    public RunbookValue? MaxDataLoss { get; init; }
    /// <summary>The deadline of the whole recovery.</summary>
    public TimeSpan? TotalTimeout { get; init; }
}

/// <summary>When a person must agree.</summary>
/// <param name="When">An approval is needed if this is true or unknown; null: always.</param>
/// <param name="Expires">The time for which an approval may be waited for.</param>
public sealed record RunbookApproval(Condition? When, TimeSpan Expires);

/// <summary>What a runbook answers.</summary>
public sealed record RunbookMatch
{
    /// <summary>Engines.</summary>
    public required IReadOnlyList<string> Engines { get; init; }
    /// <summary>Fault ids; <c>custom.*</c> matches every id that begins so.</summary>
    public required IReadOnlyList<string> Faults { get; init; }
    /// <summary>It answers only if this is true; the most specific runbook wins.</summary>
    public Condition? When { get; init; }
}

/// <summary>What a runbook promises of itself when it is drilled.</summary>
/// <param name="Inject">The damages that it answers.</param>
/// <param name="Rto">The longest time from the damage to the verified recovery; null for no promise.</param>
/// <param name="Lost">The most rows that may be lost; null: those committed since the backup.</param>
public sealed record RunbookDrill(IReadOnlyList<string> Inject, TimeSpan? Rto, long? Lost);

/// <summary>A runbook that was read and found valid.</summary>
public sealed record Runbook
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }
    /// <summary>The version.</summary>
    public required string Version { get; init; }
    /// <summary>What it is for.</summary>
    public required string Description { get; init; }
    /// <summary>The file.</summary>
    public required string Path { get; init; }
    /// <summary>SHA-256 of the file, so that a resumed incident knows whether it is still the same.</summary>
    public required string ContentHash { get; init; }
    /// <summary>What it answers.</summary>
    public required RunbookMatch Match { get; init; }
    /// <summary>Conditions that hold at the start and again before every destructive step.</summary>
    public IReadOnlyList<Condition> Guards { get; init; } = [];
    /// <summary>Its bounds.</summary>
    public RunbookLimits Limits { get; init; } = new();
    /// <summary>When a person must agree; null: never.</summary>
    public RunbookApproval? Approval { get; init; }
    /// <summary>Its parameters.</summary>
    public IReadOnlyList<RunbookParameter> Parameters { get; init; } = [];
    /// <summary>Its steps, at least one.</summary>
    public required IReadOnlyList<RunbookStep> Steps { get; init; }
    /// <summary>The checks after the steps.</summary>
    public IReadOnlyList<RunbookCheck> Verify { get; init; } = [];
    /// <summary>What is done when it fails.</summary>
    public IReadOnlyList<RunbookStep> Escalate { get; init; } = [];
    /// <summary>What a drill holds it to; null for nothing.</summary>
    public RunbookDrill? Drill { get; init; }
}

/// <summary>The outcome of a look-up: a value, or the reason why there is none.</summary>
/// <param name="Value">The value; null where unknown.</param>
/// <param name="UnknownBecause">Why.</param>
public readonly record struct Resolution(FactValue? Value, string? UnknownBecause)
{
    /// <summary>A known value.</summary>
    public static Resolution Known(FactValue value) => new(value, null);
    /// <summary>No value.</summary>
    public static Resolution Unknown(string because) => new(null, because);
}

/// <summary>Resolves the dotted paths of conditions and look-ups.</summary>
public interface IValueSource
{
    /// <summary>Looks a path up, such as <c>fault.damage</c>, <c>cluster.policy.maxDataLoss</c>, <c>steps.restore.path</c> or a fact's name.</summary>
    Resolution Resolve(string path);
}

/// <summary>The runbooks at hand.</summary>
public interface IRunbookLibrary
{
    /// <summary>Every valid runbook; the user's own replace shipped ones of the same name.</summary>
    IReadOnlyList<Runbook> All { get; }
    /// <summary>What is wrong with the files that are not valid.</summary>
    IReadOnlyList<LintResult> Invalid { get; }
    /// <summary>The runbook of that name.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RunbookNotFound"/> with near names, or <see cref="ErrorIds.RunbookInvalid"/> with the findings.</exception>
    Runbook Get(string name);
    /// <summary>The runbooks that answer a fault, the most specific first.</summary>
    IReadOnlyList<Runbook> Match(Fault fault);
}

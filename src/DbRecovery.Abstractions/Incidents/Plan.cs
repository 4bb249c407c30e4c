using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>What kind of thing an act does.</summary>
public enum ActKind
{
    /// <summary>Looks, and changes nothing.</summary>
    Read,
    /// <summary>Makes something new.</summary>
    Create,
    /// <summary>Changes something.</summary>
    Modify,
    /// <summary>Puts something in the place of something else.</summary>
    Replace,
    /// <summary>Moves something.</summary>
    Move,
    /// <summary>Deletes something.</summary>
    Delete,
    /// <summary>Runs SQL.</summary>
    Sql,
    /// <summary>Runs a program.</summary>
    Command,
    /// <summary>Sends a message.</summary>
    Notify,
    /// <summary>Waits.</summary>
    Wait,
}

/// <summary>One thing that a step will do.</summary>
/// <param name="Kind">What kind of thing.</param>
/// <param name="Target">The file, node or address that it is done to.</param>
/// <param name="Detail">Exactly what: the statement, the argument list, source and destination.</param>
/// <param name="Destructive">Whether it takes something away that cannot be had back from what stays.</param>
public sealed record PlannedAct(ActKind Kind, string Target, string Detail, bool Destructive = false)
{
    /// <summary>What it is for, where <see cref="Detail"/> is a script that nobody reads at a glance; null where it speaks for itself.</summary>
    public string? Purpose { get; init; }
}

/// <summary>What an operation loses, or would lose. What is not known is said to be unknown, never guessed.</summary>
public sealed record DataLoss
{
    /// <summary>Committed data lost, in bytes; null where it cannot be known.</summary>
    public long? Bytes { get; init; }
    /// <summary>Changes committed after this moment are gone; null where nothing is lost.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>Rows committed after that moment which were read from the damaged database all the same; null where nobody tried.</summary>
    public long? RowsSalvaged { get; init; }
    /// <summary>Table by table.</summary>
    public IReadOnlyList<TableLoss> Tables { get; init; } = [];
    /// <summary>The whole in one or two sentences.</summary>
    public required string Statement { get; init; }
}

/// <summary>What a table loses.</summary>
public sealed record TableLoss
{
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>Rows that could be read before; a lower bound unless <see cref="Complete"/>. Null where none could be looked at.</summary>
    public long? RowsReadable { get; init; }
    /// <summary>Rows after.</summary>
    public long? RowsAfter { get; init; }
    /// <summary>Whether every row could be read before.</summary>
    public bool Complete { get; init; }
    /// <summary>What is not known, and why.</summary>
    public string? Note { get; init; }
}

/// <summary>A step of a plan.</summary>
public sealed record PlannedStep
{
    /// <summary>The step's id in its runbook.</summary>
    public required string Id { get; init; }
    /// <summary>The action.</summary>
    public required string Action { get; init; }
    /// <summary>What it will do, in order.</summary>
    public required IReadOnlyList<PlannedAct> Acts { get; init; }
    /// <summary>Whether any of it is destructive.</summary>
    public required bool Destructive { get; init; }
    /// <summary>What it would lose; null for nothing.</summary>
    public DataLoss? Loss { get; init; }
    /// <summary>The step's deadline.</summary>
    public required TimeSpan Timeout { get; init; }
    /// <summary>
    /// Whether an earlier step decides that it runs at all: what it would lose, and what a person must agree to, is asked when its turn comes, and
    /// not before anything else is tried.
    /// </summary>
    public bool AsksLater { get; init; }
    /// <summary>Why the step will not run as things stand (its condition does not hold); null if it will.</summary>
    public string? SkippedBecause { get; init; }
}

/// <summary>What a runbook would do about a fault, worked out by the code that then does it. Making one changes nothing.</summary>
public sealed record RecoveryPlan
{
    /// <summary>The fault.</summary>
    public required Fault Fault { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The runbook's name.</summary>
    public required string Runbook { get; init; }
    /// <summary>The runbook's version.</summary>
    public required string RunbookVersion { get; init; }
    /// <summary>When it was made (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>The steps in order.</summary>
    public required IReadOnlyList<PlannedStep> Steps { get; init; }
    /// <summary>Why an approval is needed; empty if none is.</summary>
    public IReadOnlyList<string> ApprovalReasons { get; init; } = [];
    /// <summary>Why it would not be carried out now (pause, cooldown, limit, a guard, another incident); empty if nothing stands against it.</summary>
    public IReadOnlyList<string> Blocked { get; init; } = [];
    /// <summary>What the whole would lose; null for nothing.</summary>
    public DataLoss? Loss { get; init; }
    /// <summary>SHA-256 over what the plan does and why; an approval is bound to it.</summary>
    public required string Hash { get; init; }
    /// <summary>The cluster as it was defined.</summary>
    [JsonIgnore]
    public ClusterDefinition? Definition { get; init; }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Incidents;

/// <summary>What a record of the journal is about.</summary>
public enum JournalKind
{
    /// <summary>The incident began.</summary>
    Opened,
    /// <summary>A look at the cluster.</summary>
    Observed,
    /// <summary>A plan was made.</summary>
    Planned,
    /// <summary>A decision not to act, or to wait, or to stop.</summary>
    Decided,
    /// <summary>A person agreed.</summary>
    Approved,
    /// <summary>The steps began.</summary>
    Started,
    /// <summary>A process took the incident over.</summary>
    TakenOver,
    /// <summary>A process put the incident down before its end.</summary>
    Interrupted,
    /// <summary>A step will be done.</summary>
    StepIntent,
    /// <summary>What came of a step, or that it was not done.</summary>
    StepResult,
    /// <summary>A step will be undone.</summary>
    UndoIntent,
    /// <summary>The incident will fail once people were told.</summary>
    Failing,
    /// <summary>The checks begin, or their outcome.</summary>
    Verified,
    /// <summary>The incident ended, or a person closed it.</summary>
    Ended,
}

/// <summary>A step's plan as the journal keeps it.</summary>
internal sealed record JournalPlan
{
    public required IReadOnlyList<PlannedAct> Acts { get; init; }
    public required JsonElement State { get; init; }
    public DataLoss? Loss { get; init; }

    public static JournalPlan Of(ActionPlan plan) => new() { Acts = plan.Acts, State = plan.State, Loss = plan.Loss };

    public ActionPlan ToPlan() => new() { Acts = Acts, State = State, Loss = Loss };
}

/// <summary>What a record carries; which properties, its kind says.</summary>
internal sealed record JournalData
{
    /// <summary>The cluster as it was defined: a target without an inventory has no other record.</summary>
    public ClusterDefinition? Cluster { get; init; }
    public Fault? Fault { get; init; }
    public string? EvidenceHash { get; init; }
    public ObservationLevel? Level { get; init; }
    public string? Runbook { get; init; }
    public string? RunbookVersion { get; init; }
    public string? RunbookHash { get; init; }
    public string? RunbookPath { get; init; }
    public IReadOnlyDictionary<string, string>? Parameters { get; init; }
    public long? AllowDataLossBytes { get; init; }
    public string? By { get; init; }
    public RecoveryPlan? Plan { get; init; }
    public IReadOnlyList<string>? Reasons { get; init; }
    public DateTimeOffset? Until { get; init; }
    public string? Action { get; init; }
    public StepState? Step { get; init; }
    public int? Attempt { get; init; }
    public JournalPlan? StepPlan { get; init; }
    public IReadOnlyDictionary<string, FactValue>? Outputs { get; init; }
    public DataLoss? Loss { get; init; }
    public IReadOnlyList<ProofCheck>? Checks { get; init; }
    public string? ErrorId { get; init; }
    public TimeSpan? Cooldown { get; init; }
    /// <summary>On a failed step: whether what it asked for came to pass all the same, or still may.</summary>
    public bool? Pending { get; init; }
    /// <summary>On a step that will not be tried again: whether the runbook goes on.</summary>
    public bool? GoesOn { get; init; }
}

/// <summary>One line of a journal.</summary>
internal sealed record JournalRecord
{
    public const string NoHash = "0000000000000000000000000000000000000000000000000000000000000000";
    private const string HashStart = ",\"hash\":\"";

    public required long Seq { get; init; }
    public required string PrevHash { get; init; }
    public required DateTimeOffset Time { get; init; }
    /// <summary>Milliseconds of a clock that nobody can set; comparable within one run of the machine.</summary>
    public required long Monotonic { get; init; }
    public required long Epoch { get; init; }
    public required string Lease { get; init; }
    public required IncidentState State { get; init; }
    public string? Step { get; init; }
    public required JournalKind Kind { get; init; }
    /// <summary>For people.</summary>
    public required string Event { get; init; }
    public JournalData Data { get; init; } = new();
    [System.Text.Json.Serialization.JsonIgnore]
    public string Hash { get; init; } = NoHash;

    /// <summary>The line without its newline, and its hash.</summary>
    public (string Line, string Hash) ToLine()
    {
        var body = JsonSerializer.Serialize(this, EngineJson.Compact);
        var hash = HashOf(body);
        return ($"{body[..^1]}{HashStart}{hash}\"}}", hash);
    }

    /// <summary>Reads a line; null where it is not a whole line with a right hash.</summary>
    public static JournalRecord? TryParse(string line)
    {
        var at = line.Length - HashStart.Length - 64 - 2;
        if (at < 1 || !line.EndsWith("\"}", StringComparison.Ordinal) || string.CompareOrdinal(line, at, HashStart, 0, HashStart.Length) != 0)
            return null;
        var body = line[..at] + "}";
        var hash = line.Substring(at + HashStart.Length, 64);
        if (HashOf(body) != hash)
            return null;
        try
        {
            return JsonSerializer.Deserialize<JournalRecord>(body, EngineJson.Compact) is { } record ? record with { Hash = hash } : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string HashOf(string body) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(body))).ToLowerInvariant();
}

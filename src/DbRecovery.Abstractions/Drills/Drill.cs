namespace DbRecovery;

/// <summary>A kind of damage that a drill inflicts.</summary>
/// <param name="Name">Its name, such as <c>data-page</c>.</param>
/// <param name="Description">What is done, in one sentence.</param>
/// <param name="ExpectedFault">The fault that must be found.</param>
/// <param name="ExpectedRunbook">The runbook that must answer it; null where no automatic remedy is right and people must be told.</param>
/// <param name="NeedsRoot">Whether only root can inflict it.</param>
public sealed record DrillDamage(string Name, string Description, string ExpectedFault, string? ExpectedRunbook, bool NeedsRoot = false);

/// <summary>One damage of a drill: what was inflicted on a sandbox copy, what was seen and done, and what it cost.</summary>
public sealed record DrillResult
{
    /// <summary>The drill: one run over one or more damages.</summary>
    public required string DrillId { get; init; }
    /// <summary>The cluster whose copy was drilled.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>The damage's name.</summary>
    public required string Damage { get; init; }
    /// <summary>When the damage was inflicted (UTC).</summary>
    public required DateTimeOffset InflictedAt { get; init; }
    /// <summary>The fault that should be found.</summary>
    public required string ExpectedFault { get; init; }
    /// <summary>The faults that were found.</summary>
    public IReadOnlyList<string> FoundFaults { get; init; } = [];
    /// <summary>From the damage to the fault's name; null where it was not found.</summary>
    public TimeSpan? DetectionTime { get; init; }
    /// <summary>The runbook that answered.</summary>
    public string? Runbook { get; init; }
    /// <summary>From the damage to a verified recovery (RTO); null where there was none.</summary>
    public TimeSpan? RecoveryTime { get; init; }
    /// <summary>Rows that were acknowledged before the damage and are not there after the recovery.</summary>
    public long? LostRows { get; init; }
    /// <summary>Acknowledged rows that were there after the recovery with another content.</summary>
    public long? WrongRows { get; init; }
    /// <summary>Rows that were read out of the damaged copy and put back.</summary>
    public long? SalvagedRows { get; init; }
    /// <summary>From the newest acknowledged row that survived to the last acknowledged row (RPO); zero where nothing was lost.</summary>
    public TimeSpan? LossWindow { get; init; }
    /// <summary>Steps that should have been taken and were not.</summary>
    public IReadOnlyList<string> MissingActions { get; init; } = [];
    /// <summary>Steps that were taken and should not have been.</summary>
    public IReadOnlyList<string> WrongActions { get; init; } = [];
    /// <summary>0 to 100: how much of what should happen did.</summary>
    public required int Score { get; init; }
    /// <summary>Whether it was found, recovered and verified as expected.</summary>
    public required bool Passed { get; init; }
    /// <summary>Why it was not carried out, such as <c>needs root</c>; null where it was.</summary>
    public string? Skipped { get; init; }
    /// <summary>What is worse than in the drill before, in one sentence; null for nothing.</summary>
    public string? Regression { get; init; }
    /// <summary>The incident's end state and summary.</summary>
    public string? Outcome { get; init; }
}

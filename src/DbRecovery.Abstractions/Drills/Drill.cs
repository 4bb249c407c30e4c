namespace DbRecovery;

/// <summary>A kind of damage that a drill inflicts.</summary>
/// <param name="Name">Its name, such as <c>data-page</c>.</param>
/// <param name="Description">What is done, in one sentence.</param>
/// <param name="ExpectedFault">The fault that must be found.</param>
/// <param name="ExpectedRunbook">The runbook that must answer it; null where no automatic remedy is right and people must be told.</param>
/// <param name="NeedsRoot">Whether only root can inflict it.</param>
public sealed record DrillDamage(string Name, string Description, string ExpectedFault, string? ExpectedRunbook, bool NeedsRoot = false)
{
    /// <summary>The actions that a right recovery carries out.</summary>
    public IReadOnlyList<string> ExpectedActions { get; init; } = [];
    /// <summary>Whether it takes a table away as a person's statement does, so that a person must be asked before anything is restored.</summary>
    public bool AsksPeople { get; init; }
    /// <summary>Whether it can be seen only while the database is in use and nothing was written since the newest backup.</summary>
    public bool Unwritten { get; init; }
    /// <summary>Whether the database must lie on a small disk of its own, which is made in memory.</summary>
    public bool SmallDisk { get; init; }
    /// <summary>Whether it needs a table that the inventory declares: only such a one is missed.</summary>
    public bool NeedsDeclaredTable { get; init; }
}

/// <summary>One damage of a drill: what was inflicted on a sandbox copy, what was seen and done, and what it cost.</summary>
public sealed record DrillResult
{
    /// <summary>The drill: one run over one or more damages.</summary>
    public required string DrillId { get; init; }
    /// <summary>The cluster whose copy was drilled.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>The node whose copy it was.</summary>
    public string? Node { get; init; }
    /// <summary>The damage's name.</summary>
    public required string Damage { get; init; }
    /// <summary>The round, from 1.</summary>
    public int Round { get; init; } = 1;
    /// <summary>What was done to the copy, in one sentence.</summary>
    public string? Inflicted { get; init; }
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
    /// <summary>Actions that were planned and not carried out, because they reach beyond the sandbox, such as <c>notify</c> or <c>run-command</c>: whether they work, a drill does not show.</summary>
    public IReadOnlyList<string> Withheld { get; init; } = [];
    /// <summary>0 to 100: how much of what should happen did.</summary>
    public required int Score { get; init; }
    /// <summary>Whether it was found, recovered and verified as expected.</summary>
    public required bool Passed { get; init; }
    /// <summary>Why it did not pass, sentence by sentence.</summary>
    public IReadOnlyList<string> Shortcomings { get; init; } = [];
    /// <summary>Why it was not carried out, such as <c>needs root</c>; null where it was.</summary>
    public string? Skipped { get; init; }
    /// <summary>What is worse than in the drill before, in one sentence; null for nothing.</summary>
    public string? Regression { get; init; }
    /// <summary>The incident's end state and summary.</summary>
    public string? Outcome { get; init; }
    /// <summary>The folder of the sandbox, where it was kept.</summary>
    public string? Sandbox { get; init; }
}

/// <summary>What a drill is asked to do.</summary>
public sealed record DrillRequest
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The node whose data is copied; null: the one that backups are read from.</summary>
    public string? Node { get; init; }
    /// <summary>The damages by name; empty: every one.</summary>
    public IReadOnlyList<string> Damages { get; init; } = [];
    /// <summary>How often each damage is inflicted, from 1.</summary>
    public int Rounds { get; init; } = 1;
    /// <summary>Whether the sandbox stays when the drill is over.</summary>
    public bool Keep { get; init; }
    /// <summary>The absolute path of the folder in which the sandbox is made; null: below the state folder.</summary>
    public string? SandboxFolder { get; init; }
    /// <summary>The backup that the copy is restored from, and that recoveries use; null: the database is copied and a backup of the copy is taken.</summary>
    public BackupInfo? FromBackup { get; init; }
}

/// <summary>What a drill would do. Making it changes nothing.</summary>
public sealed record DrillPlan
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node whose data would be copied.</summary>
    public required string Node { get; init; }
    /// <summary>The folder in which the sandbox would be made.</summary>
    public required string SandboxFolder { get; init; }
    /// <summary>Where the copy would come from.</summary>
    public required string Source { get; init; }
    /// <summary>Bytes that the sandbox would need at most.</summary>
    public required long NeededBytes { get; init; }
    /// <summary>Bytes that are free there.</summary>
    public required long FreeBytes { get; init; }
    /// <summary>The damages in their order.</summary>
    public required IReadOnlyList<PlannedDamage> Damages { get; init; }
    /// <summary>How often each would be inflicted.</summary>
    public int Rounds { get; init; } = 1;
}

/// <summary>A damage that a drill would inflict.</summary>
/// <param name="Damage">The damage.</param>
/// <param name="Skipped">Why it would not be inflicted; null where it would.</param>
public sealed record PlannedDamage(DrillDamage Damage, string? Skipped);

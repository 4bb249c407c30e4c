namespace DbRecovery;

/// <summary>
/// Which backups are kept. Every rule keeps on its own account: a backup goes only where no rule keeps it. A rule that is null
/// keeps nothing; no rule at all keeps everything. Whatever the rules say, the newest backup and the newest whose test passed stay.
/// </summary>
public sealed record RetentionRule
{
    /// <summary>The newest so many, and the fulls that those of them which are increments come from.</summary>
    public int? Last { get; init; }
    /// <summary>The newest so many fulls.</summary>
    public int? Full { get; init; }
    /// <summary>Everything younger than this.</summary>
    public TimeSpan? Within { get; init; }
    /// <summary>The newest of each of so many days (UTC) that have one.</summary>
    public int? Daily { get; init; }
    /// <summary>The newest of each of so many weeks (ISO 8601, UTC) that have one.</summary>
    public int? Weekly { get; init; }
    /// <summary>The newest of each of so many months (UTC) that have one.</summary>
    public int? Monthly { get; init; }
    /// <summary>The newest of each of so many years (UTC) that have one.</summary>
    public int? Yearly { get; init; }
}

/// <summary>What retention says of one backup, and why.</summary>
public sealed record RetentionDecision
{
    /// <summary>The backup.</summary>
    public required BackupInfo Backup { get; init; }
    /// <summary>Whether it is kept.</summary>
    public required bool Keep { get; init; }
    /// <summary>The rules that keep it, such as <c>daily 2026-11-21</c> or <c>last proved</c>; empty where none does.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }
    /// <summary>Whether its removal was carried out; false for a plan.</summary>
    public bool Removed { get; init; }
}

namespace DbRecovery.Report.View;

/// <summary>What a day has of backups, the better one counting.</summary>
internal enum DayState
{
    /// <summary>Before the first backup.</summary>
    Before,
    /// <summary>No backup, and the newest before was older than allowed at some time of the day.</summary>
    Gap,
    /// <summary>No backup, and none was needed yet.</summary>
    Covered,
    /// <summary>A backup whose test failed.</summary>
    Failed,
    /// <summary>A backup of a source with damage.</summary>
    Suspect,
    /// <summary>A backup that was never tested.</summary>
    Taken,
    /// <summary>A backup whose test passed.</summary>
    Proved,
}

/// <summary>A time in which the newest backup was older than allowed.</summary>
/// <param name="From">When it became too old.</param>
/// <param name="To">When the next came; null: it has not.</param>
internal sealed record BackupGap(DateTimeOffset From, DateTimeOffset? To);

/// <summary>The days of a cluster's backups, as far as the backups that are there can tell.</summary>
internal sealed class Coverage
{
    /// <summary>Whole weeks, so that the picture is a calendar.</summary>
    public const int Weeks = 13;

    private readonly Dictionary<DateOnly, DayState> _states = [];
    private readonly DateOnly _first;

    public Coverage(IReadOnlyList<BackupInfo> backups, TimeSpan? maxAge, DateTimeOffset now)
    {
        Today = Day(now);
        // the last column ends with this week's Sunday
        var monday = Today.AddDays(-(((int)Today.DayOfWeek + 6) % 7));
        Start = monday.AddDays(-7 * (Weeks - 1));
        foreach (var backup in backups)
        {
            var day = Day(backup.FinishedAt);
            _states[day] = (DayState)Math.Max((int)_states.GetValueOrDefault(day), (int)StateOf(backup));
        }
        _first = backups.Count == 0 ? DateOnly.MaxValue : _states.Keys.Min();
        if (maxAge is { } limit)
            Gaps = [.. FindGaps(backups, limit, now)];
    }

    /// <summary>The first day of the picture, a Monday.</summary>
    public DateOnly Start { get; }

    /// <summary>The last day of the picture.</summary>
    public DateOnly Today { get; }

    /// <summary>The gaps, oldest first; empty where no age is set.</summary>
    public IReadOnlyList<BackupGap> Gaps { get; } = [];

    /// <summary>What a day has.</summary>
    public DayState On(DateOnly day) => _states.TryGetValue(day, out var state) ? state
        : day < _first ? DayState.Before
        : Gaps.Any(g => Day(g.From) <= day && (g.To is null || Day(g.To.Value) >= day)) ? DayState.Gap
        : DayState.Covered;

    private static DayState StateOf(BackupInfo backup) => backup switch
    {
        { Proof.Passed: true } => DayState.Proved,
        { Proof: not null } => DayState.Failed,
        { Status: BackupStatus.Suspect } => DayState.Suspect,
        _ => DayState.Taken,
    };

    private static IEnumerable<BackupGap> FindGaps(IReadOnlyList<BackupInfo> backups, TimeSpan maxAge, DateTimeOffset now)
    {
        DateTimeOffset? before = null;
        foreach (var at in backups.Select(b => b.FinishedAt).Order())
        {
            if (before + maxAge is { } tooOld && tooOld < at)
                yield return new BackupGap(tooOld, at);
            before = at;
        }
        if (before + maxAge is { } end && end < now)
            yield return new BackupGap(end, null);
    }

    private static DateOnly Day(DateTimeOffset at) => DateOnly.FromDateTime(at.UtcDateTime);
}

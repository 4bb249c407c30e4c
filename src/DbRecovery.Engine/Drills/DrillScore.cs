using System.Globalization;

namespace DbRecovery.Engine.Drills;

/// <summary>What was seen of one damage, before it is judged.</summary>
internal sealed record DrillEvidence
{
    public required DrillDamage Damage { get; init; }
    /// <summary>The ids of the faults that were found, gravest first.</summary>
    public IReadOnlyList<string> FoundFaults { get; init; } = [];
    /// <summary>The runbook that answered; null for none.</summary>
    public string? Runbook { get; init; }
    /// <summary>The runbooks that may answer.</summary>
    public IReadOnlyList<string> RightRunbooks { get; init; } = [];
    /// <summary>The actions that were carried out.</summary>
    public IReadOnlyList<string> Actions { get; init; } = [];
    /// <summary>Whether a person was asked before anything was changed.</summary>
    public bool Asked { get; init; }
    /// <summary>Whether the incident ended well and the drill's own look agrees.</summary>
    public bool Recovered { get; init; }
    /// <summary>From the damage to the verified recovery.</summary>
    public TimeSpan? RecoveryTime { get; init; }
    /// <summary>The longest recovery that the runbook promises; null for no promise.</summary>
    public TimeSpan? TimeBound { get; init; }
    /// <summary>The account of the rows; null where they could not be read.</summary>
    public RowAccount? Rows { get; init; }
    /// <summary>Rows that may be lost: what the runbook promises, else those committed since the backup.</summary>
    public long LostBound { get; init; }
}

/// <summary>How well a recovery did.</summary>
/// <param name="Score">0 to 100.</param>
/// <param name="Passed">Whether nothing is missing.</param>
/// <param name="MissingActions">Actions that were not carried out and should have been.</param>
/// <param name="WrongActions">Actions that were carried out and should not have been.</param>
/// <param name="Shortcomings">Why it did not pass.</param>
internal sealed record DrillScore(int Score, bool Passed, IReadOnlyList<string> MissingActions, IReadOnlyList<string> WrongActions, IReadOnlyList<string> Shortcomings)
{
    /// <summary>Points for the fault that was found and named as it should be.</summary>
    public const int ForDetection = 25;
    /// <summary>Points for the runbook that should answer.</summary>
    public const int ForRunbook = 15;
    /// <summary>Points for a recovery that the drill itself sees.</summary>
    public const int ForRecovery = 20;
    /// <summary>Points for a recovery in the time that the runbook promises; given with the recovery where it promises none.</summary>
    public const int ForTime = 10;
    /// <summary>Points for data: no row is wrong, and no more are lost than may be.</summary>
    public const int ForData = 20;
    /// <summary>Points for carrying out what should be, and nothing else; each action too few or too many costs half of them.</summary>
    public const int ForActions = 10;

    // they change no data, or stand for something outside of the sandbox
    private static readonly HashSet<string> NeverWrong = ["notify", "wait", "snapshot-evidence", "backup", "salvage-rows", "run-command", "run-powershell"];

    /// <summary>The action that stands for asking a person.</summary>
    public const string AskPeople = "ask-people";

    /// <summary>Judges.</summary>
    public static DrillScore Of(DrillEvidence seen)
    {
        var shortcomings = new List<string>();
        var score = 0;
        Award(ForDetection, seen.FoundFaults.Contains(seen.Damage.ExpectedFault),
            $"the fault {seen.Damage.ExpectedFault} was not found{(seen.FoundFaults.Count == 0 ? "" : $", only {string.Join(", ", seen.FoundFaults)}")}");
        Award(ForRunbook, seen.RightRunbooks.Count == 0 ? seen.Runbook is null : seen.Runbook is not null && seen.RightRunbooks.Contains(seen.Runbook),
            seen.Runbook is null ? "no runbook answered" : $"the runbook {seen.Runbook} answered, and {(seen.RightRunbooks.Count == 0 ? "none" : string.Join(" or ", seen.RightRunbooks))} should have");
        // where no remedy is right, leaving the data alone is
        Award(ForRecovery, seen.Damage.ExpectedRunbook is null || seen.Recovered, "the database was not recovered");
        var inTime = seen.Damage.ExpectedRunbook is null || seen.Recovered && (seen.TimeBound is null || seen.RecoveryTime <= seen.TimeBound);
        Award(ForTime, inTime, seen.Recovered ? string.Create(CultureInfo.InvariantCulture, $"the recovery took {seen.RecoveryTime?.TotalSeconds:0.0} s, and {seen.TimeBound?.TotalSeconds:0.0} s is promised") : null);
        Award(ForData, seen.Rows is { Wrong: 0 } rows && rows.Lost <= seen.LostBound, seen.Rows is null ? "the rows could not be counted"
            : seen.Rows.Wrong > 0 ? $"{Counted.Of(seen.Rows.Wrong, "row has", "rows have")} another content" : $"{Counted.Of(seen.Rows.Lost, "row was", "rows were")} lost, and at most {seen.LostBound} may be");
        var (missing, wrong) = Actions(seen);
        Award(Math.Max(0, ForActions - ForActions / 2 * (missing.Count + wrong.Count)), true, null);
        if (missing.Count > 0)
            shortcomings.Add($"not carried out: {string.Join(", ", missing)}");
        if (wrong.Count > 0)
            shortcomings.Add($"carried out and should not have been: {string.Join(", ", wrong)}");
        return new DrillScore(score, shortcomings.Count == 0, missing, wrong, shortcomings);

        void Award(int points, bool earned, string? otherwise)
        {
            if (earned)
                score += points;
            else if (otherwise is not null)
                shortcomings.Add(otherwise);
        }
    }

    private static (List<string> Missing, List<string> Wrong) Actions(DrillEvidence seen)
    {
        var done = seen.Asked ? seen.Actions.Append(AskPeople).ToList() : seen.Actions;
        var expected = seen.Damage.AsksPeople ? seen.Damage.ExpectedActions.Append(AskPeople).ToList() : seen.Damage.ExpectedActions;
        return ([.. expected.Except(done)], [.. done.Except(expected).Where(a => !NeverWrong.Contains(a))]);
    }
}

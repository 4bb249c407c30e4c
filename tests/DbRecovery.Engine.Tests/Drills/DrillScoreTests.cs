using DbRecovery.Engine.Drills;

namespace DbRecovery.Engine.Tests.Drills;

/// <summary>One row: what was seen of a damage in, points and what they are lacking for out.</summary>
public sealed class DrillScoreTests
{
    private static readonly DrillDamage Data = new("data-page", "Pages are overwritten.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = ["restore", "swap-file"] };

    private static readonly DrillEvidence Perfect = new()
    {
        Damage = Data, FoundFaults = ["sqlite.corrupt"], Runbook = "sqlite-corrupt-data", RightRunbooks = ["sqlite-corrupt-data"],
        Actions = ["snapshot-evidence", "restore", "salvage-rows", "swap-file"], Recovered = true, RecoveryTime = TimeSpan.FromSeconds(2),
        Rows = new RowAccount(30, 0, new HashSet<long>()), LostBound = 30,
    };

    public static TheoryData<string, int, int> Situations() => new()
    {
        { "perfect", 100, 0 },
        { "one row more lost than may be", 80, 1 },
        { "a row with another content", 80, 1 },
        { "rows that cannot be counted", 80, 1 },
        { "too slow", 90, 1 },
        { "fast enough", 100, 0 },
        { "another fault found", 75, 1 },
        { "another runbook answered", 85, 1 },
        { "a runbook of the user's own that claims the damage", 100, 0 },
        { "a step too few", 95, 1 },
        { "a step too many", 95, 1 },
        { "not recovered", 60, 2 },
        { "nothing found, nothing done", 0, 5 },
        { "a person was asked for nothing", 95, 1 },
        { "a person was not asked", 95, 1 },
        { "a person was asked", 100, 0 },
        { "no remedy is right, and none was tried", 100, 0 },
        { "no remedy is right, and one was tried", 75, 2 },
    };

    [Theory]
    [MemberData(nameof(Situations))]
    public void Each_situation_has_its_score(string situation, int points, int shortcomings)
    {
        var score = DrillScore.Of(Seen(situation));
        Assert.Equal((points, shortcomings), (score.Score, score.Shortcomings.Count));
        Assert.Equal(shortcomings == 0, score.Passed);
    }

    [Fact]
    public void What_was_done_wrong_is_named()
    {
        var score = DrillScore.Of(Perfect with { Actions = ["restore", "reindex"] });
        Assert.Equal(["swap-file"], score.MissingActions);
        Assert.Equal(["reindex"], score.WrongActions);
    }

    private static DrillEvidence Seen(string situation) => situation switch
    {
        "perfect" => Perfect,
        "one row more lost than may be" => Perfect with { LostBound = 29 },
        "a row with another content" => Perfect with { Rows = new RowAccount(0, 1, new HashSet<long>()) },
        "rows that cannot be counted" => Perfect with { Rows = null },
        "too slow" => Perfect with { TimeBound = TimeSpan.FromSeconds(1) },
        "fast enough" => Perfect with { TimeBound = TimeSpan.FromSeconds(2) },
        "another fault found" => Perfect with { FoundFaults = ["sqlite.env"] },
        "another runbook answered" => Perfect with { Runbook = "sqlite-env" },
        "a runbook of the user's own that claims the damage" => Perfect with { Runbook = "mine", RightRunbooks = ["sqlite-corrupt-data", "mine"] },
        "a step too few" => Perfect with { Actions = ["restore"] },
        "a step too many" => Perfect with { Actions = ["restore", "swap-file", "reindex"] },
        "not recovered" => Perfect with { Recovered = false, RecoveryTime = null, Actions = [] },
        "nothing found, nothing done" => Perfect with { FoundFaults = [], Runbook = null, Actions = [], Recovered = false, RecoveryTime = null, Rows = null },
        "a person was asked for nothing" => Perfect with { Asked = true },
        "a person was not asked" => Perfect with { Damage = Data with { AsksPeople = true } },
        "a person was asked" => Perfect with { Damage = Data with { AsksPeople = true }, Asked = true },
        "no remedy is right, and none was tried" => Perfect with { Damage = Data with { ExpectedRunbook = null, ExpectedActions = [] }, Runbook = null, RightRunbooks = [], Actions = ["notify"], Recovered = false },
        "no remedy is right, and one was tried" => Perfect with { Damage = Data with { ExpectedRunbook = null, ExpectedActions = [] }, RightRunbooks = [] },
        _ => throw new ArgumentOutOfRangeException(nameof(situation)),
    };
}

using DbRecovery.Engine.Drills;

namespace DbRecovery.Engine.Tests.Drills;

public sealed class DrillHistoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dbrecovery-drills-").FullName;

    private string File => Path.Combine(_folder, "app", "drills", "results.jsonl");

    [Fact]
    public async Task Results_come_back_in_their_order_whatever_the_last_line_lost()
    {
        var history = new DrillHistory(_folder, "app", TimeProvider.System);
        Assert.Empty(history.Read());
        await history.AppendAsync(Result(1), CancellationToken.None);
        await history.AppendAsync(Result(2) with { LossWindow = TimeSpan.FromSeconds(3), Shortcomings = ["a", "b"] }, CancellationToken.None);
        using (var torn = new FileStream(File, FileMode.Open))
            torn.SetLength(torn.Length - 7);
        Assert.Equal([1L], history.Read().Select(r => r.LostRows));
        await history.AppendAsync(Result(3), CancellationToken.None);
        Assert.Equal([1L, 3L], history.Read().Select(r => r.LostRows));
        Assert.Equal(2, System.IO.File.ReadLines(File).Count());
    }

    [Fact]
    public async Task A_line_that_nobody_can_read_hides_no_other()
    {
        var history = new DrillHistory(_folder, "app", TimeProvider.System);
        await history.AppendAsync(Result(1), CancellationToken.None);
        System.IO.File.AppendAllText(File, "{\"drillId\":\n[]\nnull\n");
        await history.AppendAsync(Result(2), CancellationToken.None);
        Assert.Equal([1L, 2L], history.Read().Select(r => r.LostRows));
    }

    [Fact]
    public async Task The_file_does_not_grow_for_ever()
    {
        var history = new DrillHistory(_folder, "app", TimeProvider.System);
        await history.AppendAsync(Result(0), CancellationToken.None);
        var line = System.IO.File.ReadAllText(File);
        System.IO.File.WriteAllText(File, string.Concat(Enumerable.Repeat(line, 1200)));
        await history.AppendAsync(Result(7), CancellationToken.None);
        Assert.Equal(1000, System.IO.File.ReadLines(File).Count());
        Assert.Equal(7, history.Read()[^1].LostRows);
    }

    [Fact]
    public async Task It_waits_for_whoever_has_the_file_and_can_be_cancelled_meanwhile()
    {
        var time = new SetTime();
        var history = new DrillHistory(_folder, "app", time);
        await history.AppendAsync(Result(1), CancellationToken.None);
        using var cancel = new CancellationTokenSource();
        Task waiting;
        using (new FileStream(File, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            var cancelled = history.AppendAsync(Result(2), cancel.Token);
            cancel.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
            waiting = history.AppendAsync(Result(3), CancellationToken.None);
            Assert.False(waiting.IsCompleted);
        }
        await Wait.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return waiting.IsCompleted;
        }, "its turn");
        await waiting;
        Assert.Equal([1L, 3L], history.Read().Select(r => r.LostRows));
    }

    [Theory]
    [InlineData("2 2 2", "2", true, true, null)]
    [InlineData("2 2 2", "5", true, true, "took")]
    [InlineData("0.3 0.3", "0.9", true, true, null)]
    [InlineData("2 2 2 2 2 9 9 9", "9", true, true, null)]
    [InlineData("9 9 2 2 2 2 2", "9", true, true, "took")]
    [InlineData("2 2", "2", true, false, "passed before")]
    [InlineData("2 2", "2", false, false, null)]
    public void It_is_worse_only_beside_the_last_five(string before, string now, bool passedBefore, bool passes, string? says)
    {
        var history = Seconds(before).Select(s => Result(0) with { RecoveryTime = s, Passed = passedBefore }).ToList();
        history.Add(Result(0) with { Damage = "another", RecoveryTime = TimeSpan.FromMilliseconds(1) });
        history.Add(Result(0) with { Skipped = "needs root", RecoveryTime = null, Passed = false });
        var worse = DrillHistory.Compare(history, Result(0) with { RecoveryTime = Seconds(now).Single(), Passed = passes });
        Assert.Equal(says is null, worse is null);
        Assert.Contains(says ?? "", worse ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void More_lost_rows_are_worse_and_the_first_drill_is_held_against_nothing()
    {
        Assert.NotNull(DrillHistory.Compare([Result(3), Result(30), Result(3)], Result(4)));
        Assert.Null(DrillHistory.Compare([Result(3), Result(30), Result(30)], Result(30)));
        Assert.Null(DrillHistory.Compare([], Result(1000) with { Passed = false }));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static IEnumerable<TimeSpan> Seconds(string text) => text.Split(' ').Select(s => TimeSpan.FromSeconds(double.Parse(s, System.Globalization.CultureInfo.InvariantCulture)));

    private static DrillResult Result(long lost) => new()
    {
        DrillId = "d", Cluster = "app", Engine = "sqlite", Node = "n", Damage = "header", InflictedAt = DateTimeOffset.UnixEpoch, ExpectedFault = "sqlite.corrupt",
        Score = 100, Passed = true, LostRows = lost, RecoveryTime = TimeSpan.FromSeconds(2),
    };
}

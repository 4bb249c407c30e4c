using System.Diagnostics;

namespace DbRecovery.Integration.Tests;

/// <summary>Taking and proving backups, stopped with Ctrl+C at moments spread over the whole run; the next run finds nothing broken.</summary>
public sealed class InterruptedBackupTests
{
    private static readonly string[] New = ["backup", "new", "shop"];
    private static readonly string[] Test = ["backup", "test", "shop"];

    [Fact]
    public void Interrupted_backups_leave_older_ones_and_the_next_one_whole()
    {
        using var lab = new Lab(megabytes: 4);
        var first = lab.ProvedBackup();
        Interruption.Interrupt(lab, "INT", 5, New, () => { });

        lab.DbRecovery(0, New);
        Assert.Empty(lab.Leftovers());
        lab.DbRecovery(0, Test);
        lab.DbRecovery(0, [.. Test, first]);
        lab.DbRecovery(0, "backup", "list", "shop");
        lab.DbRecovery(0, "health", "shop");
    }

    [Fact]
    public void Interrupted_tests_leave_the_repository_whole()
    {
        using var lab = new Lab(megabytes: 4);
        lab.ProvedBackup();
        var before = RecoveryTests.Tree(lab.Folder).Where(e => !e.Contains("/tests/", StringComparison.Ordinal)).ToArray();
        Interruption.Interrupt(lab, "INT", 5, Test, () => { });

        lab.DbRecovery(0, Test);
        Assert.Empty(lab.Leftovers());
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder).Where(e => !e.Contains("/tests/", StringComparison.Ordinal)));
        lab.DbRecovery(0, "backup", "list", "shop", "--proved");
    }
}

/// <summary>The same for what writes databases.</summary>
public sealed class InterruptedRestoreTests
{
    private static readonly string[] Restore = ["backup", "restore", "shop", "--to", "copy.db", "--replace", "--yes"];
    private static readonly string[] Recover = ["recover", "shop", "--yes", "--allow-data-loss", "any"];

    [Fact]
    public void Interrupted_restores_leave_the_old_file_or_the_new_one()
    {
        using var lab = new Lab(megabytes: 4);
        lab.ProvedBackup();
        lab.DbRecovery(0, Restore);
        var restored = Path.Combine(lab.Folder, "copy.db");
        Interruption.Interrupt(lab, "INT", 5, Restore, () => lab.DbRecovery(0, "health", "--path", restored, "--level", "standard"));

        lab.DbRecovery(0, Restore);
        Assert.Empty(lab.Leftovers());
        lab.DbRecovery(0, "health", "--path", restored, "--level", "deep");
        lab.DbRecovery(0, "health", "shop");
    }

    [Theory]
    [InlineData("KILL", 20)]
    [InlineData("INT", 5)]
    public void An_interrupted_recovery_is_gone_on_with(string signal, int moments)
    {
        using var damaged = new Lab(megabytes: 4);
        damaged.ProvedBackup();
        damaged.Workload("damage", damaged.Database, "data");
        using var lab = new Lab(megabytes: 0);
        lab.CopyFrom(damaged);
        Interruption.Interrupt(lab, signal, moments, Recover, () =>
        {
            var open = lab.DbRecovery(0, "incident", "list", "shop").Objects;
            var states = open.Select(i => i.GetProperty("state").GetString()).ToArray();
            // stopped before its first act it is closed as cancelled, and the next recovery is a new one
            if (states is [] or ["Cancelled"])
                lab.DbRecovery(0, Recover);
            else if (states is not (["Probation"] or ["Resolved"]))
                lab.DbRecovery(0, "incident", "resume", open[0].GetProperty("id").GetString()!, "--yes");
            lab.DbRecovery(0, "health", "shop", "--level", "deep");
            Assert.Empty(lab.Leftovers(signal == "KILL"));
            Assert.Single(Directory.GetDirectories(Path.Combine(lab.Folder, ".dbrecovery-kept")));
            lab.CopyFrom(damaged);
        });
    }
}

internal static class Interruption
{
    /// <summary>Ends a command at moments from its start to its usual end.</summary>
    public static void Interrupt(Lab lab, string signal, int count, string[] command, Action afterEach)
    {
        using var rehearsal = new Lab(megabytes: 0);
        rehearsal.CopyFrom(lab);
        var clock = Stopwatch.StartNew();
        rehearsal.DbRecovery(0, command);
        var moments = new Moments(TimeSpan.Zero, clock.Elapsed, count);

        var slowest = TimeSpan.Zero;
        var met = 0;
        for (var i = 0; i < count; i++)
        {
            // the runtime's own start is not ours to stop: before it, Ctrl+C ends the process as it ends any
            var moment = moments.Next(i);
            clock.Restart();
            var (run, toEnd) = lab.Signalled(signal, elapsed => elapsed >= moment, command);
            var what = $"{signal} after {moment.TotalMilliseconds:0} ms of {moments}: {run}";
            var took = clock.Elapsed - toEnd;
            if (run.ExitCode is not 0)
                met++;
            else if (signal == "KILL" || took < moment) // with Ctrl+C it may have been met and have ended all the same
                moments.Missed(took);
            Assert.True(run.ExitCode == 0 || run.ExitCode == (signal == "KILL" ? 137 : 130), what);
            if (signal == "INT")
            {
                slowest = toEnd > slowest ? toEnd : slowest;
                Assert.True(lab.Leftovers().Count == 0, $"left {string.Join(", ", lab.Leftovers())}: {what}");
            }
            afterEach();
        }
        Assert.True(met >= count / 3, $"only {met} of {count} moments met the command at work");
        if (Environment.GetEnvironmentVariable("DBRECOVERY_TEST_FIGURES") is { Length: > 0 } figures)
            File.AppendAllText(figures, $"{signal} {string.Join(' ', command.Take(2))}: {met} of {count} met it, slowest end {slowest.TotalMilliseconds:0} ms\n");
    }
}

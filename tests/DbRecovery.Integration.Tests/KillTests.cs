namespace DbRecovery.Integration.Tests;

/// <summary>
/// The executable is killed (SIGKILL) right after it made a journal record durable, for each record of a recovery, and the incident
/// is resumed: the end is the same, whichever record it was. A .NET startup hook in the unchanged executable listens to the journal's
/// diagnostic events and kills the process from inside, so that each run dies at exactly the record that is meant.
/// </summary>
public sealed class KillTests
{
    private static readonly string[] Recover = ["recover", "shop", "--yes", "--allow-data-loss", "any"];

    [Theory]
    [InlineData("data")]
    [InlineData("missing")]
    public void Killed_after_each_journal_record_a_recovery_is_resumed_to_the_same_end(string damage)
    {
        int records;
        using var damaged = Damaged(damage);
        using (var lab = new Lab(megabytes: 0))
        {
            lab.CopyFrom(damaged);
            lab.DbRecovery(0, Recover);
            records = File.ReadLines(Assert.Single(Directory.GetFiles(lab.State, "journal.jsonl", SearchOption.AllDirectories))).Count();
        }
        Assert.InRange(records, 8, 100);

        var failures = new System.Collections.Concurrent.ConcurrentBag<string>();
        Parallel.For(1, records + 1, new ParallelOptions { MaxDegreeOfParallelism = 2 }, record =>
        {
            try
            {
                KillAfter(record, damaged, damage);
            }
            catch (Exception e)
            {
                failures.Add($"killed after record {record} of {records}: {e.Message}");
            }
        });
        Assert.True(failures.IsEmpty, string.Join("\n", failures));
    }

    private static void KillAfter(int record, Lab damaged, string damage)
    {
        using var lab = new Lab(megabytes: 0);
        lab.CopyFrom(damaged);
        var killed = lab.DbRecovery(new Dictionary<string, string>
        {
            ["DOTNET_STARTUP_HOOKS"] = Lab.Program("KillHook"),
            ["KILL_AFTER_JOURNAL_RECORD"] = $"{record}",
        }, Recover);
        Assert.Equal(128 + 9, killed.ExitCode);

        // what a scheduler would do: look, go on with what is open, and begin where nothing was begun
        var open = lab.DbRecovery(0, "incident", "list", "shop").Objects;
        if (open.Count == 0)
            lab.DbRecovery(0, Recover);
        else if (!Done(open[0].GetProperty("state").GetString()))
            lab.DbRecovery(0, "incident", "resume", open[0].GetProperty("id").GetString()!, "--yes");

        var incident = lab.DbRecovery(0, "incident", "show", "latest").Object;
        Assert.True(Done(incident.GetProperty("state").GetString()), incident.ToString());
        Assert.Single(Directory.GetFiles(lab.State, "journal.jsonl", SearchOption.AllDirectories));
        Assert.All(RecoveryTests.Steps(incident), s => Assert.Contains(s.GetProperty("state").GetString(), (string[])["Applied", "Confirmed", "Skipped"]));
        lab.DbRecovery(0, "health", "shop", "--level", "deep");

        // the damaged file is kept once, whole, and so is the evidence; nothing half done lies about
        if (damage != "missing")
        {
            Assert.Single(Directory.GetFiles(Path.Combine(lab.Folder, ".dbrecovery-kept"), "shop.db", SearchOption.AllDirectories));
            Assert.Single(Directory.GetFiles(lab.State, "shop.db", SearchOption.AllDirectories));
        }
        Assert.Empty(Directory.GetFiles(lab.Folder, ".shop.db*"));
    }

    private static bool Done(string? state) => state is "Probation" or "Resolved";

    private static Lab Damaged(string damage)
    {
        var lab = new Lab(megabytes: 1);
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, damage);
        return lab;
    }
}

namespace DbRecovery.Integration.Tests;

/// <summary>No space where a backup, a scratch copy, a restored file or a journal must go: refused or stopped, with nothing left and nothing changed.</summary>
public sealed class SpaceTests
{
    private static readonly string[] Recover = ["recover", "shop", "--yes", "--allow-data-loss", "any"];

    [RootFact]
    public void A_database_larger_than_the_free_space_is_neither_backed_up_nor_tested_nor_restored_there()
    {
        using var lab = new Lab(megabytes: 12);
        using var disk = new Small("2m");
        lab.ProvedBackup();
        var before = RecoveryTests.Tree(lab.Folder);

        var backup = lab.Try("backup", "new", "shop", "--repository", disk.At("repository"));
        Assert.True(backup is { ExitCode: 3, ErrorId: "OutOfSpace" }, backup.ToString());
        Assert.Empty(Directory.GetFiles(disk.Folder, "manifest.json", SearchOption.AllDirectories));
        foreach (var folder in new[] { "tmp", "sessions" }.Select(f => Path.Combine(disk.At("repository"), f)).Where(Directory.Exists))
            Assert.Empty(Directory.GetFiles(folder));
        var listed = lab.Try("backup", "list", "--repository", disk.At("repository"));
        Assert.True(listed.ExitCode == 0 && listed.Objects.Count == 0, listed.ToString());
        Directory.Delete(disk.At("repository"), recursive: true);

        var test = lab.DbRecovery(new Dictionary<string, string> { ["TMPDIR"] = disk.Folder }, "backup", "test", "shop");
        Assert.True(test is { ExitCode: 3, ErrorId: "OutOfSpace" }, test.ToString());
        var restore = lab.Try("backup", "restore", "shop", "--to", disk.At("shop.db"));
        Assert.True(restore is { ExitCode: 3, ErrorId: "OutOfSpace" }, restore.ToString());
        Assert.Empty(Directory.GetFileSystemEntries(disk.Folder, "*dbrecovery*"));
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder));
        lab.DbRecovery(0, "backup", "test", "shop");
    }

    [RootFact]
    public void Without_space_for_the_new_file_a_recovery_leaves_the_database_as_it_was()
    {
        using var disk = new Small("9m");
        using var lab = new Lab(megabytes: 5);
        var there = lab.MoveDatabaseTo(disk.Folder);
        lab.ProvedBackup();
        lab.Workload("damage", there, "data");
        var filler = disk.Fill(leave: 64 << 10);
        var damaged = File.ReadAllBytes(there);

        var refused = lab.Try(Recover);
        Assert.True(refused.ExitCode is 3 or 4, refused.ToString());
        Assert.Equal(damaged, File.ReadAllBytes(there));
        Assert.Equal([filler, there], Directory.GetFileSystemEntries(disk.Folder).Order(StringComparer.Ordinal));

        File.Delete(filler);
        disk.Remount("size=40m");
        lab.Try("incident", "acknowledge", "shop");
        lab.DbRecovery(0, Recover);
        lab.DbRecovery(0, "health", "shop", "--level", "deep");
    }

    [RootFact]
    public void Without_space_for_its_journal_a_recovery_stops_before_its_next_act_and_goes_on_later()
    {
        using var disk = new Small("40m");
        using var prepared = new Lab(megabytes: 1, state: disk.At("state"));
        prepared.ProvedBackup();
        prepared.Workload("damage", prepared.Database, "data");
        var damaged = File.ReadAllBytes(prepared.Database);
        using var lab = new Lab(megabytes: 0);
        var stopped = 0;

        // lease, epoch and holder take a page each; what is left ends the journal at another record each time
        for (var pages = 2; pages <= 14; pages += 2)
        {
            lab.CopyFrom(prepared);
            if (Directory.Exists(disk.At("state")))
                Directory.Delete(disk.At("state"), recursive: true);
            var filler = disk.Fill(leave: pages * 4096);
            var run = lab.Try(Recover);
            File.Delete(filler);
            var what = $"{pages} pages: {run}";
            Assert.True(run.ExitCode is 0 or 3 or 4 && !run.Err.Contains("unforeseen", StringComparison.Ordinal), what);
            if (run.ExitCode != 0)
            {
                stopped++;
                if (!Directory.Exists(Path.Combine(lab.Folder, ".dbrecovery-kept")))
                    Assert.True(damaged.AsSpan().SequenceEqual(File.ReadAllBytes(lab.Database)), what);
            }

            var open = lab.DbRecovery(0, "incident", "list", "shop").Objects;
            var state = open.Count == 0 ? null : open[0].GetProperty("state").GetString();
            if (state is null or "Failed" or "Suppressed" or "Cancelled")
            {
                lab.DbRecovery(0, "incident", "acknowledge", "shop");
                lab.DbRecovery(0, Recover);
            }
            else if (state is not ("Probation" or "Resolved"))
            {
                lab.DbRecovery(0, "incident", "resume", open[0].GetProperty("id").GetString()!, "--yes");
            }
            lab.DbRecovery(0, "health", "shop", "--level", "deep");
            Assert.Empty(lab.Leftovers());
        }
        Assert.InRange(stopped, 3, 7);
    }
}

using System.Diagnostics;

namespace DbRecovery.Integration.Tests;

/// <summary>What writes backups, killed at twenty random moments.</summary>
public sealed class KilledBackupTests
{
    private const string Passphrase = "canary correct horse 4711";

    [Theory]
    [InlineData("full")]
    [InlineData("full encrypted")]
    [InlineData("incremental")]
    [InlineData("portable")]
    [InlineData("continuous")]
    [InlineData("test")]
    public void Every_listed_backup_stays_whole(string operation)
    {
        using var lab = operation == "full encrypted" ? new Lab(repository: "repository, encryption: { passphrase: { env: BACKUP_KEY } }") : new Lab();
        lab.Variables["BACKUP_KEY"] = Passphrase;
        var contents = new Contents();
        contents.Remember(lab.Database);
        lab.ProvedBackup();
        void Change(int run)
        {
            Lab.Sqlite(lab.Database, $"UPDATE orders SET status = 'run {run}' WHERE id % 20 = {(run + 20) % 20}");
            contents.Remember(lab.Database);
        }
        KillSeries.Run(lab, operation switch
        {
            "incremental" => new("backup", "new", "shop", "--kind", "incremental") { Before = Change },
            "portable" => new("backup", "new", "shop", "--portable") { Before = Change },
            "test" => new("backup", "test", "shop"),
            "continuous" => new("backup", "run", "shop", "--every", "100ms")
            {
                Before = Change,
                Measure = () => FirstBackup(lab, () => Change(100)),
                End = _ => ["backup", "new", "shop", "--kind", "incremental"],
            },
            _ => new("backup", "new", "shop") { Before = Change },
        });
        KillSeries.AssertWhole(lab, contents);
    }

    /// <summary>How long it takes until two backups were taken.</summary>
    private static TimeSpan FirstBackup(Lab lab, Action change)
    {
        var clock = Stopwatch.StartNew();
        var process = lab.StartDbRecovery("backup", "run", "shop", "--every", "100ms");
        var first = process.StandardOutput.ReadLineAsync();
        Assert.True(first.Wait(Wait.Limit) && first.Result is not null, "no backup was taken");
        change();
        var second = process.StandardOutput.ReadLineAsync();
        Assert.True(second.Wait(Wait.Limit) && second.Result is not null, "no second backup was taken");
        var took = clock.Elapsed;
        process.Kill();
        process.WaitForExit();
        return took;
    }
}

/// <summary>What reads backups and writes databases and pages, killed at twenty random moments.</summary>
public sealed class KilledRestoreTests
{
    private const string Rows = "SELECT * FROM items ORDER BY order_id, line";

    [Fact]
    public void A_restore_to_a_new_place_is_there_whole_or_not_at_all()
    {
        using var lab = new Lab();
        var contents = Backed(lab);
        string Copy(int run) => Path.Combine(lab.Folder, $"copy{run}.db");
        KillSeries.Run(lab, new(run => ["backup", "restore", "shop", "--to", Copy(run)])
        {
            After = run =>
            {
                if (File.Exists(Copy(run)))
                    contents.AssertKnown(Copy(run));
            },
        });
        KillSeries.AssertWhole(lab, contents);
    }

    [Fact]
    public void A_restore_over_a_file_leaves_the_old_one_or_the_new_one()
    {
        using var lab = new Lab();
        var contents = Backed(lab);
        var copy = Path.Combine(lab.Folder, "copy.db");
        Lab.Sqlite(copy, "CREATE TABLE other(x); INSERT INTO other VALUES (1)");
        contents.Remember(copy);
        KillSeries.Run(lab, new("backup", "restore", "shop", "--to", copy, "--replace", "--yes") { After = _ => contents.AssertKnown(copy) });
        Assert.Equal(Contents.Hash(lab.Database), Contents.Hash(copy));
        KillSeries.AssertWhole(lab, contents);
    }

    [Fact]
    public void A_table_out_of_a_backup_is_there_whole_or_not_at_all()
    {
        using var lab = new Lab();
        var contents = Backed(lab);
        var expected = Lab.Sqlite(lab.Database, Rows);
        string Items(int run) => Path.Combine(lab.Folder, $"items{run}.db");
        KillSeries.Run(lab, new(run => ["backup", "restore", "shop", "--table", "items", "--to", Items(run)])
        {
            After = run => Assert.True(!File.Exists(Items(run)) || Lab.Sqlite(Items(run), Rows) == expected, $"{Items(run)} is half there"),
        });
        KillSeries.AssertWhole(lab, contents);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Rows_are_as_before_or_done_and_then_the_script_takes_them_back(string journal)
    {
        using var lab = new Lab(megabytes: 1, journal: journal);
        var contents = Backed(lab);
        var done = Lab.Sqlite(lab.Database, Rows);
        Lab.Sqlite(lab.Database, "DELETE FROM items WHERE order_id % 2 = 0; UPDATE items SET price = price + 1 WHERE order_id % 5 = 1");
        var (before, lost, undo) = (Lab.Sqlite(lab.Database, Rows), File.ReadAllBytes(lab.Database), Path.Combine(lab.Folder, "undo.sql"));
        KillSeries.Run(lab, new("backup", "restore", "shop", "--table", "items", "--apply", "missing,changed,added", "--undo", undo, "--yes")
        {
            Before = _ =>
            {
                foreach (var file in Directory.GetFiles(lab.Folder, "shop.db*").Append(undo))
                    File.Delete(file);
                File.WriteAllBytes(lab.Database, lost);
            },
            After = run =>
            {
                var now = Lab.Sqlite(lab.Database, Rows);
                Assert.True(now == before || now == done, $"run {run}: neither as before nor done");
                if (now == before)
                    return;
                Lab.Sqlite(lab.Database, File.ReadAllText(undo));
                Assert.Equal(before, Lab.Sqlite(lab.Database, Rows));
            },
        });
        KillSeries.AssertWhole(lab, contents);
    }

    [Fact]
    public void A_salvage_is_there_whole_or_not_at_all()
    {
        using var lab = new Lab();
        var contents = Backed(lab);
        var (expected, damaged) = (Lab.Sqlite(lab.Database, Rows), Path.Combine(lab.Folder, "damaged.db"));
        File.Copy(lab.Database, damaged);
        lab.Workload("damage", damaged, "header");
        var bytes = File.ReadAllBytes(damaged);
        string Saved(int run) => Path.Combine(lab.Folder, $"saved{run}.db");
        // a salvage of a whole database that found all of it has something to tell all the same
        KillSeries.Run(lab, new(run => ["salvage", damaged, "--to", Saved(run)])
        {
            Exit = 1,
            After = run => Assert.True(!File.Exists(Saved(run)) || Lab.Sqlite(Saved(run), Rows) == expected, $"{Saved(run)} is half there"),
        });
        Assert.Equal(bytes, File.ReadAllBytes(damaged));
        KillSeries.AssertWhole(lab, contents);
    }

    [Fact]
    public void A_drill_is_swept_by_the_next_and_the_original_never_knows()
    {
        using var lab = new Lab(megabytes: 1);
        var contents = Backed(lab);
        var original = Contents.Hash(lab.Database);
        KillSeries.Run(lab, new("drill", "shop", "--damage", "data-page"));
        Assert.Equal(original, Contents.Hash(lab.Database));
        Assert.Empty(Directory.GetDirectories(Path.Combine(lab.State, "drills")));
        lab.DbRecovery(0, "drill", "history", "shop");
        KillSeries.AssertWhole(lab, contents);
    }

    [Fact]
    public void A_report_is_the_old_one_or_the_new_one()
    {
        using var lab = new Lab(megabytes: 1);
        var contents = Backed(lab);
        var page = Path.Combine(lab.Folder, "report.html");
        KillSeries.Run(lab, new("report", "shop", "--to", page, "--force")
        {
            After = _ => Assert.EndsWith("</html>", File.ReadAllText(page).Trim(), StringComparison.Ordinal),
        });
        Assert.Empty(Directory.GetFiles(lab.Folder, "*report*").Except([page]));
        KillSeries.AssertWhole(lab, contents);
    }

    private static Contents Backed(Lab lab)
    {
        var contents = new Contents();
        contents.Remember(lab.Database);
        lab.ProvedBackup();
        return contents;
    }
}

/// <summary>What keeps repositories up, killed at twenty random moments.</summary>
public sealed class KilledUpkeepTests
{
    [Theory]
    [InlineData("remove")]
    [InlineData("prune")]
    [InlineData("check")]
    [InlineData("repair")]
    [InlineData("copy")]
    public void Nothing_that_is_kept_is_lost(string operation)
    {
        using var lab = new Lab();
        var contents = new Contents();
        var kept = FourBackups(lab, contents);
        var (good, other) = (Path.Combine(lab.Folder, "good"), Path.Combine(lab.Folder, "other"));
        if (operation == "prune")
            lab.DbRecovery(0, "backup", "remove", "shop", "--retention", "last=1", "--yes", "--grace", "24h");
        Folders.Copy(lab.Repository, good);
        // every second run finds what a killed one left
        void Reset(int run, Action? then = null)
        {
            if (run % 2 != 0 && run != -1)
                return;
            Folders.Copy(good, lab.Repository);
            then?.Invoke();
        }
        void Check(int run)
        {
            if (run % 4 == 0)
                lab.DbRecovery(0, "repository", "test", "main");
        }
        KillSeries.Run(lab, operation switch
        {
            "remove" => new("backup", "remove", "shop", "--retention", "last=1", "--yes", "--grace", "0s") { Before = run => Reset(run), After = Check },
            "prune" => new("repository", "prune", "main", "--repack", "--grace", "0s") { Before = run => Reset(run), After = Check },
            "check" => new("repository", "test", "main", "--full"),
            "repair" => new("repository", "repair", "main", "--from", good, "--yes") { Before = run => Reset(run, () => Bytes.Flip(Bytes.Packs(lab)[0], 0.1 + Math.Abs(run) % 20 / 25.0)) },
            _ => new("backup", "copy", "shop", "--to", other)
            {
                Before = run =>
                {
                    if (run % 2 == 0 && Directory.Exists(other))
                        Directory.Delete(other, recursive: true);
                },
            },
        });
        if (operation == "copy")
        {
            Assert.NotEmpty(lab.DbRecovery(0, "backup", "list", "shop", "--repository", other).Objects);
            lab.DbRecovery(0, "repository", "test", other, "--full");
        }
        Assert.Equal(kept, lab.DbRecovery(0, "backup", "list", "shop").Objects[0].GetProperty("id").GetString());
        KillSeries.AssertWhole(lab, contents);
    }

    [Theory]
    [InlineData("add")]
    [InlineData("rotate")]
    public void A_change_of_the_keys_locks_nobody_out(string change)
    {
        using var lab = new Lab(megabytes: 1, repository: "repository, encryption: { passphrase: { env: BACKUP_KEY } }");
        lab.Variables["BACKUP_KEY"] = "canary correct horse 4711";
        var contents = new Contents();
        contents.Remember(lab.Database);
        lab.ProvedBackup();
        KillSeries.Run(lab, new(run => change == "rotate" ? ["repository", "key", "rotate", "main"]
            : ["repository", "key", "add", "main", "--label", $"key {run}", "--generate-key-file", $"{run}.key"]));
        lab.ProvedBackup();
        KillSeries.AssertWhole(lab, contents);
        // the others know of a new key before it has its file: one that was cut short in between is told, and can be taken out
        foreach (var missing in lab.Try("repository", "key", "list", "main").Objects.Where(k => k.GetProperty("state").GetString() == "Missing"))
            lab.DbRecovery(0, "repository", "key", "remove", "main", missing.GetProperty("id").GetString()!, "--yes");
        var labels = lab.DbRecovery(0, "repository", "key", "list", "main").Objects.Select(k => k.GetProperty("label").GetString()!).ToArray();
        Assert.Equal(change == "rotate", labels is ["initial"]);
        // a key that is listed has its file, and it opens the repository
        Assert.All(labels.Skip(1), l => Assert.True(File.Exists(Path.Combine(lab.Folder, $"{l[4..]}.key")), $"'{l}' has no file"));
        lab.Variables.Remove("BACKUP_KEY");
        File.WriteAllText(lab.Inventory, File.ReadAllText(lab.Inventory).Replace("passphrase: { env: BACKUP_KEY }", $"keyFile: {labels[^1][Math.Min(4, labels[^1].Length)..]}.key", StringComparison.Ordinal));
        if (change == "add")
            lab.DbRecovery(0, "backup", "restore", "shop", "--to", "opened.db");
    }

    /// <summary>Four backups, two of them increments; gives the newest one's id.</summary>
    private static string FourBackups(Lab lab, Contents contents)
    {
        contents.Remember(lab.Database);
        lab.ProvedBackup();
        var newest = "";
        foreach (var kind in new[] { "incremental", "full", "incremental" })
        {
            Lab.Sqlite(lab.Database, $"UPDATE orders SET status = 'in {kind}' WHERE id % 3 = 0; DELETE FROM items WHERE order_id % 50 = 1");
            contents.Remember(lab.Database);
            newest = lab.DbRecovery(0, "backup", "new", "shop", "--kind", kind).Object.GetProperty("id").GetString()!;
        }
        return newest;
    }
}

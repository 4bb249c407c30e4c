using System.Diagnostics;

namespace DbRecovery.Integration.Tests;

/// <summary>The executable removes, prunes and repacks a real database's backups while others write, stop, die and fill the disk.</summary>
public sealed class UpkeepTests
{
    private static readonly string[] AtOnce = ["repository", "prune", "main", "--repack", "--grace", "0s"];

    [Fact]
    public void A_rule_removes_what_it_does_not_keep_and_mistakes_are_named()
    {
        using var lab = new Lab(megabytes: 1);
        var proved = lab.ProvedBackup();
        string[] ids = [proved, Take(lab), Take(lab), Take(lab)];

        var plan = lab.DbRecovery(0, "backup", "remove", "shop", "--retention", "last=2", "--plan").Objects;
        Assert.Equal([true, true, false, true], plan.Take(4).Select(d => d.GetProperty("keep").GetBoolean()));
        Assert.Contains("last proved", plan[3].GetProperty("reasons").EnumerateArray().Select(r => r.GetString()));
        Assert.True(plan[4].GetProperty("planned").GetBoolean());
        Assert.Equal(4, lab.DbRecovery(0, "backup", "list", "shop").Objects.Count);

        var refused = lab.Try("backup", "remove", "shop", "--retention", "last=2");
        Assert.True(refused is { ExitCode: 4, ErrorId: "ApprovalRequired" }, refused.ToString());
        var newest = lab.Try("backup", "remove", "shop", ids[3], "--yes");
        Assert.True(newest is { ExitCode: 4, ErrorId: "DataLossNotAllowed" } && newest.Err.Contains("newest"), newest.ToString());
        var mixed = lab.DbRecovery(0, "backup", "remove", "shop", ids[2], ids[3], "--plan").Objects;
        Assert.Equal([false, true], mixed.Take(2).Select(d => d.GetProperty("keep").GetBoolean()));
        foreach (var (rule, hint) in new[] { ("lats=2", "'last'"), ("last=0", "1 to"), ("last=2,last=3", "twice"), ("", "empty") })
        {
            var wrong = lab.Try("backup", "remove", "shop", "--retention", rule, "--yes");
            Assert.True(wrong is { ExitCode: 2, ErrorId: "RetentionInvalid" } && wrong.Err.Contains(hint), wrong.ToString());
        }
        var unsaid = lab.Try("backup", "remove", "shop", "--yes");
        Assert.True(unsaid is { ExitCode: 2, ErrorId: "RetentionInvalid" } && unsaid.Err.Contains("keep"), unsaid.ToString());

        lab.DbRecovery(0, "backup", "remove", "shop", "--retention", "last=2", "--yes");
        Assert.Equal([ids[3], ids[2], ids[0]], Ids(lab));
        lab.DbRecovery(0, "backup", "remove", "shop", "--undo", ids[1]);
        Assert.Equal(4, Ids(lab).Count);
        AssertAllRestore(lab);
    }

    [Fact]
    public void The_inventory_says_what_is_kept()
    {
        using var lab = new Lab(megabytes: 1);
        var inventory = File.ReadAllText(lab.Inventory);
        File.WriteAllText(lab.Inventory, inventory.Replace("{ repository: main }", "{ repository: main, keep: { last: 1, daily: 0, weeky: 2 } }"));
        var lint = lab.DbRecovery(2, "inventory", "lint").Object.GetProperty("findings").EnumerateArray().Select(f => f.ToString()).ToList();
        Assert.Equal(2, lint.Count);
        Assert.Contains(lint, f => f.Contains("daily") && f.Contains("\"line\":6"));
        Assert.Contains(lint, f => f.Contains("weekly"));

        File.WriteAllText(lab.Inventory, inventory.Replace("{ repository: main }", "{ repository: main, keep: { last: 1 } }"));
        Take(lab);
        var kept = Take(lab);
        lab.DbRecovery(0, "backup", "remove", "shop", "--yes", "--grace", "0s");
        Assert.Equal([kept], Ids(lab));
        AssertAllRestore(lab);
    }

    [Fact]
    public async Task A_backup_stopped_for_longer_than_the_grace_succeeds_whole_or_refuses()
    {
        using var lab = new Lab(megabytes: 12);
        var old = lab.ProvedBackup();
        Change(lab);
        var backup = lab.StartDbRecovery("backup", "new", "shop");
        backup.StandardInput.Close();
        var (output, error) = (backup.StandardOutput.ReadToEndAsync(), backup.StandardError.ReadToEndAsync());
        var sessions = Path.Combine(lab.Repository, "sessions");
        Lab.Until(() => backup.HasExited || (Directory.Exists(sessions) && Directory.GetFiles(sessions).Length > 0), "the backup's session");
        Kill("STOP", backup);

        // another removes the only backup that the stopped one may have found blobs in, and everything that nobody listed needs
        lab.DbRecovery(0, "backup", "remove", "shop", old, "--force", "--yes", "--grace", "1h");
        var thrown = Directory.GetFiles(Path.Combine(lab.Repository, "trash"), "*", SearchOption.AllDirectories);
        Assert.NotEmpty(thrown);
        foreach (var file in thrown)
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-2));
        lab.DbRecovery(0, "repository", "prune", "main", "--grace", "1h");
        lab.DbRecovery(0, "repository", "prune", "main", "--grace", "0s");
        Kill("CONT", backup);
        Assert.True(backup.WaitForExit(Wait.Limit));

        Assert.True(backup.ExitCode is 0 or 3, $"{backup.ExitCode} {await output} {await error}");
        Assert.Equal(backup.ExitCode == 0 ? 1 : 0, Ids(lab).Count);
        AssertAllRestore(lab);
    }

    [Fact]
    public async Task Two_backups_and_a_prune_on_this_machine_and_one_on_another_at_once_lose_nothing()
    {
        using var lab = new Lab(megabytes: 2);
        lab.ProvedBackup();
        using var stop = new CancellationTokenSource();
        var other = new Dictionary<string, string> { ["DOTNET_STARTUP_HOOKS"] = Lab.Program("KillHook"), ["OTHER_MACHINE"] = "elsewhere" };
        var pruned = 0;
        var pruning = Task.Run(() =>
        {
            for (var round = 0; !stop.IsCancellationRequested; round++)
            {
                var run = round % 2 == 0 ? lab.Try(AtOnce) : lab.DbRecovery(other, AtOnce);
                Assert.True(run.ExitCode == 0 || run.ErrorId == "RepositoryBusy", run.ToString());
                Interlocked.Increment(ref pruned);
            }
        });
        var writing = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            for (var round = 0; round < 3; round++)
                Take(lab);
        })).ToArray();
        await Task.WhenAll(writing);
        Lab.Until(() => pruned >= 2 || pruning.IsFaulted, "two prunes");
        await stop.CancelAsync();
        await pruning;

        Assert.Equal(7, Ids(lab).Count);
        AssertAllRestore(lab);
    }

    [RootFact]
    public void With_not_a_byte_left_on_the_disk_a_removal_frees_space()
    {
        using var lab = new Lab(megabytes: 2);
        using var disk = new Small("24m");
        var repository = disk.At("repository");
        string Backup() => lab.DbRecovery(0, "backup", "new", "shop", "--repository", repository).Object.GetProperty("id").GetString()!;
        var old = Backup();
        Change(lab);
        var kept = Backup();
        disk.Fill(0);
        Assert.Equal(0, new DriveInfo(disk.Folder).AvailableFreeSpace);

        lab.DbRecovery(0, "backup", "remove", "shop", old, "--repository", repository, "--yes", "--grace", "0s");

        Assert.True(new DriveInfo(disk.Folder).AvailableFreeSpace > 0);
        Assert.Equal(kept, lab.DbRecovery(0, "backup", "list", "--repository", repository).Object.GetProperty("id").GetString());
        lab.DbRecovery(0, "backup", "restore", "shop", kept, "--repository", repository, "--to", Path.Combine(lab.Folder, "back.db"));
    }

    private static string Take(Lab lab) => lab.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;

    /// <summary>The application writes some rows.</summary>
    private static void Change(Lab lab)
    {
        var before = lab.AcknowledgedIds().Count;
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > before + 20, "rows");
        Lab.Stop(writer);
    }

    private static IReadOnlyList<string> Ids(Lab lab) => [.. lab.DbRecovery(0, "backup", "list", "shop").Objects.Select(o => o.GetProperty("id").GetString()!)];

    private static void AssertAllRestore(Lab lab)
    {
        foreach (var id in Ids(lab))
        {
            var to = Path.Combine(lab.Folder, $"restored-{id}.db");
            lab.DbRecovery(0, "backup", "restore", "shop", id, "--to", to);
            File.Delete(to);
        }
    }

    private static void Kill(string signal, Process process)
    {
        if (process.HasExited)
            return;
        using var kill = Process.Start("kill", ["-s", signal, $"{process.Id}"]);
        kill.WaitForExit();
    }
}

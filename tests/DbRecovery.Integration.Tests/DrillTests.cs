using System.Diagnostics;
using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>Drills through the executable: every damage is found, answered and recovered from, and the original never knows.</summary>
public sealed class DrillTests
{
    private static readonly string[] AllButLocked =
    [
        "header", "data-page", "index-page", "index-entries", "truncation", "empty-file", "missing-file", "silent-cell-change", "dropped-table", "hot-journal", "full-disk",
    ];

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Every_damage_is_recovered_from_while_the_application_writes_into_the_original(string journal)
    {
        using var lab = new Lab(journal: journal);
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 10, "the first orders");

        var run = lab.Try("drill", "shop", "--damage", string.Join(',', AllButLocked));
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(AllButLocked, run.Objects.Select(r => r.GetProperty("damage").GetString()));
        foreach (var result in run.Objects.Where(r => !r.TryGetProperty("skipped", out _)))
        {
            Assert.True(result is { } r && r.GetProperty("passed").GetBoolean() && r.GetProperty("score").GetInt32() == 100, result.ToString());
            Assert.True(result.GetProperty("detectionTime").GetString() is not null && result.GetProperty("wrongRows").GetInt64() == 0, result.ToString());
            // a reindex, a rollback, a checkpoint and a backup that nothing was written since lose nothing
            if (result.GetProperty("damage").GetString() is "index-entries" or "hot-journal" or "full-disk" or "silent-cell-change")
                Assert.Equal((0, "00:00:00"), (result.GetProperty("lostRows").GetInt64(), result.GetProperty("lossWindow").GetString()));
        }
        Assert.All(run.Objects.Where(r => r.TryGetProperty("skipped", out _)), r => Assert.True(Machine.WhyNotRoot is not null && r.GetProperty("damage").GetString() == "full-disk", r.ToString()));

        var seen = lab.AcknowledgedIds().Count;
        Lab.Until(() => lab.AcknowledgedIds().Count > seen + 10, "orders after the drill");
        Lab.Stop(writer);
        var count = lab.AcknowledgedIds().Count;
        Assert.StartsWith($"acknowledged {count}, present {count}, lost 0", lab.Workload("account", lab.Database, lab.Acknowledged), StringComparison.Ordinal);
        Assert.Equal(["results.jsonl"], Drills(lab));
    }

    [Fact]
    public void A_lock_is_waited_for_and_the_original_stays_as_it_is_to_the_byte()
    {
        using var lab = new Lab(state: "../drilled");
        var before = RecoveryTests.Tree(lab.Folder);
        var result = lab.DbRecovery(0, "drill", "shop", "--damage", "locked").Object;
        Assert.Equal(("sqlite.busy", "sqlite-busy", 100), (result.GetProperty("foundFaults")[0].GetString(), result.GetProperty("runbook").GetString(), result.GetProperty("score").GetInt32()));
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder));
        var history = lab.DbRecovery(0, "drill", "history", "shop").Object;
        Assert.Equal(result.ToString(), history.ToString());
    }

    [Fact]
    public void From_a_backup_the_loss_counts_from_that_backup_and_the_repository_is_only_read()
    {
        using var lab = new Lab();
        Assert.Equal("BackupNotFound", lab.Try("drill", "shop", "--from-backup").ErrorId);
        lab.ProvedBackup();
        File.Delete(lab.Database);
        var before = RecoveryTests.Tree(lab.Repository);
        var run = lab.Try("drill", "shop", "--from-backup", "--damage", "missing-file,silent-cell-change,data-page");
        Assert.True(run.ExitCode == 0 && run.Objects.Count == 3, run.ToString());
        var missing = run.Objects.Single(r => r.GetProperty("damage").GetString() == "missing-file");
        Assert.Equal(60, missing.GetProperty("lostRows").GetInt64());
        Assert.Equal(before, RecoveryTests.Tree(lab.Repository));
        Assert.False(File.Exists(lab.Database));
    }

    [Fact]
    public void A_runbook_that_does_the_wrong_thing_does_not_pass()
    {
        using var lab = new Lab(extraInventory: "runbooks: [mine]");
        Directory.CreateDirectory(Path.Combine(lab.Folder, "mine"));
        File.WriteAllText(Path.Combine(lab.Folder, "mine", "sqlite-corrupt-index.yml"), """
            runbook: sqlite-corrupt-index
            description: Throw a whole day away for an index, and call a program on the way.
            version: 1.0.0
            match: { engines: [sqlite], faults: [sqlite.corrupt], when: { fact: fault.damage, is: index } }
            guards: [ { fact: backup.provedCount, atLeast: 1 } ]
            limits: { cooldown: 1h, maxDataLoss: "${cluster.policy.maxDataLoss}" }
            steps:
              - { id: call, action: run-command, with: { command: [touch, called] } }
              - { id: restore, action: restore }
              - { id: swap, action: swap-file, with: { newFile: "${steps.restore.path}" } }
            verify:
              - { check: fault-gone, level: deep, within: 1m }
            drill: { inject: index-entries, expect: { lost: 0 } }
            """);
        var run = lab.Try("drill", "shop", "--damage", "index-entries");
        Assert.True(run.ExitCode == 1, run.ToString());
        var result = run.Object;
        Assert.False(result.GetProperty("passed").GetBoolean());
        Assert.InRange(result.GetProperty("score").GetInt32(), 0, 70);
        Assert.Equal(["restore", "swap-file"], Words(result, "wrongActions"));
        Assert.Equal(["reindex"], Words(result, "missingActions"));
        Assert.Equal(30, result.GetProperty("lostRows").GetInt64());
        // what lies outside of the sandbox is planned and not done, and the result says so
        Assert.Equal(["run-command"], Words(result, "withheld"));
        Assert.Empty(Directory.GetFiles(lab.Folder, "called", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_plan_and_a_mistake_change_nothing()
    {
        using var lab = new Lab();
        var before = RecoveryTests.Tree(Path.GetDirectoryName(lab.Folder)!);
        var plan = lab.DbRecovery(0, "drill", "shop", "--plan", "--damage", "header,full-disk").Object;
        Assert.Equal(["header", "full-disk"], plan.GetProperty("damages").EnumerateArray().Select(d => d.GetProperty("damage").GetProperty("name").GetString()));
        Assert.Contains("Did you mean 'data-page'?", lab.DbRecovery(2, "drill", "shop", "--damage", "data-pages").Err, StringComparison.Ordinal);
        lab.DbRecovery(2, "drill", "shop", "--rounds", "0");
        lab.DbRecovery(2, "drill", "shop", "--node", "nobody");
        lab.DbRecovery(2, "drill", "shap");
        Assert.Equal(before, RecoveryTests.Tree(Path.GetDirectoryName(lab.Folder)!));
    }

    [Fact]
    public void A_database_that_is_broken_already_is_no_drill()
    {
        using var lab = new Lab();
        lab.Workload("damage", lab.Database, "data");
        var run = lab.Try("drill", "shop", "--damage", "header");
        Assert.True(run.ErrorId is "DrillFailed" or "DatabaseCorrupt" && run.ExitCode is 3 or 4, run.ToString());
        Assert.Empty(Drills(lab));
        File.Delete(lab.Database);
        Assert.Equal("DatabaseNotFound", lab.Try("drill", "shop").ErrorId);
    }

    [Fact]
    public void Ctrl_c_takes_the_sandbox_away()
    {
        using var lab = new Lab();
        var (run, _) = lab.Signalled("INT", _ => Sandboxes(lab).Any(s => Directory.Exists(Path.Combine(s, "state"))), "drill", "shop");
        Assert.True(run.ExitCode == 130, run.ToString());
        Assert.Empty(Sandboxes(lab));
    }

    [RootFact]
    public void What_a_killed_drill_left_the_next_one_takes_away_its_disk_first()
    {
        using var lab = new Lab();
        lab.Signalled("KILL", _ => Mounts(lab).Length > 0, "drill", "shop", "--damage", "full-disk", "--rounds", "100");
        Assert.NotEmpty(Sandboxes(lab));
        var run = lab.Try("drill", "shop", "--damage", "header");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Empty(Mounts(lab));
        Assert.Empty(Sandboxes(lab));
    }

    [Fact]
    public void A_kept_sandbox_stays_and_says_where_it_is()
    {
        using var lab = new Lab();
        var kept = lab.DbRecovery(0, "drill", "shop", "--damage", "header", "--keep", "--sandbox", "../kept").Object.GetProperty("sandbox").GetString()!;
        lab.DbRecovery(0, "drill", "shop", "--damage", "header", "--sandbox", "../kept");
        Assert.Equal([kept], Directory.GetDirectories(Path.GetDirectoryName(kept)!));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(kept, "state"), "journal.jsonl", SearchOption.AllDirectories));
    }

    private static string[] Words(JsonElement result, string name) => [.. result.GetProperty(name).EnumerateArray().Select(w => w.GetString()!)];

    private static string[] Drills(Lab lab) => Directory.Exists(Path.Combine(lab.State, "drills")) ? [.. Directory.GetFileSystemEntries(Path.Combine(lab.State, "drills")).Select(f => Path.GetFileName(f))] : [];

    private static string[] Sandboxes(Lab lab) => Directory.Exists(Path.Combine(lab.State, "drills")) ? Directory.GetDirectories(Path.Combine(lab.State, "drills")) : [];

    private static string[] Mounts(Lab lab) => [.. File.ReadAllLines("/proc/self/mounts").Where(l => l.Contains(lab.State, StringComparison.Ordinal))];
}

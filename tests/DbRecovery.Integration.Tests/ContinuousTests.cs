using System.Diagnostics;
using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>Increments and continuous protection with the executable, beside a live application.</summary>
public sealed class ContinuousTests
{
    [Theory]
    [InlineData("wal")]
    [InlineData("delete")]
    public void A_killed_database_loses_at_most_what_came_after_the_last_backup_began(string journal)
    {
        using var lab = new Lab(megabytes: 1, journal: journal);
        lab.DbRecovery(0, "backup", "new", "shop");
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 5, "the application");
        var protection = lab.StartDbRecovery("backup", "run", "shop", "--every", "200ms");
        var lines = Lines(protection);
        Lab.Until(() => Count(lines) >= 2, "two backups");
        // what was acknowledged before a backup began must be in the repository; by its own time, for whoever reads what it says may be late
        var promised = lab.AcknowledgedIds();
        var moment = DateTimeOffset.UtcNow;
        Lab.Until(() => Began(lines) > moment, "a backup that began later");
        writer.Kill();
        writer.WaitForExit();
        Terminate(protection);
        Assert.True(protection.WaitForExit(Wait.Limit), "it does not end when it is asked to");
        Assert.Equal(0, protection.ExitCode);

        foreach (var file in Directory.GetFiles(lab.Folder, "shop.db*"))
            File.Delete(file);
        lab.DbRecovery(0, "backup", "restore", "shop");

        var kept = Path.Combine(lab.Folder, "promised.txt");
        File.WriteAllLines(kept, promised);
        Assert.EndsWith("lost 0", lab.Workload("account", lab.Database, kept));
        lab.DbRecovery(0, "health", "--path", lab.Database, "--level", "deep");
        Assert.All(lab.DbRecovery(0, "backup", "list", "shop").Objects.SkipLast(1), b => Assert.Equal("Incremental", b.GetProperty("kind").GetString()));
        Assert.Empty(lab.Leftovers());
    }

    [Fact]
    public void A_quiet_database_costs_nothing_and_an_error_costs_its_round()
    {
        using var lab = new Lab(megabytes: 1);
        lab.DbRecovery(0, "backup", "new", "shop");
        var protection = lab.StartDbRecovery("backup", "run", "shop", "--every", "100ms");
        var (lines, errors) = (Lines(protection), Errors(protection));
        Lab.Until(() => Count(lines) == 1, "the first backup");
        var files = Directory.GetFiles(lab.Repository, "*", SearchOption.AllDirectories).Length;
        File.Move(lab.Database, lab.Database + ".away");
        Lab.Until(() => Count(errors) > 0, "an error");
        Assert.Contains("DatabaseNotFound", errors.First(), StringComparison.Ordinal);
        File.Move(lab.Database + ".away", lab.Database);
        Assert.Equal(files, Directory.GetFiles(lab.Repository, "*", SearchOption.AllDirectories).Length);

        lab.Workload("churn", lab.Database, "--rows", "10");

        // the changes may come in more than one interval
        Lab.Until(() => Count(lines) >= 2, "a backup after the error");
        Terminate(protection);
        Assert.True(protection.WaitForExit(Wait.Limit));
        Assert.Equal(0, protection.ExitCode);
    }

    [Fact]
    public void What_retention_does_not_keep_goes_while_protection_goes_on()
    {
        using var lab = new Lab(megabytes: 1);
        for (var i = 0; i < 5; i++)
        {
            lab.Workload("churn", lab.Database, "--rows", "10");
            lab.DbRecovery(0, "backup", "new", "shop", "--kind", "incremental");
        }
        File.WriteAllText(lab.Inventory, File.ReadAllText(lab.Inventory).Replace("{ repository: main }", "{ repository: main, keep: { last: 2 } }"));
        lab.Workload("churn", lab.Database, "--rows", "10");

        var full = lab.DbRecovery(0, "backup", "list", "shop").Objects.Single(b => b.GetProperty("kind").GetString() == "Full").GetProperty("id").GetString();

        var newest = lab.DbRecovery(0, "backup", "run", "shop", "--every", "100ms", "--count", "1").Object.GetProperty("id").GetString();

        // the last two, and the full that they come from
        var left = lab.DbRecovery(0, "backup", "list", "shop").Objects.Select(b => b.GetProperty("id").GetString()).ToList();
        Assert.Equal(3, left.Count);
        Assert.Contains(full, left);
        Assert.Contains(newest, left);
        Assert.True(lab.DbRecovery(0, "backup", "test", "shop").Object.GetProperty("passed").GetBoolean());
        Assert.True(lab.DbRecovery(0, "repository", "test", "main", "--full").Object.GetProperty("passed").GetBoolean());
    }

    [Fact]
    public void Files_of_the_inventory_go_along_and_come_back_on_request()
    {
        using var lab = new Lab(megabytes: 1);
        var config = Path.Combine(lab.Folder, "app.conf");
        File.WriteAllText(config, "listen = 80");
        File.WriteAllText(lab.Inventory, File.ReadAllText(lab.Inventory).Replace("{ repository: main }", "{ repository: main, every: 5s, files: [ app.conf, missing.conf ] }"));

        var taken = lab.DbRecovery(0, "backup", "new", "shop");
        lab.DbRecovery(0, "backup", "test", "shop");
        Assert.Contains("missing.conf", taken.Object.GetProperty("notes")[0].GetString(), StringComparison.Ordinal);
        Assert.Contains("missing.conf", taken.Err, StringComparison.Ordinal);
        // it is seen again wherever the backup is looked at, and nothing fails for it
        var listed = lab.DbRecovery(0, "backup", "list", "shop");
        Assert.Equal([Path.Combine(lab.Folder, "missing.conf")], listed.Object.GetProperty("missingFiles").EnumerateArray().Select(f => f.GetString()));
        Assert.Contains("missing.conf", listed.Err, StringComparison.Ordinal);
        var health = lab.DbRecovery(1, "health", "shop").Object;
        Assert.Equal("Healthy", health.GetProperty("status").GetString());
        var fault = Assert.Single(health.GetProperty("faults").EnumerateArray());
        Assert.Equal(("backup.files-missing", "Notice"), (fault.GetProperty("id").GetString(), fault.GetProperty("severity").GetString()));
        File.WriteAllText(config, "changed");
        var restored = lab.DbRecovery(0, "backup", "restore", "shop", "--to", "copy.db", "--files").Object;

        Assert.Equal("listen = 80", File.ReadAllText(config));
        Assert.Equal("changed", File.ReadAllText(restored.GetProperty("files")[0].GetProperty("previousPath").GetString()!));
        lab.DbRecovery(0, "backup", "restore", "shop", "--to", "copy2.db", "--files", "--files-to", "elsewhere");
        Assert.Equal("listen = 80", File.ReadAllText(Path.Combine(lab.Folder, "elsewhere", "app.conf")));
        Assert.Equal("ParameterInvalid", lab.Try("backup", "restore", "shop", "--to", "copy3.db", "--files-to", "elsewhere").ErrorId);
    }

    private static List<string> Lines(Process process)
    {
        var lines = new List<string>();
        process.OutputDataReceived += (_, e) => Add(lines, e.Data);
        process.BeginOutputReadLine();
        return lines;
    }

    private static List<string> Errors(Process process)
    {
        var lines = new List<string>();
        process.ErrorDataReceived += (_, e) => Add(lines, e.Data);
        process.BeginErrorReadLine();
        return lines;
    }

    private static void Add(List<string> lines, string? line)
    {
        lock (lines)
            if (!string.IsNullOrEmpty(line))
                lines.Add(line);
    }

    private static int Count(List<string> lines)
    {
        lock (lines)
            return lines.Count;
    }

    /// <summary>When the backup began that was told of last.</summary>
    private static DateTimeOffset Began(List<string> lines)
    {
        lock (lines)
            return JsonDocument.Parse(lines[^1]).RootElement.GetProperty("startedAt").GetDateTimeOffset();
    }

    private static void Terminate(Process process)
    {
        using var kill = Process.Start("kill", ["-s", "TERM", $"{process.Id}"]);
        kill.WaitForExit();
    }
}

using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>The closed loop from the outside: real files, real processes, every kind of damage.</summary>
public sealed class RecoveryTests
{
    [Theory]
    [InlineData("data", "delete")]
    [InlineData("data", "wal")]
    [InlineData("header", "delete")]
    [InlineData("header", "wal")]
    [InlineData("truncate", "delete")]
    [InlineData("empty", "wal")]
    [InlineData("missing", "delete")]
    [InlineData("silent", "delete")]
    [InlineData("index", "delete", "deep")]
    public void A_damaged_database_is_named_recovered_and_verified(string damage, string journal, string level = "standard")
    {
        using var lab = new Lab(journal: journal);
        var backup = lab.ProvedBackup();
        lab.DbRecovery(0, "health", "shop");
        lab.Workload("damage", lab.Database, damage);

        var fault = lab.DbRecovery(1, "faults", "shop", "--level", level).Objects[0];
        Assert.Equal("sqlite.corrupt", fault.GetProperty("id").GetString());
        Assert.Equal(damage == "truncate" ? "truncated" : damage, fault.GetProperty("details").GetProperty("damage").GetString());
        Assert.NotEqual(0, fault.GetProperty("evidence").GetArrayLength());

        var before = Tree(lab.Folder);
        lab.DbRecovery(1, "recover", "shop", "--plan", "--allow-data-loss", "any", "--level", level);
        Assert.Equal(before, Tree(lab.Folder)); // a plan changes nothing

        var incident = lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any", "--level", level).Object;
        Assert.Contains(incident.GetProperty("state").GetString(), (string[])["Probation", "Resolved"]);
        lab.DbRecovery(0, "health", "shop", "--level", "deep");

        if (damage != "index")
            Assert.Contains(Steps(incident), s => s.GetProperty("outputs").TryGetProperty("backupId", out var id) && id.GetString() == backup);
        if (damage is not ("missing" or "index"))
            Assert.NotEmpty(Directory.GetFiles(Path.Combine(lab.Folder, ".dbrecovery-kept"), "shop.db", SearchOption.AllDirectories));
        Assert.Empty(Directory.GetFiles(lab.Folder, ".shop.db*"));
        Assert.Equal(incident.GetProperty("id").GetString(), lab.DbRecovery(0, "incident", "show", "latest").Object.GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("wal")]
    [InlineData("delete")]
    public void A_live_application_loses_nothing_that_it_writes_after_the_recovery(string journal)
    {
        using var lab = new Lab(journal: journal);
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 20, "the first orders");
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "data");
        lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any");

        var recovered = lab.AcknowledgedIds().Count;
        Lab.Until(() => lab.AcknowledgedIds().Count > recovered + 50, "orders after the recovery");
        Lab.Stop(writer);
        var later = lab.AcknowledgedIds().Skip(recovered + 1).ToArray();
        File.WriteAllLines(lab.Acknowledged + ".later", later);
        Assert.StartsWith($"acknowledged {later.Length}, present {later.Length}, lost 0", lab.Workload("account", lab.Database, lab.Acknowledged + ".later"), StringComparison.Ordinal);
        lab.DbRecovery(0, "health", "shop", "--level", "deep");
    }

    [Fact]
    public void Without_leave_to_lose_data_it_waits_for_an_approval_and_goes_on_after_it()
    {
        using var lab = new Lab();
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "header");
        var damaged = File.ReadAllBytes(lab.Database);

        var waiting = lab.DbRecovery(4, "recover", "shop", "--yes").Object;
        Assert.Equal("AwaitingApproval", waiting.GetProperty("state").GetString());
        Assert.Equal(damaged, File.ReadAllBytes(lab.Database));

        lab.DbRecovery(0, "incident", "approve", waiting.GetProperty("id").GetString()!, "--yes");
        var resumed = lab.DbRecovery(0, "incident", "resume", waiting.GetProperty("id").GetString()!, "--yes").Object;
        Assert.Contains(resumed.GetProperty("state").GetString(), (string[])["Probation", "Resolved"]);
        lab.DbRecovery(0, "health", "shop");
    }

    [Fact]
    public void A_pause_suppresses_a_recurrence_is_not_repeated_and_an_acknowledgement_lifts_both()
    {
        using var lab = new Lab();
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "header");

        lab.DbRecovery(0, "pause", "shop", "--reason", "maintenance");
        var paused = lab.DbRecovery(4, "recover", "shop", "--yes", "--allow-data-loss", "any").Object;
        Assert.Equal("Suppressed", paused.GetProperty("state").GetString());
        Assert.NotEqual(default, paused.GetProperty("nextReviewAt").GetDateTimeOffset());
        lab.DbRecovery(0, "resume", "shop");
        lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any");

        // the same fault again so soon: the runbook is not repeated, a person must look
        lab.Workload("damage", lab.Database, "header");
        var again = lab.DbRecovery(3, "recover", "shop", "--yes", "--allow-data-loss", "any").Object;
        Assert.Equal("Failed", again.GetProperty("state").GetString());
        Assert.All(Steps(again).Where(s => s.GetProperty("action").GetString() != "notify"), s => Assert.Equal("Pending", s.GetProperty("state").GetString()));
        lab.DbRecovery(0, "incident", "acknowledge", "shop");
        lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any");
        lab.DbRecovery(0, "health", "shop");
    }

    [Fact]
    public void Two_recoveries_at_once_are_one()
    {
        using var lab = new Lab(megabytes: 20);
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "data");
        var runs = Enumerable.Range(0, 2).Select(_ => lab.StartDbRecovery("recover", "shop", "--yes", "--allow-data-loss", "any")).ToArray();
        foreach (var run in runs)
        {
            run.StandardInput.Close();
            _ = run.StandardOutput.ReadToEndAsync();
        }
        var errors = runs.Select(r => r.StandardError.ReadToEndAsync()).ToArray();
        Assert.All(runs, r => Assert.True(r.WaitForExit(Wait.Limit)));
        // the other one was refused, or came when all was well again
        Assert.Equal(0, runs.Min(r => r.ExitCode));
        Assert.All(runs.Zip(errors), r => Assert.True(r.First.ExitCode is 0 or 4, $"exit code {r.First.ExitCode}: {r.Second.Result}"));
        Assert.Single(Directory.GetDirectories(Path.Combine(lab.Folder, ".dbrecovery-kept")));
        lab.DbRecovery(0, "health", "shop", "--level", "deep");
    }

    [Theory]
    [InlineData("with space")]
    [InlineData("it's \"quoted\"")]
    [InlineData("new\nline")]
    [InlineData("Ünïcødé-数据")]
    [InlineData("100%#?x&y[1]")]
    public void Any_folder_name_works(string name)
    {
        if (OperatingSystem.IsWindows() && name.AsSpan().IndexOfAny("\"\n?") >= 0)
            return; // no such file names there
        using var lab = new Lab(folderName: name);
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "data");
        lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any");
        lab.DbRecovery(0, "health", "shop");
    }

    internal static IEnumerable<JsonElement> Steps(JsonElement incident) => incident.GetProperty("steps").EnumerateArray();

    /// <summary>Every path with its content's hash and its time.</summary>
    internal static IReadOnlyList<string> Tree(string folder) =>
        [.. Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path =>
            $"{path} {(File.Exists(path) ? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path))) : "")}")];
}

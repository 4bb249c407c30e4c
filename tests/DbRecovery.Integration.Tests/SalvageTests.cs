using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>What a damaged file still holds is not given up: rows newer than the backup, and the whole where there is no backup.</summary>
public sealed class SalvageTests
{
    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Orders_newer_than_the_backup_come_along_and_are_listed(string journal)
    {
        using var lab = new Lab(journal: journal);
        lab.ProvedBackup();
        var orders = PlaceOrders(lab, 40);
        lab.Workload("damage", lab.Database, "data");

        var plan = lab.DbRecovery(1, "recover", "shop", "--plan", "--allow-data-loss", "any");
        Assert.Contains("salvage-rows", plan.Out, StringComparison.Ordinal);
        var incident = lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any").Object;

        Assert.Equal($"acknowledged {orders}, present {orders}, lost 0", lab.Workload("account", lab.Database, lab.Acknowledged).Trim());
        var outputs = incident.GetProperty("steps").EnumerateArray().Single(s => s.GetProperty("action").GetString() == "salvage-rows").GetProperty("outputs");
        Assert.Equal(outputs.GetProperty("rows").GetInt64(), File.ReadLines(outputs.GetProperty("rowList").GetString()!).LongCount());
        Assert.Equal(outputs.GetProperty("rows").GetInt64(), incident.GetProperty("loss").GetProperty("rowsSalvaged").GetInt64());
        Assert.Contains("orders", outputs.GetProperty("tables").EnumerateArray().Select(t => t.GetString()));
        lab.DbRecovery(0, "health", "shop", "--level", "deep");
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void Orders_that_are_placed_while_it_recovers_are_not_lost(string journal)
    {
        using var lab = new Lab(journal: journal);
        lab.ProvedBackup();
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 20, "the first orders");
        lab.Workload("damage", lab.Database, "data", "--pages", "1");
        var incident = lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any").Object;
        var seen = lab.AcknowledgedIds().Count;
        Lab.Until(() => lab.AcknowledgedIds().Count > seen, "an order after the recovery");
        Lab.Stop(writer);

        var orders = lab.AcknowledgedIds().Count;
        Assert.Equal($"acknowledged {orders}, present {orders}, lost 0", lab.Workload("account", lab.Database, lab.Acknowledged).Trim());
        var list = File.ReadLines(Path.Combine(Path.GetDirectoryName(incident.GetProperty("journalPath").GetString())!, "salvaged-rows.jsonl")).LongCount();
        Assert.Equal(list, incident.GetProperty("loss").GetProperty("rowsSalvaged").GetInt64());
        lab.DbRecovery(0, "health", "shop", "--level", "deep");
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("empty")]
    public void Where_nothing_is_left_and_nothing_proved_it_says_what_to_do(string damage)
    {
        using var lab = new Lab();
        var backup = lab.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        lab.Workload("damage", lab.Database, damage);

        var run = lab.DbRecovery(4, "recover", "shop", "--plan");
        Assert.Contains("dbrecovery backup test", run.Out, StringComparison.Ordinal);
        lab.DbRecovery(4, "recover", "shop", "--yes", "--allow-data-loss", "any");

        // what the text says works, and the refusal before does not stand in the way
        lab.DbRecovery(0, "backup", "test", "shop", backup);
        lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any");
        lab.DbRecovery(0, "health", "shop");
    }

    [Fact]
    public void Without_a_proved_backup_a_damaged_database_is_salvaged_when_somebody_agrees()
    {
        using var lab = new Lab();
        // it was never proved; and without a repository that can be read nobody would know that there is none
        lab.DbRecovery(0, "backup", "new", "shop");
        lab.Workload("damage", lab.Database, "data");

        var waiting = lab.DbRecovery(4, "recover", "shop", "--yes").Object;
        Assert.Equal("sqlite-corrupt-salvage", waiting.GetProperty("runbook").GetString());
        Assert.Equal("AwaitingApproval", waiting.GetProperty("state").GetString());
        lab.DbRecovery(0, "incident", "approve", waiting.GetProperty("id").GetString()!, "--yes");
        var incident = lab.DbRecovery(0, "incident", "resume", waiting.GetProperty("id").GetString()!, "--yes").Object;

        Assert.Contains(incident.GetProperty("state").GetString(), (string[])["Probation", "Resolved"]);
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(lab.Folder, ".dbrecovery-kept"), "shop.db", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_destroyed_header_costs_no_row_even_without_a_backup()
    {
        using var lab = new Lab();
        var orders = PlaceOrders(lab, 10);
        lab.Workload("damage", lab.Database, "header");
        var damaged = File.ReadAllBytes(lab.Database);
        var saved = Path.Combine(lab.Folder, "new.db");

        var looked = lab.DbRecovery(1, "salvage", lab.Database, "--plan").Object;
        Assert.False(File.Exists(saved));
        var report = lab.DbRecovery(1, "salvage", lab.Database, "--to", saved).Object;

        Assert.Equal(looked.GetProperty("tables").GetArrayLength(), report.GetProperty("tables").GetArrayLength());
        Assert.All(report.GetProperty("tables").EnumerateArray(), t => Assert.True(t.GetProperty("complete").GetBoolean()));
        Assert.Equal($"acknowledged {orders}, present {orders}, lost 0", lab.Workload("account", saved, lab.Acknowledged).Trim());
        Assert.Equal(damaged, File.ReadAllBytes(lab.Database));
        Assert.Equal("TargetExists", lab.DbRecovery(4, "salvage", lab.Database, "--to", saved).ErrorId);
        Assert.Equal("ParameterInvalid", lab.DbRecovery(2, "salvage", lab.Database).ErrorId);
    }

    private static int PlaceOrders(Lab lab, int least)
    {
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count >= least, "the orders");
        Lab.Stop(writer);
        return lab.AcknowledgedIds().Count;
    }
}

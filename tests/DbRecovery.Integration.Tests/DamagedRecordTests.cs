namespace DbRecovery.Integration.Tests;

/// <summary>What DbRecovery itself has written is damaged: it is said of which file, and never taken for good.</summary>
public sealed class DamagedRecordTests
{
    [Theory]
    [InlineData("*.pack", "flip")]
    [InlineData("*.pack", "cut")]
    [InlineData("manifest.json", "flip")]
    [InlineData("manifest.json", "cut")]
    [InlineData("index", "flip")]
    [InlineData("index", "cut")]
    [InlineData("repo.json", "flip")]
    [InlineData("repo.json", "cut")]
    public void Damage_in_a_repository_is_named_and_never_restored_as_good(string what, string how)
    {
        using var lab = new Lab(megabytes: 1);
        var older = lab.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        var before = Files(lab).ToHashSet();
        lab.Workload("churn", lab.Database, "--rows", "3000");
        var newer = lab.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        var database = File.ReadAllBytes(lab.Database);
        var victim = Files(lab).Where(f => what == "repo.json" || !before.Contains(f)).Where(f => what switch
        {
            "*.pack" => f.Contains("/packs/", StringComparison.Ordinal),
            "index" => f.Contains("/index/", StringComparison.Ordinal),
            _ => Path.GetFileName(f) == what,
        }).MaxBy(f => new FileInfo(f).Length)!;
        Damage(victim, how);

        var list = lab.Try("backup", "list", "shop");
        var test = lab.Try("backup", "test", "shop", newer);
        var restore = lab.Try("backup", "restore", "shop", newer, "--to", "copy.db");
        var said = $"{victim}\nlist {list}\ntest {test}\nrestore {restore}";
        Assert.True(new[] { list, test, restore }.All(r => !r.Err.Contains("unforeseen", StringComparison.Ordinal)), said);
        Assert.True(new[] { list, test, restore }.Any(r => (r.Out + r.Err).Contains(Path.GetFileName(victim), StringComparison.Ordinal)), $"nobody names {said}");
        Assert.Equal(database, File.ReadAllBytes(lab.Database));

        var copy = Path.Combine(lab.Folder, "copy.db");
        if (what is "*.pack" or "manifest.json" or "repo.json")
        {
            Assert.True(test.ExitCode != 0 && restore.ExitCode != 0, said);
            Assert.False(File.Exists(copy), said);
        }
        else
        {
            // an index is rebuilt from the packs, and page hashes are not what is restored
            Assert.True(restore.ExitCode == 0, said);
            lab.DbRecovery(0, "health", "--path", copy, "--level", "deep");
        }
        Assert.Empty(lab.Leftovers());
        if (what != "repo.json")
        {
            lab.DbRecovery(0, "backup", "restore", "shop", older, "--to", "older.db");
            lab.DbRecovery(0, "health", "--path", Path.Combine(lab.Folder, "older.db"), "--level", "deep");
        }
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("first line gone")]
    public void A_damaged_journal_stops_automation_and_is_named(string how)
    {
        using var lab = new Lab(megabytes: 1);
        lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "header");
        var id = lab.DbRecovery(4, "recover", "shop", "--yes").Object.GetProperty("id").GetString()!;
        var damaged = File.ReadAllBytes(lab.Database);
        var journal = Assert.Single(Directory.GetFiles(lab.State, "journal.jsonl", SearchOption.AllDirectories));
        if (how == "flip")
            Damage(journal, how);
        else
            File.WriteAllLines(journal, File.ReadAllLines(journal).Skip(1));

        foreach (var command in new[] { new[] { "incident", "show", id }, ["incident", "resume", id, "--yes"], ["recover", "shop", "--yes", "--allow-data-loss", "any"] })
        {
            var run = lab.Try(command);
            Assert.True(run is { ExitCode: 3, ErrorId: "JournalCorrupt" } && run.Err.Contains(journal, StringComparison.Ordinal), $"{string.Join(' ', command)}: {run}");
        }
        lab.DbRecovery(0, "incident", "list", "shop");
        Assert.Equal(damaged, File.ReadAllBytes(lab.Database));
    }

    private static IEnumerable<string> Files(Lab lab) => Directory.GetFiles(lab.Repository, "*", SearchOption.AllDirectories);

    private static void Damage(string path, string how)
    {
        var bytes = File.ReadAllBytes(path);
        if (how == "cut")
            bytes = bytes[..(bytes.Length / 2)];
        else
            bytes[bytes.Length / 3] ^= 0x10;
        File.WriteAllBytes(path, bytes);
    }
}

namespace DbRecovery.Integration.Tests;

/// <summary>What DbRecovery itself has written is damaged: it is said of which file, and never taken for good.</summary>
public sealed class DamagedRecordTests
{
    private const string Passphrase = "canary correct horse 4711";

    /// <summary>Each kind of file that a repository has: a bit is turned over, half is cut off, and it is deleted.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Damage_in_a_repository_is_named_and_never_restored_as_good(bool encrypted)
    {
        using var good = encrypted ? new Lab(megabytes: 1, repository: "repository, encryption: { passphrase: { env: BACKUP_KEY } }") : new Lab(megabytes: 1);
        good.Variables["BACKUP_KEY"] = Passphrase;
        var older = good.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        var before = Files(good).Select(f => Path.GetRelativePath(good.Folder, f)).ToHashSet();
        good.Workload("churn", good.Database, "--rows", "3000");
        var newer = good.ProvedBackup();
        using var lab = new Lab(megabytes: 0);
        string[] kinds = ["packs", "manifest.json", "index", "tests", "repo.json", "repo.copy.json", "RESTORE-BY-HAND.md", .. encrypted ? ["keys"] : Array.Empty<string>()];
        foreach (var what in kinds)
        foreach (var how in new[] { "flip", "cut", "delete" })
        {
            lab.CopyFrom(good);
            var single = what is "repo.json" or "repo.copy.json" or "RESTORE-BY-HAND.md" or "keys";
            var victim = Files(lab).Where(f => single || !before.Contains(Path.GetRelativePath(lab.Folder, f)))
                .Where(f => Path.GetFileName(f) == what || f.Contains($"/{what}/", StringComparison.Ordinal)).MaxBy(f => new FileInfo(f).Length)!;
            Damage(victim, how);
            AssertNamedAndNotRestored(lab, what, how, Path.GetFileName(victim), (older, newer));
        }
    }

    private static void AssertNamedAndNotRestored(Lab lab, string what, string how, string victim, (string Older, string Newer) ids)
    {
        var database = File.ReadAllBytes(lab.Database);
        var scrub = lab.Try("repository", "test", "main");
        var restore = lab.Try("backup", "restore", "shop", ids.Newer, "--to", "copy.db");
        var said = $"{what} {how}: {victim}\nscrub {scrub}\nrestore {restore}";
        Assert.True(new[] { scrub, restore }.All(r => !r.Err.Contains("unforeseen", StringComparison.Ordinal)), said);
        Assert.Equal(database, File.ReadAllBytes(lab.Database));
        Assert.Empty(lab.Leftovers());
        // that a backup, a proof or an index is not there at all, is nothing that a repository could know; without its only key it is locked; the script is written anew
        var missed = how == "delete" && what is "manifest.json" or "tests" or "index" or "keys" || what == "RESTORE-BY-HAND.md";
        Assert.True(missed || (scrub.ExitCode is 1 or 3 or 4 && (scrub.Out + scrub.Err).Contains(victim, StringComparison.Ordinal)), said);

        var copy = Path.Combine(lab.Folder, "copy.db");
        if (what is "packs" or "manifest.json" or "repo.json" or "keys")
        {
            Assert.True(restore.ExitCode != 0, said);
            Assert.False(File.Exists(copy), said);
        }
        else
        {
            // an index is built anew from the packs, and a proof says nothing about the pages
            Assert.True(restore.ExitCode == 0, said);
            Assert.Equal(database, File.ReadAllBytes(copy));
        }
        if (what is not ("repo.json" or "keys"))
            lab.DbRecovery(0, "backup", "restore", "shop", ids.Older, "--to", "older.db");
    }

    [Theory]
    [InlineData("index")]
    [InlineData("repo.json")]
    public void What_was_deleted_is_made_again_from_the_rest(string what)
    {
        using var lab = new Lab(megabytes: 1);
        lab.ProvedBackup();
        foreach (var file in Files(lab).Where(f => Path.GetFileName(f) == what || f.Contains($"/{what}/", StringComparison.Ordinal)))
            File.Delete(file);
        // a repository whose header is gone is no empty folder
        if (what == "repo.json")
            Assert.Equal("RepositoryCorrupt", lab.Try("backup", "new", "shop").ErrorId);
        lab.DbRecovery(0, "repository", "repair", "main", "--yes");
        lab.DbRecovery(0, "repository", "test", "main", "--full");
        lab.DbRecovery(0, "backup", "restore", "shop", "--to", "copy.db");
        Assert.Equal(File.ReadAllBytes(lab.Database), File.ReadAllBytes(Path.Combine(lab.Folder, "copy.db")));
        lab.DbRecovery(0, "backup", "new", "shop");
    }

    [Fact]
    public void An_increment_does_not_need_the_backup_that_it_grew_from()
    {
        using var lab = new Lab(megabytes: 1);
        var parent = lab.DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        var children = new Dictionary<string, byte[]>();
        foreach (var kind in new[] { "incremental", "incremental", "differential" })
        {
            Lab.Sqlite(lab.Database, $"UPDATE orders SET status = '{children.Count}' WHERE id % 40 = {children.Count}");
            var child = lab.DbRecovery(0, "backup", "new", "shop", "--kind", kind).Object;
            Assert.Equal(kind, child.GetProperty("kind").GetString(), ignoreCase: true);
            children[child.GetProperty("id").GetString()!] = File.ReadAllBytes(lab.Database);
        }
        lab.DbRecovery(0, "backup", "remove", "shop", parent, children.Keys.First(), "--yes", "--grace", "0s");
        lab.DbRecovery(0, "repository", "prune", "main", "--repack", "--grace", "0s");
        lab.DbRecovery(0, "repository", "test", "main", "--full");
        Assert.Equal(2, lab.DbRecovery(0, "backup", "list", "shop").Objects.Count);
        foreach (var (id, content) in children.Skip(1))
        {
            lab.DbRecovery(0, "backup", "restore", "shop", id, "--to", $"{id}.db");
            Assert.Equal(content, File.ReadAllBytes(Path.Combine(lab.Folder, $"{id}.db")));
        }
    }

    [Fact]
    public void After_an_epoch_was_rotated_away_the_old_key_opens_nothing_and_the_new_one_everything()
    {
        using var lab = new Lab(megabytes: 1, repository: "repository, encryption: { passphrase: { env: BACKUP_KEY } }");
        lab.Variables["BACKUP_KEY"] = Passphrase;
        lab.Variables["OTHER"] = "another long passphrase";
        lab.DbRecovery(0, "backup", "new", "shop");
        lab.DbRecovery(0, "repository", "key", "add", "main", "--label", "other", "--passphrase-env", "OTHER");
        lab.DbRecovery(0, "repository", "key", "rotate", "main");
        lab.Variables["BACKUP_KEY"] = lab.Variables["OTHER"];
        lab.DbRecovery(0, "repository", "key", "remove", "main", "initial", "--yes");
        Lab.Sqlite(lab.Database, "UPDATE orders SET status = 'new epoch' WHERE id % 40 = 0");
        lab.DbRecovery(0, "backup", "new", "shop", "--kind", "incremental");
        lab.DbRecovery(0, "repository", "prune", "main", "--repack", "--grace", "0s");
        lab.DbRecovery(0, "repository", "test", "main", "--full");
        lab.DbRecovery(0, "backup", "restore", "shop", "--to", "copy.db");
        Assert.Equal(File.ReadAllBytes(lab.Database), File.ReadAllBytes(Path.Combine(lab.Folder, "copy.db")));
        lab.Variables["BACKUP_KEY"] = Passphrase;
        var old = lab.Try("backup", "restore", "shop", "--to", "old.db");
        Assert.True(old is { ExitCode: 4, ErrorId: "RepositoryLocked" }, old.ToString());
        Assert.False(File.Exists(Path.Combine(lab.Folder, "old.db")));
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
        if (how == "delete")
        {
            File.Delete(path);
            return;
        }
        var bytes = File.ReadAllBytes(path);
        if (how == "cut")
            bytes = bytes[..(bytes.Length / 2)];
        else
            bytes[bytes.Length / 3] ^= 0x10;
        File.WriteAllBytes(path, bytes);
    }
}

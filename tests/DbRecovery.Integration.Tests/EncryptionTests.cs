using System.Text;

namespace DbRecovery.Integration.Tests;

/// <summary>Encrypted repositories and their keys through the executable.</summary>
public sealed class EncryptionTests : IDisposable
{
    private const string Passphrase = "canary correct horse 4711";
    private readonly Lab _lab = new(megabytes: 1, repository: "repository, encryption: { passphrase: { env: BACKUP_KEY } }");
    private readonly Dictionary<string, string> _key = new() { ["BACKUP_KEY"] = Passphrase };
    private readonly List<Lab.Run> _runs = [];

    [Fact]
    public void Backups_are_taken_proved_and_restored_and_nothing_tells_of_them()
    {
        Do(0, "backup", "new", "shop", "--test");
        Do(0, "backup", "restore", "shop", "--to", "copy.db");
        Assert.Equal(new FileInfo(_lab.Database).Length, new FileInfo(Path.Combine(_lab.Folder, "copy.db")).Length);
        Do(0, "health", "shop");
        Do(0, "repository", "key", "add", "main", "--label", "escrow", "--generate-key-file", "escrow.key");
        var escrow = File.ReadAllText(Path.Combine(_lab.Folder, "escrow.key")).Trim();
        Do(0, "repository", "key", "rotate", "main");
        Do(0, "backup", "new", "shop");

        foreach (var file in Directory.GetFiles(_lab.Repository, "*", SearchOption.AllDirectories))
        {
            var text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
            foreach (var canary in new[] { "customers", "CREATE TABLE", "shop", Passphrase, escrow })
                Assert.False(text.Contains(canary, StringComparison.OrdinalIgnoreCase), $"'{canary}' is in {file}");
        }
        Assert.All(_runs, r => Assert.DoesNotContain(Passphrase, r.ToString(), StringComparison.Ordinal));
        Assert.All(_runs, r => Assert.DoesNotContain(escrow, r.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public void A_program_that_a_runbook_starts_does_not_find_the_passphrases()
    {
        var lab = _lab;
        Directory.CreateDirectory(Path.Combine(lab.Folder, "mine"));
        File.WriteAllText(Path.Combine(lab.Folder, "mine", "look.yml"), """
            runbook: look
            description: Look at what a program finds in its environment.
            version: 1.0.0
            match: { engines: [sqlite], faults: [custom.look] }
            guards: [ { fact: backup.configured, is: true } ]
            limits: { cooldown: 1h, maxDataLoss: 0B }
            steps:
              - { id: look, action: run-command, with: { command: [sh, -c, "env > seen.txt"] } }
              - { id: look-again, action: run-command, with: { command: [sh, -c, "env > named.txt"], inherit: [BACKUP_KEY] } }
            verify: [ { check: readable } ]
            """);
        File.WriteAllText(lab.Inventory, File.ReadAllText(lab.Inventory)
            .Replace("backups: { repository: main }", "backups: { repository: main }\n    checks: [ { name: look, query: \"select 1\", fault: custom.look, severity: outage, is: nothing } ]", StringComparison.Ordinal)
            .Replace("state: state", "state: state\nrunbooks: [mine]", StringComparison.Ordinal));
        _key["DBRECOVERY_PASSPHRASE"] = Passphrase;
        Do(0, "recover", "shop", "--fault", "custom.look", "--yes");
        var seen = File.ReadAllText(Path.Combine(lab.Folder, "seen.txt"));
        Assert.Contains("PATH=", seen, StringComparison.Ordinal);
        Assert.DoesNotContain(Passphrase, seen, StringComparison.Ordinal);
        var named = File.ReadAllText(Path.Combine(lab.Folder, "named.txt"));
        Assert.Contains($"BACKUP_KEY={Passphrase}", named, StringComparison.Ordinal);
        Assert.DoesNotContain("DBRECOVERY_PASSPHRASE", named, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_the_right_key_nothing_opens_and_the_message_says_which_keys_there_are()
    {
        Do(0, "backup", "new", "shop");
        _key["BACKUP_KEY"] = "something else entirely";
        Assert.Contains("'initial'", Refused("RepositoryLocked", "backup", "list", "shop").Err, StringComparison.Ordinal);
        Refused("RepositoryLocked", "backup", "new", "shop");
        _key.Remove("BACKUP_KEY");
        Assert.Equal("SecretUnavailable", _lab.DbRecovery(_key, "backup", "list", "shop").ErrorId);
        // by its path it is the same repository, and the inventory's encryption stands
        Assert.Equal("SecretUnavailable", _lab.DbRecovery(_key, "backup", "list", "--repository", "./repository").ErrorId);
        File.WriteAllText(_lab.Inventory, File.ReadAllText(_lab.Inventory).Replace(", encryption: { passphrase: { env: BACKUP_KEY } }", "", StringComparison.Ordinal));
        Refused("RepositoryLocked", "backup", "list", "shop");
    }

    [Fact]
    public void A_repository_at_a_path_is_opened_by_the_environment_and_never_in_the_clear()
    {
        _key["DBRECOVERY_PASSPHRASE"] = Passphrase;
        Do(0, "backup", "new", "--path", _lab.Database, "--repository", "./elsewhere");
        Do(0, "repository", "key", "add", "./elsewhere", "--label", "file", "--generate-key-file", "file.key");
        _key.Remove("DBRECOVERY_PASSPHRASE");
        // labels are no secret
        Assert.Equal(["initial", "file"], Do(0, "repository", "key", "list", "./elsewhere").Objects.Select(o => o.GetProperty("label").GetString()));
        Refused("RepositoryLocked", "backup", "list", "--repository", "./elsewhere");
        _key["DBRECOVERY_KEY_FILE"] = "file.key";
        Assert.Single(Do(0, "backup", "list", "--repository", "./elsewhere").Objects);
        _key["DBRECOVERY_PASSPHRASE"] = Passphrase;
        Assert.Equal("ParameterInvalid", Run("backup", "list", "--repository", "./elsewhere").ErrorId);
        _key.Remove("DBRECOVERY_KEY_FILE");
        _key.Remove("DBRECOVERY_PASSPHRASE");
        Do(0, "backup", "new", "--path", _lab.Database, "--repository", "./plain");
        _key["DBRECOVERY_PASSPHRASE"] = Passphrase;
        Refused("RepositoryLocked", "backup", "new", "--path", _lab.Database, "--repository", "./plain");
        Assert.Equal("RepositoryInvalid", Run("repository", "key", "list", "./nowhere").ErrorId);
    }

    [Fact]
    public void Keys_are_removed_only_with_agreement_and_never_the_last()
    {
        Do(0, "backup", "new", "shop");
        Assert.Equal("ParameterInvalid", Run("repository", "key", "remove", "main", "initial", "--yes").ErrorId);
        _key["OTHER"] = "another long passphrase";
        Do(0, "repository", "key", "add", "main", "--label", "other", "--passphrase-env", "OTHER");
        Refused("ApprovalRequired", "repository", "key", "remove", "main", "initial");
        var left = Do(0, "repository", "key", "remove", "main", "initial", "--yes").Object;
        Assert.Equal(("other", 2), (left.GetProperty("label").GetString(), left.GetProperty("epoch").GetInt32()));
        Refused("RepositoryLocked", "backup", "list", "shop");
        _key["BACKUP_KEY"] = _key["OTHER"];
        Assert.Single(Do(0, "backup", "list", "shop").Objects);
        Do(0, "backup", "new", "shop", "--test");
    }

    private Lab.Run Run(params string[] arguments)
    {
        var run = _lab.DbRecovery(_key, arguments);
        _runs.Add(run);
        return run;
    }

    private Lab.Run Do(int expected, params string[] arguments)
    {
        var run = Run(arguments);
        Assert.True(run.ExitCode == expected, $"dbrecovery {string.Join(' ', arguments)}: {run}");
        return run;
    }

    private Lab.Run Refused(string id, params string[] arguments)
    {
        var run = Do(4, arguments);
        Assert.Equal(id, run.ErrorId);
        return run;
    }

    public void Dispose() => _lab.Dispose();
}

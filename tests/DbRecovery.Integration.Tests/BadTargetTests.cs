namespace DbRecovery.Integration.Tests;

/// <summary>What is no database, or cannot be reached: it is named, refused and left as it was.</summary>
public sealed class BadTargetTests
{
    [Theory]
    [InlineData("missing", "DatabaseNotFound")]
    [InlineData("no folder", "DatabaseNotFound")]
    [InlineData("text", "NotADatabase")]
    [InlineData("encrypted", "NotADatabase")]
    [InlineData("zero", "NotADatabase")]
    [InlineData("short", "NotADatabase")]
    [InlineData("folder", "NotADatabase")]
    public void What_is_no_database_is_named_and_left_alone(string kind, string error)
    {
        using var lab = new Lab(megabytes: 0);
        Make(lab, kind);
        var path = kind == "no folder" ? Path.Combine(lab.Folder, "away", "shop.db") : lab.Database;
        var before = RecoveryTests.Tree(lab.Folder);

        lab.DbRecovery(1, "health", "--engine", "sqlite", "--path", path);
        var fault = lab.DbRecovery(1, "faults", "--engine", "sqlite", "--path", path).Objects[0];
        Assert.Equal("sqlite.env", fault.GetProperty("id").GetString());
        Assert.NotEqual(0, fault.GetProperty("evidence").GetArrayLength());
        if (kind != "no folder")
            Assert.Contains(lab.Try("recover", "shop", "--plan").ExitCode, (int[])[1, 2, 3, 4]);
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder));

        var backup = lab.Try("backup", "new", "--engine", "sqlite", "--path", path, "--repository", "./repository");
        Assert.True(backup.ErrorId == error && backup.ExitCode is 2 or 3, backup.ToString());
        Assert.Empty(lab.DbRecovery(0, "backup", "list", "--repository", "./repository").Objects);
        Assert.Empty(lab.Leftovers());
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder).Where(e => !e.StartsWith(lab.Repository, StringComparison.Ordinal)));
    }

    [Fact]
    public void A_restore_replaces_nothing_unasked_and_no_folder_ever()
    {
        using var lab = new Lab();
        lab.ProvedBackup();
        var folder = Directory.CreateDirectory(Path.Combine(lab.Folder, "a folder")).FullName;
        var before = RecoveryTests.Tree(lab.Folder);

        Assert.Equal("TargetExists", lab.Try("backup", "restore", "shop").ErrorId);
        var overFolder = lab.Try("backup", "restore", "shop", "--to", folder, "--replace", "--yes");
        Assert.True(overFolder.ErrorId is not null && overFolder.ExitCode is 2 or 3 or 4, overFolder.ToString());
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder));
    }

    [RootFact]
    public void Without_permission_each_command_says_so_and_changes_nothing()
    {
        using var lab = new Lab();
        lab.ProvedBackup();
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(lab.Database, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var before = RecoveryTests.Tree(lab.Folder);

        var faults = lab.AsNobody("faults", "--path", lab.Database, "--output", "json");
        Assert.True(faults.ExitCode == 1, faults.ToString());
        Assert.Equal("sqlite.env", faults.Objects[0].GetProperty("id").GetString());
        var backup = lab.AsNobody("backup", "new", "--path", lab.Database, "--repository", "./other");
        Assert.True(backup is { ExitCode: 3, ErrorId: "AccessDenied" }, backup.ToString());
        var restore = lab.AsNobody("backup", "restore", "shop", "--to", "./copy.db");
        Assert.True(restore is { ExitCode: 3, ErrorId: "AccessDenied" }, restore.ToString());
        var recover = lab.AsNobody("recover", "shop", "--yes", "--allow-data-loss", "any");
        Assert.True(recover.ExitCode is 1 or 3 or 4 && !recover.Err.Contains("unforeseen", StringComparison.Ordinal), recover.ToString());
        Assert.Equal(before, RecoveryTests.Tree(lab.Folder));
    }

    [RootFact]
    public void On_a_read_only_file_system_a_database_is_looked_at_and_nothing_is_written()
    {
        using var lab = new Lab();
        using var disk = new Small("40m");
        lab.ProvedBackup();
        var there = disk.At("shop.db");
        File.Copy(lab.Database, there);
        disk.Remount("ro");

        var faults = lab.Try("faults", "--path", there);
        Assert.True(faults.ExitCode is 0 or 1 && faults.ErrorId is null, faults.ToString());
        Assert.DoesNotContain(faults.Objects, f => f.GetProperty("id").GetString() == "sqlite.corrupt");
        var restore = lab.Try("backup", "restore", "shop", "--to", there, "--replace", "--yes");
        Assert.True(restore.ExitCode == 3 && restore.ErrorId is "AccessDenied" or "RestoreFailed", restore.ToString());
        var backup = lab.Try("backup", "new", "shop", "--repository", disk.At("repository"));
        Assert.True(backup.ExitCode == 3 && backup.ErrorId is "AccessDenied" or "RepositoryInvalid", backup.ToString());
        Assert.Equal([there], Directory.GetFileSystemEntries(disk.Folder));
        // a database that may only be read can still be backed up
        lab.DbRecovery(0, "backup", "new", "--path", there, "--repository", "./other");
    }

    private static void Make(Lab lab, string kind)
    {
        switch (kind)
        {
            case "text":
                File.WriteAllText(lab.Database, "Dear diary, this is no database.\n");
                break;
            case "encrypted":
                var bytes = new byte[64 << 10];
                new Random(1).NextBytes(bytes);
                File.WriteAllBytes(lab.Database, bytes);
                break;
            case "zero":
                File.WriteAllBytes(lab.Database, []);
                break;
            case "short":
                File.WriteAllBytes(lab.Database, "SQLite format 3\0\u0010\0"u8.ToArray());
                break;
            case "folder":
                Directory.CreateDirectory(lab.Database);
                break;
        }
    }
}

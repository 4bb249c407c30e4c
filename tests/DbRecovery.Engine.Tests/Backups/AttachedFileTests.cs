using System.Runtime.InteropServices;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed partial class AttachedFileTests : BackupFixture
{
    private string Config => Path.Combine(Root, "app", "app.conf");

    private string SameName => Path.Combine(Root, "other", "app.conf");

    private async Task<BackupInfo> TakeAsync(BackupKind kind = BackupKind.Full)
    {
        Database.Files["data.db"] = Rows(50_000, 1);
        foreach (var path in new[] { Config, SameName })
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(Config, "listen = 80");
        File.WriteAllText(SameName, "other");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Config, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Cluster = Cluster with { Backups = new BackupSettings { Repository = "main", Files = [Config, SameName] } };
        return await IncrementAsync(kind);
    }

    [Fact]
    public async Task Files_are_in_the_backup_and_restored_only_on_request()
    {
        var backup = await TakeAsync();
        File.WriteAllText(Config, "changed since");

        await RestoreAsync(backup);
        Assert.Equal("changed since", File.ReadAllText(Config));
        AssertRestored();

        var result = await Service.RestoreAsync(Request(backup, "second"), null, CancellationToken.None);

        Assert.Equal([Config, SameName], result.Files.Select(f => f.Path));
        Assert.Equal("listen = 80", File.ReadAllText(Config));
        Assert.Equal("changed since", File.ReadAllText(result.Files[0].PreviousPath!));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Config));
        Assert.Equal(2, Directory.GetFiles(Path.GetDirectoryName(Config)!).Length);
    }

    [Fact]
    public async Task Two_files_of_one_name_both_go_to_another_folder()
    {
        var backup = await TakeAsync();
        File.Delete(Config);

        var result = await Service.RestoreAsync(Request(backup, "restored") with { FilesTo = Path.Combine(Root, "files") }, null, CancellationToken.None);

        Assert.Equal(["listen = 80", "other"], result.Files.Select(f => File.ReadAllText(f.Path)));
        Assert.All(result.Files, f => Assert.StartsWith(Path.Combine(Root, "files"), f.Path));
        Assert.Equal([Config, SameName], result.Files.Select(f => f.OriginalPath));
        Assert.False(File.Exists(Config));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(Root, "files")).Length);
    }

    [Fact]
    public async Task What_is_no_file_costs_a_note_and_holds_nothing_up()
    {
        if (!OperatingSystem.IsLinux())
            return; // pipes with names and endless files are made by Linux
        var pipe = Path.Combine(Root, "app.pipe");
        Assert.Equal(0, MakePipe(pipe, 0x180));
        Database.Files["data.db"] = Rows(50_000, 1);
        Cluster = Cluster with { Backups = new BackupSettings { Repository = "main", Files = [pipe, "/dev/zero"] } };

        var backup = await Task.Run(BackUpAsync).WaitAsync(Wait.Limit);

        Assert.Equal(2, backup.Notes.Count);
        Assert.Contains(pipe, backup.Notes[0], StringComparison.Ordinal);
        await RestoreAsync(backup);
        AssertRestored();
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);

    [Fact]
    public async Task A_missing_file_costs_a_note_and_not_the_backup()
    {
        Assert.Empty((await TakeAsync()).MissingFiles);
        File.Delete(Config);

        var backup = await IncrementAsync();

        Assert.Equal(BackupStatus.Complete, backup.Status);
        Assert.Contains(Config, Assert.Single(backup.Notes));
        Assert.Equal([Config], backup.MissingFiles);
        // who lists it later sees it, too
        Assert.Equal([Config], (await Service.ListAsync(Repository, new BackupFilter { Id = backup.Id }, null, CancellationToken.None))[0].MissingFiles);
        Assert.True((await ProveAsync(backup)).Passed);
    }

    [Fact]
    public async Task A_test_checks_the_files_too_and_an_increment_stores_them_once()
    {
        var full = await TakeAsync();
        var packs = Keys("packs").Count;
        var increment = await TakeAsync(BackupKind.Incremental);

        Assert.Equal(packs, Keys("packs").Count);
        Assert.Equal(full.SizeBytes, increment.SizeBytes);
        var test = await ProveAsync(increment);
        Assert.True(test.Passed);
        Assert.Contains(test.Proof.Checks, c => c.Name == "digest" && c.Detail.StartsWith('3'));
        var content = await Service.OpenAsync(increment, CancellationToken.None);
        Assert.Equal([Config, SameName], content.Entries.Where(e => e.Part == BackupEntryPart.File).Select(e => e.OriginalPath));
    }

    [Fact]
    public async Task A_folder_at_a_files_place_refuses_the_restore_before_anything_is_written()
    {
        var backup = await TakeAsync();
        File.Delete(Config);
        Directory.CreateDirectory(Config);

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => Service.RestoreAsync(Request(backup, "restored"), null, CancellationToken.None));

        Assert.Equal(ErrorIds.RestoreFailed, error.Id);
        Assert.False(Path.Exists(Path.Combine(Root, "restored")));
    }

    private RestoreRequest Request(BackupInfo backup, string name) => new() { Backup = backup, Destination = Path.Combine(Root, name), IncludeFiles = true };
}

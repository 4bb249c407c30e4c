using DbRecovery.Sqlite.Restore;

namespace DbRecovery.Sqlite.Tests.Restore;

public sealed class RestoreTargetTests : IDisposable
{
    private readonly Sandbox _box = new();
    private readonly SqliteRestoreTarget _target = new(TimeProvider.System);
    private readonly BackupOf _backup = new(100_000, new BackupEntry { Path = "database", PageSize = 4096, Mode = 0x1a0 });

    public void Dispose() => _box.Dispose();

    private async Task<string?> Restore(string destination, bool replace)
    {
        var content = File.ReadAllBytes(_box.Create($"source-{Guid.NewGuid():N}.db", "new"));
        await using var session = await _target.BeginAsync(_backup, destination, replace, CancellationToken.None);
        File.WriteAllBytes(session.StagingPath(_backup.Entry), content);
        return await session.CommitAsync(CancellationToken.None);
    }

    private void AssertNothingLeftBehind() => Assert.Empty(Directory.GetFileSystemEntries(_box.Folder, ".*"));

    [Theory]
    [InlineData("fresh.db")]
    [InlineData("sub/folder/fresh.db")]
    public async Task Where_nothing_is_the_database_appears_whole(string name)
    {
        var path = _box.File(name);
        Assert.Null(await Restore(path, replace: false));
        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
        if (!OperatingSystem.IsWindows())
            Assert.Equal((UnixFileMode)0x1a0, File.GetUnixFileMode(path));
        AssertNothingLeftBehind();
    }

    [Theory]
    [InlineData("")]
    [InlineData("-wal")]
    [InlineData("-journal")]
    public async Task What_is_there_is_not_replaced_unasked(string suffix)
    {
        File.WriteAllText(_box.File("app.db" + suffix), "precious");
        var before = _box.Snapshot();
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => _target.BeginAsync(_backup, _box.File("app.db"), false, CancellationToken.None));
        Assert.Equal(ErrorIds.TargetExists, refused.Id);
        Assert.Equal(before, _box.Snapshot());
    }

    [Fact]
    public async Task Replacing_keeps_the_old_database_with_its_log_and_fences_its_users()
    {
        var path = _box.Create("app.db", "old", "wal");
        using var stale = OtherProcess.Open(path);
        Assert.Equal("done", stale.Run("INSERT INTO t VALUES (1000, 'x')"));
        var previous = await Restore(path, replace: true);
        Assert.Equal("error 14", stale.Run("INSERT INTO t VALUES (1001, 'x')"));
        stale.Dispose();
        Assert.Equal(1L, Sandbox.Execute(previous!, "SELECT count(*) FROM t WHERE id>=1000"));
        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
        AssertNothingLeftBehind();
    }

    [Fact]
    public async Task A_log_without_its_database_never_meets_the_restored_one()
    {
        var path = _box.File("app.db");
        File.WriteAllText(path + "-wal", "stale");
        var previous = await Restore(path, replace: true);
        Assert.Equal("stale", File.ReadAllText(Path.Combine(previous!, "app.db-wal")));
        Assert.Equal("ok", Sandbox.Execute(path, "PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_a_commit_all_is_as_it_was(bool written)
    {
        var path = _box.Create("app.db", "old");
        var before = _box.Snapshot();
        await using (var session = await _target.BeginAsync(_backup, path, true, CancellationToken.None))
        {
            if (written)
                File.WriteAllText(session.StagingPath(_backup.Entry), "half of it");
        }
        Assert.Equal(before, _box.Snapshot());
        AssertNothingLeftBehind();
    }

    [Fact]
    public async Task A_file_that_appears_meanwhile_is_not_overwritten()
    {
        var path = _box.File("app.db");
        await using (var session = await _target.BeginAsync(_backup, path, false, CancellationToken.None))
        {
            File.WriteAllText(session.StagingPath(_backup.Entry), "restored");
            File.WriteAllText(path, "someone else's");
            var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => session.CommitAsync(CancellationToken.None));
            Assert.Equal(ErrorIds.TargetExists, refused.Id);
        }
        Assert.Equal("someone else's", File.ReadAllText(path));
    }

    [Fact]
    public async Task More_than_there_is_room_for_is_refused_before_anything_is_written()
    {
        var huge = new BackupOf(long.MaxValue / 2, _backup.Entry);
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => _target.BeginAsync(huge, _box.File("app.db"), false, CancellationToken.None));
        Assert.Equal(ErrorIds.OutOfSpace, refused.Id);
        Assert.Empty(_box.Snapshot());
    }

    [Fact]
    public async Task A_folder_is_no_destination()
    {
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => _target.BeginAsync(_backup, _box.Folder, true, CancellationToken.None));
        Assert.Equal(ErrorIds.TargetExists, refused.Id);
    }

    [Fact]
    public async Task A_second_file_of_a_backup_is_refused()
    {
        await using var session = await _target.BeginAsync(_backup, _box.File("app.db"), false, CancellationToken.None);
        session.StagingPath(_backup.Entry);
        Assert.Equal(ErrorIds.RestoreFailed, Assert.Throws<DbRecoveryException>(() => session.StagingPath(_backup.Entry with { Path = "../../etc/passwd" })).Id);
    }
}

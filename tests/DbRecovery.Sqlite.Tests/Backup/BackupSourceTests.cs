using DbRecovery.Sqlite.Backup;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Tests.Backup;

public sealed class BackupSourceTests : IDisposable
{
    private readonly Sandbox _box = new();
    private readonly SqliteBackupSource _source = new(TimeProvider.System);

    public void Dispose() => _box.Dispose();

    private async Task<(BackupSourceInfo Info, string Restored)> Take(string path, MemorySink? sink = null)
    {
        sink ??= new MemorySink();
        var info = await _source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), sink, null, CancellationToken.None);
        Assert.Equal(1, sink.Completed);
        var restored = _box.File("restored.db");
        File.WriteAllBytes(restored, sink.Files["database"].Content.ToArray());
        return (info, restored);
    }

    [Theory]
    [InlineData("delete", 4096)]
    [InlineData("delete", 512)]
    [InlineData("persist", 65536)]
    [InlineData("wal", 4096)]
    [InlineData("wal", 1024)]
    public async Task A_backup_holds_every_committed_row_and_nothing_else(string journalMode, int pageSize)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 3000, pageSize: pageSize);
        using var app = OtherProcess.Open(path);
        Assert.Equal("done", app.Run("UPDATE t SET v='changed' WHERE id%100=0"));
        app.Run("BEGIN IMMEDIATE");
        Assert.Equal("done", app.Run("UPDATE t SET v='not committed' WHERE id%10=1"));

        var (info, restored) = await Take(path);

        Assert.Empty(info.Problems);
        Assert.Equal("ok", Sandbox.Execute(restored, "PRAGMA integrity_check"));
        Assert.Equal(3000L, Sandbox.Execute(restored, "SELECT count(*) FROM t"));
        Assert.Equal(30L, Sandbox.Execute(restored, "SELECT count(*) FROM t WHERE v='changed'"));
        Assert.Equal(0L, Sandbox.Execute(restored, "SELECT count(*) FROM t WHERE v='not committed'"));
        Assert.Equal("done", app.Run("COMMIT"));
    }

    [Fact]
    public async Task What_is_in_the_log_behind_the_page_of_the_lock_bytes_is_read()
    {
        // a sparse file that ends just before that page; what comes next is only in the log, and that page is nowhere
        const uint LockBytes = (0x40000000 / 4096) + 1;
        var path = _box.Create("app.db", "old", "wal");
        using (var file = File.Open(path, FileMode.Open))
        {
            file.SetLength((LockBytes - 2L) * 4096);
            file.Position = 28;
            file.Write([0, 3, 0xff, 0xff]);
        }
        using var app = OtherProcess.Open(path);
        app.Run("PRAGMA wal_autocheckpoint=0");
        Assert.Equal("done", app.Run("INSERT INTO t SELECT id + 1000, hex(zeroblob(2000)) FROM t"));
        using var snapshot = Snapshot.Open(path);
        await snapshot.PinAsync(Wait.Limit, TimeProvider.System, CancellationToken.None);
        var pages = new byte[(snapshot.PageCount - LockBytes + 3) * 4096];

        var whole = snapshot.Read(LockBytes - 2, pages);

        Assert.True(whole);
        for (var page = 1; page * 4096 < pages.Length; page++)
            Assert.Equal(page != 2, pages.AsSpan(page * 4096, 4096).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task It_leaves_the_files_as_they_were(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        var before = _box.Snapshot();
        var modified = File.GetLastWriteTimeUtc(path);
        var sink = new MemorySink();
        await _source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), sink, null, CancellationToken.None);
        Assert.Equal(before, _box.Snapshot());
        Assert.Equal(modified, File.GetLastWriteTimeUtc(path));
        // with nobody else there, the copy is the file itself
        Assert.Equal(File.ReadAllBytes(path), sink.Files["database"].Content.ToArray());
    }

    [Fact]
    public async Task It_leaves_no_shared_memory_beside_a_log_without_one()
    {
        var path = _box.Create("app.db", "old", "wal");
        var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'in the log')");
        app.Kill();
        File.Delete(path + "-shm"); // as after a restart where it was not kept, or in a copy
        var before = _box.Snapshot();
        await _source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), new MemorySink(), null, CancellationToken.None);
        Assert.Equal(before, _box.Snapshot());
    }

    [Fact]
    public async Task A_log_that_a_crash_left_is_backed_up_and_not_recovered()
    {
        var path = _box.Create("app.db", "old", "wal");
        var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'in the log')");
        app.Kill();
        var (database, log) = (File.ReadAllBytes(path), File.ReadAllBytes(path + "-wal"));

        var (_, restored) = await Take(path);

        Assert.Equal(database, File.ReadAllBytes(path));
        Assert.Equal(log, File.ReadAllBytes(path + "-wal"));
        Assert.Equal(1L, Sandbox.Execute(restored, "SELECT count(*) FROM t WHERE id=1000"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task A_backup_under_writers_and_checkpoints_is_one_moment(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 20000);
        Sandbox.Execute(path, "CREATE TABLE a(n INTEGER); CREATE TABLE b(n INTEGER);");
        using var stop = new CancellationTokenSource();
        var committed = 0;
        var writer = Task.Run(() => Write(path, stop.Token, () => Interlocked.Increment(ref committed)));
        for (var round = 0; round < 8; round++)
        {
            var seen = Volatile.Read(ref committed);
            await Wait.UntilAsync(() => Volatile.Read(ref committed) > seen + 5, "the writer");
            var (info, restored) = await Take(path);
            Assert.Empty(info.Problems);
            Assert.Equal("ok", Sandbox.Execute(restored, "PRAGMA integrity_check"));
            Assert.Equal(0L, Sandbox.Execute(restored, "SELECT (SELECT count(*) FROM a) - (SELECT count(*) FROM b)"));
            Assert.True((long)Sandbox.Execute(restored, "SELECT count(*) FROM a")! >= seen);
            foreach (var table in info.Objects.Where(o => o.Type == "table" && o.Name is "a" or "b" or "t"))
                Assert.Equal(table.Rows, Sandbox.Execute(restored, $"SELECT count(*) FROM {table.Name}"));
            File.Delete(restored);
            File.Delete(restored + "-wal");
            File.Delete(restored + "-shm");
        }
        await stop.CancelAsync();
        await writer;
    }

    private static void Write(string path, CancellationToken stop, Action committed)
    {
        using var connection = SqliteConnections.OpenReadWrite(path, Wait.Limit);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"BEGIN IMMEDIATE; INSERT INTO a VALUES ({i}); UPDATE t SET v='round {i}' WHERE id%97={i % 97}; INSERT INTO b VALUES ({i}); COMMIT; {(i % 7 == 0 ? "PRAGMA wal_checkpoint(RESTART)" : "")}";
            command.ExecuteNonQuery();
            committed();
        }
    }

    [Fact]
    public async Task What_it_says_of_the_objects_is_what_SQL_says()
    {
        var path = _box.Create("app.db", "old", rows: 2500);
        Sandbox.Execute(path, "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<700) INSERT INTO w SELECT 'key '||i, zeroblob(i*10) FROM n; CREATE TABLE empty(x); PRAGMA user_version=42");
        var (info, _) = await Take(path);
        var objects = info.Objects.ToDictionary(o => o.Name);
        Assert.Equal(2500, objects["t"].Rows);
        Assert.Equal(2500, objects["t_v"].Rows);
        Assert.Equal("t", objects["t_v"].Table);
        Assert.Equal(700, objects["w"].Rows);
        Assert.Equal(0, objects["empty"].Rows);
        Assert.All(objects.Values, o => Assert.StartsWith("sha256-pages:", o.Checksum, StringComparison.Ordinal));
        Assert.Equal("42", info.Settings["user_version"]);
        Assert.Equal("delete", info.Settings["journal_mode"]);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task Its_state_proves_that_nothing_was_written_until_something_is(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'x')");
        var info = (await Take(path)).Info;
        Assert.True(Unwritten(info, path));
        app.Run("UPDATE t SET v='y' WHERE id=1000");
        Assert.NotEqual(true, Unwritten(info, path));
    }

    private static bool? Unwritten(BackupSourceInfo info, string path)
    {
        var header = SqliteHeader.TryParse(File.ReadAllBytes(path).AsSpan(0, 100))!;
        return BackupState.Compare(info.State, BackupState.Capture(path, header), out _);
    }

    [Theory]
    [InlineData("missing", ErrorIds.DatabaseNotFound)]
    [InlineData("folder", ErrorIds.NotADatabase)]
    [InlineData("empty", ErrorIds.NotADatabase)]
    [InlineData("foreign", ErrorIds.NotADatabase)]
    [InlineData("random", ErrorIds.NotADatabase)]
    public async Task What_is_no_database_is_refused_with_its_own_id(string what, string id)
    {
        var path = _box.File("what.db");
        switch (what)
        {
            case "folder": Directory.CreateDirectory(path); break;
            case "empty": File.WriteAllBytes(path, []); break;
            case "foreign": File.WriteAllText(path, new string('x', 5000)); break;
            case "random": File.WriteAllBytes(path, System.Security.Cryptography.RandomNumberGenerator.GetBytes(8192)); break;
        }
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Take(path));
        Assert.Equal(id, refused.Id);
    }

    [Fact]
    public async Task Damaged_pages_are_problems_of_the_backup_not_errors()
    {
        var path = _box.Create("app.db", "old", rows: 3000);
        using (var file = new FileStream(path, FileMode.Open))
        {
            file.Position = file.Length / 2 / 4096 * 4096;
            file.Write(Enumerable.Repeat((byte)0xa5, 4096 * 3).ToArray());
        }
        var (info, _) = await Take(path);
        Assert.NotEmpty(info.Problems);
    }

    [Fact]
    public async Task A_file_that_ends_too_early_is_a_problem_of_the_backup()
    {
        var path = _box.Create("app.db", "old", rows: 3000);
        using (var file = new FileStream(path, FileMode.Open))
            file.SetLength(file.Length - 4096 * 5 - 100);
        var problems = await Record.ExceptionAsync(async () => Assert.NotEmpty((await Take(path)).Info.Problems));
        Assert.True(problems is null or DbRecoveryException { Id: ErrorIds.DatabaseCorrupt }, problems?.ToString());
    }

    [Theory]
    [InlineData("with space.db")]
    [InlineData("quo'te\".db")]
    [InlineData("new\nline.db")]
    [InlineData("a?b#c%20d.db")]
    [InlineData("file:x.db")]
    [InlineData("дані-数据.db")]
    public async Task Any_path_will_do(string name)
    {
        var path = _box.File(name);
        File.Move(_box.Create("plain.db", "old"), path);
        Assert.Equal(100L, (await Take(path)).Info.Objects.Single(o => o.Name == "t").Rows);
    }

    [Fact]
    public async Task Cancelled_in_the_middle_it_stops_and_completes_nothing()
    {
        var path = _box.Create("app.db", "old", rows: 60000);
        using var cancel = new CancellationTokenSource();
        var sink = new MemorySink { OnWrite = cancel.Cancel };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), sink, null, cancel.Token));
        Assert.Equal(0, sink.Completed);
        Assert.Null(Sandbox.Execute(path, "UPDATE t SET v='no lock is left' WHERE id=1"));
    }

    [Fact]
    public async Task A_database_that_is_held_exclusively_is_busy_and_the_holder_is_named()
    {
        var path = _box.Create("app.db", "old");
        using var app = OtherProcess.Open(path);
        Assert.Equal("done", app.Run("BEGIN EXCLUSIVE"));
        var source = new SqliteBackupSource(TimeProvider.System, TimeSpan.FromMilliseconds(100));
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), new MemorySink(), null, CancellationToken.None));
        Assert.Equal(ErrorIds.DatabaseBusy, refused.Id);
        if (OperatingSystem.IsLinux())
            Assert.Contains($"pid {app.Id} ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hot_journal_is_not_rolled_back_by_a_backup()
    {
        var path = _box.Create("app.db", "old", rows: 20000);
        var app = OtherProcess.Open(path);
        app.Run("PRAGMA cache_size=5");
        app.Run("BEGIN IMMEDIATE");
        Assert.Equal("done", app.Run("UPDATE t SET v='half'"));
        app.Kill();
        Assert.True(new FileInfo(path + "-journal").Length > 0);
        var before = _box.Snapshot();
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Take(path));
        Assert.Equal(ErrorIds.BackupFailed, refused.Id);
        Assert.Equal(before, _box.Snapshot());
    }
}

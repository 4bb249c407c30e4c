using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Swap;

namespace DbRecovery.Sqlite.Tests.Swap;

public sealed class SwapTests : IDisposable
{
    private readonly Sandbox _box = new();
    private readonly SqliteFileSwap _swap = new(TimeProvider.System);

    public void Dispose() => _box.Dispose();

    private Task<string?> Swap(string path, string newFile, TimeSpan? timeout = null) =>
        _swap.SwapAsync(Sandbox.Node(path), newFile, _box.File("kept"), timeout ?? Wait.Limit, null, CancellationToken.None);

    [Theory]
    [InlineData("delete", "1032")] // SQLITE_READONLY_DBMOVED
    [InlineData("truncate", "1032")]
    [InlineData("wal", "14")] // SQLITE_CANTOPEN from the fence
    public async Task A_connection_on_the_old_file_can_never_commit_again_and_a_new_one_sees_the_new_data(string journalMode, string refusal)
    {
        var path = _box.Create("app.db", "old", journalMode);
        var fresh = _box.Create("new.db", "new");
        using var stale = OtherProcess.Open(path);
        Assert.Equal(journalMode, stale.Run($"PRAGMA journal_mode={journalMode}"));
        Assert.Equal("done", stale.Run("INSERT INTO t VALUES (1000, 'acknowledged before')"));

        var kept = await Swap(path, fresh);

        Assert.StartsWith("error ", stale.Run("INSERT INTO t VALUES (1001, 'must not be acknowledged')"));
        Assert.StartsWith("error " + refusal, stale.Run("BEGIN IMMEDIATE") is var begun && begun.StartsWith("error", StringComparison.Ordinal) ? begun : stale.Run("UPDATE t SET v='x'"));
        using var reopened = OtherProcess.Open(path);
        Assert.StartsWith("new 1", reopened.Run("SELECT v FROM t WHERE id=1"));
        Assert.Equal(journalMode == "wal" ? "wal" : "delete", reopened.Run("PRAGMA journal_mode"));
        Assert.Equal("done", reopened.Run("INSERT INTO t VALUES (2000, 'goes on')"));
        Assert.Equal("1", reopened.Run("SELECT count(*) FROM t WHERE id>=1000"));
        Assert.False(File.Exists(fresh));
        // the kept file with its journals is the old database, to the last acknowledged row
        stale.Dispose();
        Assert.Equal(1L, Sandbox.Execute(kept!, "SELECT count(*) FROM t WHERE id>=1000"));
        Assert.Equal("ok", reopened.Run("PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task Writers_stay_locked_out_while_the_new_file_is_completed_from_the_old_one(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        var fresh = _box.Create("new.db", "old");
        using var writer = OtherProcess.Open(path);
        writer.Run("PRAGMA busy_timeout=0");
        Assert.Equal("done", writer.Run("INSERT INTO t VALUES (1000, 'acknowledged before')"));
        var during = new List<string>();

        await _swap.SwapAsync(Sandbox.Node(path), fresh, _box.File("kept"), Wait.Limit, async token =>
        {
            during.Add(writer.Run("INSERT INTO t VALUES (1001, 'too late')"));
            var report = await new Sqlite.Salvage.SqliteSalvager(TimeProvider.System).AddNewerRowsAsync(path, fresh, _box.File("rows.jsonl"), null, token);
            Assert.Equal(1, report.RowsWritten);
            // reading the file must not have let the lock go
            during.Add(writer.Run("INSERT INTO t VALUES (1001, 'too late')"));
        }, CancellationToken.None);

        Assert.All(during, d => Assert.StartsWith("error 5", d));
        Assert.Equal(1L, Sandbox.Execute(path, "SELECT count(*) FROM t WHERE id>=1000"));
    }

    [Fact]
    public async Task What_fails_while_writers_are_locked_out_leaves_everything_as_it_is()
    {
        var path = _box.Create("app.db", "old");
        var fresh = _box.Create("new.db", "new");
        await Assert.ThrowsAsync<DbRecoveryException>(() => _swap.SwapAsync(Sandbox.Node(path), fresh, _box.File("kept"), Wait.Limit,
            _ => throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "no"), CancellationToken.None));
        Assert.True(File.Exists(fresh));
        Assert.StartsWith("old", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
        Sandbox.Execute(path, "UPDATE t SET v='goes on' WHERE id=1");
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task A_reader_in_the_middle_of_its_transaction_is_not_disturbed(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 5000);
        using var reader = OtherProcess.Open(path);
        reader.Run("BEGIN");
        Assert.StartsWith("old 1", reader.Run("SELECT v FROM t WHERE id=1"));

        await Swap(path, _box.Create("new.db", "new"));

        Assert.StartsWith("old 4999", reader.Run("SELECT v FROM t WHERE id=4999"));
        Assert.Equal("5000", reader.Run("SELECT count(*) FROM t"));
        Assert.StartsWith("error", reader.Run("UPDATE t SET v='lost' WHERE id=1"));
        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task A_writer_that_does_not_end_makes_it_refuse_name_the_holder_and_change_nothing(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        var fresh = _box.Create("new.db", "new");
        using var writer = OtherProcess.Open(path);
        Assert.Equal("done", writer.Run("BEGIN IMMEDIATE"));
        Assert.Equal("done", writer.Run("UPDATE t SET v='mine' WHERE id=1"));
        var before = _box.Snapshot();

        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, fresh, TimeSpan.FromMilliseconds(100)));

        Assert.Equal(ErrorIds.DatabaseBusy, refused.Id);
        if (OperatingSystem.IsLinux())
            Assert.Contains($"pid {writer.Id} ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, _box.Snapshot());
        Assert.Equal("done", writer.Run("COMMIT"));
        Assert.Equal("mine", Sandbox.Execute(path, "SELECT v FROM t WHERE id=1"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task Every_commit_that_was_acknowledged_while_it_swapped_is_in_the_kept_file(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var app = OtherProcess.Open(path);
        app.Run("PRAGMA synchronous=off");
        var acknowledged = 0;
        var writing = Task.Run(() =>
        {
            for (var id = 1000; id < 1_000_000; id++)
            {
                var answer = app.Run($"INSERT INTO t VALUES ({id}, 'x')");
                if (answer == "done")
                    Interlocked.Increment(ref acknowledged);
                else if (answer != "error 5") // busy is an answer that an application waits out
                    return answer;
            }
            return "never stopped";
        });
        await Wait.UntilAsync(() => Volatile.Read(ref acknowledged) > 50, "the application");

        var kept = await Swap(path, _box.Create("new.db", "new"));

        Assert.Equal(journalMode == "wal" ? "error 14" : "error 1032", await writing);
        app.Dispose();
        Assert.Equal((long)acknowledged, Sandbox.Execute(kept!, "SELECT count(*) FROM t WHERE id>=1000"));
        Assert.Equal(0L, Sandbox.Execute(path, "SELECT count(*) FROM t WHERE id>=1000"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task While_it_holds_the_file_nobody_can_write_and_nobody_new_can_begin(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var app = OtherProcess.Open(path);
        Assert.Equal("100", app.Run("SELECT count(*) FROM t"));
        using (await SqliteFileLock.TakeAsync(path, Wait.Limit, TimeProvider.System, CancellationToken.None))
        {
            Assert.Equal("error 5", app.Run("INSERT INTO t VALUES (1000, 'x')"));
            using var late = OtherProcess.Open(path);
            Assert.Equal("error 5", late.Run("SELECT count(*) FROM t"));
            using var mine = SqliteConnections.OpenReadWrite(path, TimeSpan.Zero);
            Assert.Throws<Microsoft.Data.Sqlite.SqliteException>(() => Run(mine, "BEGIN IMMEDIATE"));
        }
        Assert.Equal("done", app.Run("INSERT INTO t VALUES (1000, 'x')"));
    }

    [Fact]
    public async Task Where_the_file_system_has_no_links_the_old_file_is_copied()
    {
        var path = _box.Create("app.db", "old", rows: 30000);
        Directory.CreateDirectory(_box.File("kept"));
        var plan = new SwapPlan(path, _box.File("new.db"), _box.File("kept"));
        using (var held = await SqliteFileLock.TakeAsync(path, Wait.Limit, TimeProvider.System, CancellationToken.None))
            plan.Copy(held);
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(plan.KeptPath));
        Assert.Single(Directory.GetFiles(_box.File("kept")));
        // cut off after the copy: the next run takes it as it is
        Assert.Equal(plan.KeptPath, await Swap(path, _box.Create("new.db", "new")));
        Assert.StartsWith("old 1", (string)Sandbox.Execute(plan.KeptPath, "SELECT v FROM t WHERE id=1")!);
    }

    [Fact]
    public async Task Another_file_in_the_keep_folder_is_never_overwritten()
    {
        var path = _box.Create("app.db", "old");
        var fresh = _box.Create("new.db", "new");
        Directory.CreateDirectory(_box.File("kept"));
        File.WriteAllText(_box.File("kept/app.db"), "evidence of an earlier incident");
        var before = _box.Snapshot();
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, fresh));
        Assert.Equal(ErrorIds.TargetExists, refused.Id);
        Assert.Equal(before, _box.Snapshot());
    }

    [Fact]
    public async Task A_link_at_the_path_stays_and_what_it_names_is_replaced()
    {
        var path = _box.Create("real.db", "old");
        File.CreateSymbolicLink(_box.File("link.db"), path);
        await Swap(_box.File("link.db"), _box.Create("new.db", "new"));
        Assert.Equal(path, new FileInfo(_box.File("link.db")).LinkTarget);
        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
    }

    [Fact]
    public async Task It_waits_for_a_writer_to_end()
    {
        var path = _box.Create("app.db", "old", "wal");
        using var writer = OtherProcess.Open(path);
        writer.Run("BEGIN IMMEDIATE");
        var swap = Swap(path, _box.Create("new.db", "new"));
        Assert.Equal("done", writer.Run("INSERT INTO t VALUES (1000, 'x')"));
        Assert.Equal("done", writer.Run("COMMIT"));
        var kept = await swap;
        writer.Dispose();
        Assert.Equal(1L, Sandbox.Execute(kept!, "SELECT count(*) FROM t WHERE id=1000"));
    }

    [Fact]
    public async Task A_connection_in_this_process_keeps_its_locks_when_a_swap_is_refused()
    {
        var path = _box.Create("app.db", "old");
        using var mine = SqliteConnections.OpenReadWrite(path, TimeSpan.Zero);
        Run(mine, "BEGIN IMMEDIATE");
        Run(mine, "UPDATE t SET v='mine' WHERE id=1");

        await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, _box.Create("new.db", "new"), TimeSpan.FromMilliseconds(50)));

        using var other = OtherProcess.Open(path);
        Assert.Equal("error 5", other.Run("BEGIN IMMEDIATE"));
        Run(mine, "COMMIT");
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("garbage")]
    [InlineData("missing")]
    public async Task Whatever_is_at_the_path_is_replaced_and_kept(string damage)
    {
        var path = _box.Create("app.db", "old", "wal");
        switch (damage)
        {
            case "empty": File.WriteAllBytes(path, []); break;
            case "garbage": File.WriteAllBytes(path, Enumerable.Repeat((byte)0xa5, 10000).ToArray()); break;
            default: File.Delete(path); break;
        }
        File.WriteAllText(path + "-wal", "stale log");
        File.WriteAllText(path + "-journal", "stale journal");

        var kept = await Swap(path, _box.Create("new.db", "new"));

        Assert.Equal(damage == "missing", kept is null);
        Assert.Equal("stale log", File.ReadAllText(_box.File("kept/app.db-wal")));
        Assert.Equal("stale journal", File.ReadAllText(_box.File("kept/app.db-journal")));
        Assert.Equal("ok", Sandbox.Execute(path, "PRAGMA integrity_check"));
        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
    }

    [Fact]
    public async Task Connections_to_a_deleted_file_are_fenced_too()
    {
        var path = _box.Create("app.db", "old", "wal");
        using var stale = OtherProcess.Open(path);
        Assert.Equal("done", stale.Run("INSERT INTO t VALUES (1000, 'x')"));
        File.Delete(path);
        Assert.Null(await Swap(path, _box.Create("new.db", "new")));
        Assert.Equal("error 14", stale.Run("INSERT INTO t VALUES (1001, 'x')"));
    }

    [Fact]
    public async Task The_plan_lists_what_is_then_done_and_changes_nothing()
    {
        var path = _box.Create("app.db", "old", "wal");
        var fresh = _box.Create("new.db", "new");
        using var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'x')");
        var before = _box.Snapshot();

        var acts = _swap.PlanSwap(Sandbox.Node(path), fresh, _box.File("kept"));

        Assert.Equal(before, _box.Snapshot());
        Assert.Equal([ActKind.Modify, ActKind.Create, ActKind.Modify, ActKind.Create, ActKind.Modify, ActKind.Move, ActKind.Move, ActKind.Replace], acts.Select(a => a.Kind));
        Assert.DoesNotContain(acts, a => a.Destructive); // everything old is kept
        await Swap(path, fresh);
        Assert.Equal(["app.db", "app.db-shm", "app.db-wal"], Directory.GetFiles(_box.File("kept")).Select(Path.GetFileName).Order());
        Assert.Empty(Directory.GetFiles(_box.Folder, "new.db*"));
    }

    [Theory]
    [InlineData("kept")]
    [InlineData("kept and log moved")]
    [InlineData("kept, log moved, another log since")]
    [InlineData("done")]
    public async Task Cut_off_anywhere_it_can_be_run_again(string where)
    {
        var path = _box.Create("app.db", "old", "wal");
        var fresh = _box.Create("new.db", "new");
        File.WriteAllText(path + "-wal", "first log");
        Directory.CreateDirectory(_box.File("kept"));
        Assert.True(DbRecovery.Sqlite.Files.PosixFile.TryLink(path, _box.File("kept/app.db")));
        if (where != "kept")
            File.Move(path + "-wal", _box.File("kept/app.db-wal"));
        if (where.Contains("another", StringComparison.Ordinal))
            File.WriteAllText(path + "-wal", "second log");
        if (where == "done")
            File.Move(fresh, path, overwrite: true);

        Assert.Equal(_box.File("kept/app.db"), await Swap(path, fresh));

        Assert.StartsWith("new 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
        Assert.Equal("first log", File.ReadAllText(_box.File("kept/app.db-wal")));
        Assert.Equal(where.Contains("another", StringComparison.Ordinal), File.Exists(_box.File("kept/app.db-wal.1")));
        Assert.True(new FileInfo(_box.File("kept/app.db")).Length > 0);
    }

    [Fact]
    public async Task A_swap_that_fails_before_the_exchange_takes_everything_back()
    {
        var path = _box.Create("app.db", "old", "wal");
        var fresh = _box.Create("new.db", "new");
        using var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'x')");
        var plan = new SwapPlan(path, fresh, _box.File("kept"));
        using (var held = await SqliteFileLock.TakeAsync(path, Wait.Limit, TimeProvider.System, CancellationToken.None))
        {
            File.Delete(fresh);
            Assert.ThrowsAny<Exception>(() => plan.Run(held));
        }
        Assert.Equal("done", app.Run("INSERT INTO t VALUES (1001, 'goes on')"));
        Assert.Equal(2L, Sandbox.Execute(path, "SELECT count(*) FROM t WHERE id>=1000"));
        Assert.Empty(Directory.GetFiles(_box.File("kept")));
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task The_new_file_takes_the_old_ones_mode()
    {
        var path = _box.Create("app.db", "old");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        await Swap(path, _box.Create("new.db", "new"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(path));
    }

    [Fact]
    public async Task A_new_file_that_is_missing_or_has_a_log_is_refused()
    {
        var path = _box.Create("app.db", "old");
        var missing = await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, _box.File("absent.db")));
        Assert.Equal(ErrorIds.DatabaseNotFound, missing.Id);
        var fresh = _box.Create("new.db", "new");
        File.WriteAllText(fresh + "-wal", "a log");
        var incomplete = await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, fresh));
        Assert.Equal(ErrorIds.ParameterInvalid, incomplete.Id);
        Assert.StartsWith("old 1", (string)Sandbox.Execute(path, "SELECT v FROM t WHERE id=1")!);
    }

    [Fact]
    public async Task A_connection_that_has_not_read_yet_is_waited_for_and_named()
    {
        var path = _box.Create("app.db", "old", "wal");
        var fresh = _box.Create("new.db", "new");
        using var idle = OtherProcess.Open(path);
        var before = _box.Snapshot();

        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Swap(path, fresh, TimeSpan.FromMilliseconds(150)));

        Assert.Equal(ErrorIds.DatabaseBusy, refused.Id);
        Assert.Contains($"pid {idle.Id} ", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, _box.Snapshot());
        var swap = Swap(path, fresh);
        var answer = "";
        await Wait.UntilAsync(() => (answer = idle.Run("SELECT v FROM t WHERE id=1")) != "error 5", "a moment between two attempts");
        Assert.StartsWith("old 1", answer);
        await swap;
        // new and old pages never meet
        using var app = OtherProcess.Open(path);
        Assert.Equal("done", app.Run("UPDATE t SET v='newer' WHERE id=1"));
        Assert.Equal("error 14", idle.Run("SELECT v FROM t WHERE id=1"));
        Assert.Equal("ok", app.Run("PRAGMA integrity_check"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task Who_still_has_the_old_file_open_is_named(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var stale = OtherProcess.Open(path);
        stale.Run("SELECT count(*) FROM t");
        var kept = await Swap(path, _box.Create("new.db", "new"));
        using var reopened = OtherProcess.Open(path);
        reopened.Run("SELECT count(*) FROM t");

        Assert.StartsWith($"pid {stale.Id} (", Assert.Single(_swap.StillOpenBy(Sandbox.Node(path), kept!)), StringComparison.Ordinal);
        stale.Dispose();
        Assert.Empty(_swap.StillOpenBy(Sandbox.Node(path), kept!));
    }

    private static void Run(Microsoft.Data.Sqlite.SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}

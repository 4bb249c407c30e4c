using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Observation;

namespace DbRecovery.Sqlite.Tests.Observation;

public sealed class ObserverTests
{
    [Theory]
    [InlineData("delete", ObservationLevel.Quick)]
    [InlineData("wal", ObservationLevel.Quick)]
    [InlineData("delete", ObservationLevel.Standard)]
    [InlineData("wal", ObservationLevel.Deep)]
    public async Task A_sound_database_is_seen_as_such_and_left_as_it_was(string journal, ObservationLevel level)
    {
        using var box = new LookSandbox();
        box.Create(journal);
        var before = box.Tree();
        var seen = await box.Observe(level);
        Assert.Equal(before, box.Tree());
        Assert.Equal(Reachability.Reachable, seen.Reachability);
        Assert.Empty(seen.Errors);
        Assert.Equal("ok", seen.Facts.Text(SqliteFacts.Header));
        Assert.Equal(0, seen.Facts.Int(SqliteFacts.OpenError));
        Assert.Equal(0, seen.Facts.Int(SqliteFacts.MissingBytes));
        Assert.False(seen.Facts.Bool(SqliteFacts.RecoveryNeeded));
        Assert.False(seen.Facts.Bool(SqliteFacts.WriteBlocked));
        Assert.Equal(journal == "wal" ? "wal" : "rollback", seen.Facts.Text(SqliteFacts.JournalMode));
        Assert.Equal(level switch { ObservationLevel.Quick => "none", ObservationLevel.Standard => "quick_check", _ => "integrity_check" }, seen.Facts.Text(SqliteFacts.StructureCheck));
        if (level != ObservationLevel.Quick)
            Assert.Equal(0, seen.Facts.Int(SqliteFacts.StructureErrorCount));
    }

    [Theory]
    [InlineData("missing", "missing", Reachability.Absent)]
    [InlineData("empty", "empty", Reachability.Reachable)]
    [InlineData("short", "truncated", Reachability.Refusing)]
    [InlineData("foreign", "foreign", Reachability.Refusing)]
    [InlineData("header", "foreign", Reachability.Refusing)]
    [InlineData("fields", "invalid", Reachability.Refusing)]
    [InlineData("truncated", "ok", Reachability.Refusing)]
    public async Task A_broken_file_is_an_observation(string damage, string header, Reachability reachability)
    {
        using var box = new LookSandbox();
        box.Create();
        switch (damage)
        {
            case "missing": File.Delete(box.Database); break;
            case "empty": File.WriteAllBytes(box.Database, []); break;
            case "short": File.WriteAllBytes(box.Database, new byte[50]); break;
            case "foreign": File.WriteAllText(box.Database, new string('x', 5000)); break;
            case "header": box.Overwrite(0, Enumerable.Range(1, 100).Select(i => (byte)(i * 37)).ToArray()); break;
            case "fields": box.Overwrite(16, [1, 1]); break;
            case "truncated": using (var file = File.OpenWrite(box.Database)) file.SetLength(8192); break;
        }
        var before = box.Tree();
        var seen = await box.Observe();
        Assert.Equal(before, box.Tree());
        Assert.Equal(header, seen.Facts.Text(SqliteFacts.Header));
        if (damage == "truncated")
            Assert.True(seen.Facts.Int(SqliteFacts.MissingBytes) > 0);
        else
            Assert.Equal(reachability, seen.Reachability);
    }

    [Fact]
    public async Task A_folder_in_the_place_of_the_file_is_an_observation()
    {
        using var box = new LookSandbox();
        Directory.CreateDirectory(box.Database);
        var seen = await box.Observe();
        Assert.Equal("folder", seen.Facts.Text(SqliteFacts.FileKind));
        Assert.Equal(Reachability.Refusing, seen.Reachability);
    }

    [Theory]
    [InlineData("a b.db")]
    [InlineData("it's \"q\".db")]
    [InlineData("a?b#c%20.db")]
    [InlineData("two\nlines.db")]
    [InlineData("größe-数据.db")]
    public async Task A_path_may_hold_any_character(string name)
    {
        using var box = new LookSandbox(name);
        box.Create(rows: 20);
        Assert.Equal(0, (await box.Observe()).Facts.Int(SqliteFacts.StructureErrorCount));
    }

    [Fact]
    public async Task An_overwritten_data_page_is_a_structure_error()
    {
        using var box = new LookSandbox();
        box.Create();
        box.Overwrite(new FileInfo(box.Database).Length / 2 / 4096 * 4096, Enumerable.Repeat((byte)0x77, 4096).ToArray());
        Assert.True((await box.Observe()).Facts.Int(SqliteFacts.StructureErrorCount) > 0);
    }

    [Fact]
    public async Task An_orphaned_wal_needs_recovery_and_is_read_without_one()
    {
        using var box = new LookSandbox();
        box.Create("wal");
        using var copy = new LookSandbox();
        using (var writer = box.Open())
        {
            LookSandbox.Run(writer, "CREATE TABLE late (a)");
            Assert.False((await box.Observe(ObservationLevel.Quick)).Facts.Bool(SqliteFacts.RecoveryNeeded));
            File.Copy(box.Database, copy.Database);
            File.Copy(box.Database + "-wal", copy.Database + "-wal");
        }
        var before = copy.Tree();
        var seen = await copy.Observe();
        Assert.Equal(before, copy.Tree());
        Assert.True(seen.Facts.Bool(SqliteFacts.RecoveryNeeded));
        Assert.Equal(copy.Database + "-wal", seen.Facts.Text(SqliteFacts.RecoveryFile));
        Assert.Equal(0, seen.Facts.Int(SqliteFacts.StructureErrorCount));
    }

    [Fact]
    public async Task A_hot_journal_needs_recovery_and_is_not_touched()
    {
        using var box = new LookSandbox();
        box.Create();
        using var copy = new LookSandbox();
        using (var writer = box.Open())
        {
            LookSandbox.Run(writer, "PRAGMA cache_size = 5; BEGIN; UPDATE people SET name = 'x' || id;");
            File.Copy(box.Database, copy.Database);
            File.Copy(box.Database + "-journal", copy.Database + "-journal");
            LookSandbox.Run(writer, "ROLLBACK");
        }
        var before = copy.Tree();
        var seen = await copy.Observe(ObservationLevel.Deep);
        Assert.Equal(before, copy.Tree());
        Assert.True(seen.Facts.Bool(SqliteFacts.RecoveryNeeded));
        Assert.Equal(0, seen.Facts.Int(SqliteFacts.StructureErrorCount));
    }

    [Theory]
    [InlineData("delete", "BEGIN IMMEDIATE", nameof(LockStrength.Reserved))]
    [InlineData("delete", "BEGIN EXCLUSIVE", nameof(LockStrength.Exclusive))]
    [InlineData("wal", "BEGIN IMMEDIATE", nameof(LockStrength.WalWriter))]
    public async Task Looking_takes_no_lock_away_from_this_process(string journal, string begin, string strength)
    {
        using var box = new LookSandbox();
        box.Create(journal);
        using var writer = box.Open();
        LookSandbox.Run(writer, begin);
        var held = new HeldLock(Environment.ProcessId, Enum.Parse<LockStrength>(strength));
        Assert.Contains(held, FileUsers.ReadLocks(box.Database));
        var seen = await box.Observe(ObservationLevel.Quick);
        Assert.Contains(held, FileUsers.ReadLocks(box.Database));
        Assert.True(seen.Facts.Bool(SqliteFacts.WriteBlocked));
    }

    [Fact]
    public async Task Random_damage_never_throws()
    {
        using var box = new LookSandbox();
        box.Create(rows: 300);
        var sound = File.ReadAllBytes(box.Database);
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var bytes = (byte[])sound.Clone();
            for (var i = 0; i < 1 + seed; i++)
                bytes[seed % 3 == 0 ? random.Next(200) : random.Next(bytes.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(box.Database, bytes);
            Assert.NotNull(await box.Observe(ObservationLevel.Deep));
            Assert.True(new SqliteProvider().TryGet<IDataInspector>(out var inspector));
            Assert.NotNull(await inspector.CountRowsAsync(box.Database, default));
        }
    }

    [Fact]
    public async Task When_the_application_closes_while_it_looks_no_log_stays_behind()
    {
        using var box = new LookSandbox();
        box.Create("wal");
        using var app = OtherProcess.Open(box.Database);
        Assert.Equal("done", app.Run("INSERT INTO pairs VALUES (-1, -1)"));
        var progress = new Reporter(status =>
        {
            if (status == "checking the structure")
                app.Dispose();
        });
        Assert.True(new SqliteProvider().TryGet<INodeObserver>(out var observer));
        var node = Sandbox.Node(box.Database);
        await observer.ObserveAsync(new ObservationRequest { Node = node, Cluster = Sandbox.Cluster(box.Database), Level = ObservationLevel.Standard, Timeout = Wait.Limit }, progress, default);
        Assert.True(app.HasEnded);
        Assert.Equal([box.Database], Directory.GetFiles(box.Folder));
        Assert.False((await box.Observe()).Facts.Bool(SqliteFacts.RecoveryNeeded));
        Assert.Equal(1L, Sandbox.Execute(box.Database, "SELECT count(*) FROM pairs WHERE a = -1"));
    }

    private sealed class Reporter(Action<string> report) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => report(value.Status);
    }

    [Fact]
    public async Task Cancelling_throws()
    {
        using var box = new LookSandbox();
        box.Create(rows: 10);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => box.Observe(token: new CancellationToken(true)));
    }
}

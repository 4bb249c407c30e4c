using System.Text;
using DbRecovery.Sqlite.Backup;

namespace DbRecovery.Sqlite.Tests.Backup;

/// <summary>What an increment takes over unread is what a full would have read, and is taken over only where that is proved.</summary>
public sealed class IncrementProofTests : IDisposable
{
    private readonly Sandbox _box = new();
    // by this clock the file's times are old enough to prove something
    private readonly SqliteBackupSource _source = new(new MovedTime { By = TimeSpan.FromMinutes(1) });

    public void Dispose() => _box.Dispose();

    private async Task<(TakenBackup Backup, ParentSink Sink)> Take(string path, TakenBackup? parent = null, SqliteBackupSource? source = null)
    {
        var sink = new ParentSink(parent);
        var info = await (source ?? _source).ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), sink, null, CancellationToken.None);
        return (sink.Taken(info), sink);
    }

    /// <summary>An increment is, page by page and object by object, the full that is taken of the same moment.</summary>
    private async Task<TakenBackup> Same(string path, TakenBackup increment)
    {
        var (full, _) = await Take(path, source: new SqliteBackupSource(TimeProvider.System));
        Assert.Equal(full.Database, increment.Database);
        Assert.Equal(full.Source.Objects, increment.Source.Objects);
        Assert.Equal(full.Files["schema.sql"].Content, increment.Files["schema.sql"].Content);
        return increment;
    }

    [Theory]
    [InlineData("delete", false)]
    [InlineData("delete", true)]
    [InlineData("wal", false)]
    [InlineData("wal", true)]
    public async Task Where_nothing_was_written_nothing_is_read(string journalMode, bool open)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 3000);
        using var app = open ? OtherProcess.Open(path) : null;
        app?.Run("UPDATE t SET v='x' WHERE id=5");
        var parent = (await Take(path)).Backup;

        var (increment, sink) = await Take(path, parent, new SqliteBackupSource(TimeProvider.System));

        Assert.Equal((0, parent.Database.LongLength), (sink.Given, sink.Reused));
        await Same(path, increment);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task What_was_written_is_never_taken_over(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 3000);
        using var app = OtherProcess.Open(path);
        app.Run("SELECT 1 FROM t");
        var last = (await Take(path)).Backup;
        var random = new Random(1);
        for (var round = 0; round < 40; round++)
        {
            app.Run(random.Next(8) switch
            {
                0 => $"DELETE FROM t WHERE id % 7 = {round % 7}",
                1 => $"INSERT INTO t SELECT max(id)+1+value, 'grown' FROM t, (WITH RECURSIVE n(value) AS (VALUES(1) UNION ALL SELECT value+1 FROM n WHERE value<400) SELECT value FROM n) GROUP BY value",
                2 => "PRAGMA wal_checkpoint(RESTART)",
                3 => "VACUUM",
                4 => $"CREATE TABLE n{round}(x); ",
                _ => $"UPDATE t SET v='round {round}' WHERE id={random.Next(3000)}",
            });
            last = await Same(path, (await Take(path, random.Next(5) == 0 ? null : last)).Backup);
        }
    }

    [Fact]
    public async Task In_one_process_only_the_pages_in_the_log_are_read()
    {
        var path = _box.Create("app.db", "old", "wal", rows: 20000);
        using var app = OtherProcess.Open(path);
        app.Run("UPDATE t SET v='first' WHERE id=1");
        var parent = (await Take(path)).Backup;
        app.Run("UPDATE t SET v='second' WHERE id=9000");

        var (increment, sink) = await Take(path, parent);

        Assert.InRange(sink.Given, 4096, 20 * 4096);
        Assert.Equal(parent.Database.LongLength, sink.Given + sink.Reused);
        await Same(path, increment);

        // a checkpoint writes the file, and from outside others' writes look the same
        app.Run("PRAGMA wal_checkpoint(PASSIVE)");
        var (next, after) = await Take(path, increment);
        Assert.Equal(0, after.Reused);
        await Same(path, next);
        Assert.Equal(0, (await Take(path, next)).Sink.Given);
    }

    [Fact]
    public async Task A_file_that_others_wrote_under_its_log_is_read()
    {
        var path = _box.Create("app.db", "old", "wal", rows: 20000);
        var older = File.ReadAllBytes(path);
        using var app = OtherProcess.Open(path);
        app.Run("UPDATE t SET v='first' WHERE id > 10000");
        app.Run("PRAGMA wal_checkpoint(RESTART)");
        app.Run("UPDATE t SET v='second' WHERE id=1");
        var parent = (await Take(path)).Backup;
        app.Run("UPDATE t SET v='third' WHERE id=2");
        // as somebody does who puts an older copy back and forgets the log
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            file.Write(older);

        await Same(path, (await Take(path, parent)).Backup);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task A_file_touched_within_the_tick_of_the_backup_is_read(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode, rows: 3000);
        using var app = OtherProcess.Open(path);
        var parent = (await Take(path)).Backup;
        var touched = new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero);
        var other = new TakenBackup(parent.Source with { DataAsOf = touched }, parent.Files.ToDictionary());

        Assert.Equal(0, (await Take(path, other)).Sink.Reused);
    }

    [Theory]
    [InlineData("counter")]
    [InlineData("frames")]
    public async Task The_same_count_of_another_history_proves_nothing(string what)
    {
        var path = _box.Create("app.db", "old", what == "frames" ? "wal" : "delete", rows: 3000);
        using var app = OtherProcess.Open(path);
        app.Run("UPDATE t SET v='a' WHERE id=5");
        var parent = (await Take(path)).Backup;
        // as after a power cut: the same number by other changes
        var state = parent.Source.State.ToDictionary();
        state[what == "frames" ? "walCheck" : "fileModified"] = "0000000000000000";
        var other = new TakenBackup(parent.Source with { State = state }, parent.Files.ToDictionary());

        var (_, sink) = await Take(path, other);

        Assert.Equal(0, sink.Reused);
    }

    [Fact]
    public async Task A_database_that_was_replaced_is_read()
    {
        var path = _box.Create("app.db", "old", rows: 3000);
        var parent = (await Take(path)).Backup;
        File.Copy(path, path + ".new");
        Sandbox.Execute(path + ".new", "UPDATE t SET v='other'");
        File.Move(path + ".new", path, overwrite: true);

        var (increment, sink) = await Take(path, parent);

        Assert.Equal(0, sink.Reused);
        await Same(path, increment);
    }

    [Fact]
    public async Task The_schema_and_the_settings_are_in_the_backup_as_SQL()
    {
        var path = _box.Create("app.db", "old");
        Sandbox.Execute(path, "PRAGMA user_version=42; PRAGMA application_id=7; CREATE VIEW shown AS SELECT v FROM t; CREATE TRIGGER changed AFTER UPDATE ON t BEGIN SELECT 1; END");
        var sql = Encoding.UTF8.GetString((await Take(path)).Backup.Files["schema.sql"].Content);
        var made = _box.File("made.db");
        Sandbox.Execute(made, sql, create: true);
        Assert.Equal(42L, Sandbox.Execute(made, "PRAGMA user_version"));
        Assert.Equal(Sandbox.Execute(path, "SELECT group_concat(sql) FROM sqlite_master"), Sandbox.Execute(made, "SELECT group_concat(sql) FROM sqlite_master"));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task The_mark_changes_with_every_commit_and_not_without(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var app = OtherProcess.Open(path);
        var watch = new SqliteChangeWatch();
        var marks = new HashSet<string>();
        for (var round = 0; round < 20; round++)
        {
            app.Run($"UPDATE t SET v='{round}' WHERE id=5");
            var mark = await watch.MarkAsync(Sandbox.Node(path), CancellationToken.None);
            Assert.True(marks.Add(mark), "a commit is not seen");
            Assert.Equal(mark, await watch.MarkAsync(Sandbox.Node(path), CancellationToken.None));
        }
        app.Run("BEGIN IMMEDIATE");
        app.Run("UPDATE t SET v='not committed'");
        Assert.Contains(await watch.MarkAsync(Sandbox.Node(path), CancellationToken.None), marks);
    }
}

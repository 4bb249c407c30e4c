using DbRecovery.Sqlite.Maintenance;

namespace DbRecovery.Sqlite.Tests.Maintenance;

public sealed class MaintenanceTests : IDisposable
{
    private readonly Sandbox _box = new();
    private readonly SqliteMaintenance _maintenance = new(TimeProvider.System);

    public void Dispose() => _box.Dispose();

    [Fact]
    public async Task Reindexing_mends_an_index_that_lost_entries()
    {
        var path = _box.Create("app.db", "old");
        // an index made of other rows than the table's: what a lost index page looks like
        Sandbox.Execute(path, "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql='CREATE INDEX t_v ON t(v) WHERE id<0' WHERE name='t_v'");
        Sandbox.Execute(path, "REINDEX t_v; PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql='CREATE INDEX t_v ON t(v)' WHERE name='t_v'");
        Assert.NotEqual("ok", Sandbox.Execute(path, "PRAGMA integrity_check"));
        await _maintenance.ReindexAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, CancellationToken.None);
        Assert.Equal("ok", Sandbox.Execute(path, "PRAGMA integrity_check"));
    }

    [Fact]
    public async Task A_log_that_a_crash_left_is_moved_into_the_database()
    {
        var path = _box.Create("app.db", "old", "wal");
        var app = OtherProcess.Open(path);
        app.Run("INSERT INTO t VALUES (1000, 'x')");
        app.Kill();
        Assert.Contains("moved into the database", await _maintenance.CheckpointAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, CancellationToken.None), StringComparison.Ordinal);
        Assert.False(new FileInfo(path + "-wal") is { Exists: true, Length: > 0 });
        Assert.Equal(1L, Sandbox.Execute(path, "SELECT count(*) FROM t WHERE id=1000"));
    }

    [Fact]
    public async Task A_transaction_that_a_crash_cut_off_is_rolled_back()
    {
        var path = _box.Create("app.db", "old", rows: 20000);
        var app = OtherProcess.Open(path);
        app.Run("PRAGMA cache_size=5");
        app.Run("BEGIN IMMEDIATE");
        app.Run("UPDATE t SET v='half'");
        app.Kill();
        Assert.True(new FileInfo(path + "-journal").Length > 0);
        Assert.Contains("rolled back", await _maintenance.CheckpointAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, CancellationToken.None), StringComparison.Ordinal);
        Assert.False(File.Exists(path + "-journal"));
        Assert.Equal(0L, Sandbox.Execute(path, "SELECT count(*) FROM t WHERE v='half'"));
        Assert.Equal("ok", Sandbox.Execute(path, "PRAGMA integrity_check"));
    }

    [Fact]
    public async Task With_nothing_pending_it_says_so()
    {
        var path = _box.Create("app.db", "old");
        Assert.Contains("nothing was pending", await _maintenance.CheckpointAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, CancellationToken.None), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public async Task A_writer_that_does_not_end_is_busy_not_waited_for_without_end(string journalMode)
    {
        var path = _box.Create("app.db", "old", journalMode);
        using var writer = OtherProcess.Open(path);
        writer.Run("BEGIN IMMEDIATE");
        var time = new SetTime();
        var reindexing = new SqliteMaintenance(time).ReindexAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, CancellationToken.None);
        await Wait.UntilAsync(() => time.Waiting == 2, "the pause after the first attempt, beside the deadline");
        time.Advance(Wait.Limit);
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => reindexing);
        Assert.Equal(ErrorIds.DatabaseBusy, refused.Id);
    }

    [Fact]
    public async Task Cancelling_ends_the_wait()
    {
        var path = _box.Create("app.db", "old");
        using var writer = OtherProcess.Open(path);
        writer.Run("BEGIN IMMEDIATE");
        using var cancel = new CancellationTokenSource();
        var time = new SetTime();
        var reindexing = new SqliteMaintenance(time).ReindexAsync(Sandbox.Cluster(path), Sandbox.Node(path), Wait.Limit, cancel.Token);
        await Wait.UntilAsync(() => time.Waiting == 2, "the pause after the first attempt, beside the deadline");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reindexing.WaitAsync(Wait.Limit));
    }

    [Fact]
    public async Task A_missing_file_is_not_made()
    {
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => _maintenance.CheckpointAsync(Sandbox.Cluster(_box.File("absent.db")), Sandbox.Node(_box.File("absent.db")), Wait.Limit, CancellationToken.None));
        Assert.Equal(ErrorIds.DatabaseNotFound, refused.Id);
        Assert.False(File.Exists(_box.File("absent.db")));
    }
}

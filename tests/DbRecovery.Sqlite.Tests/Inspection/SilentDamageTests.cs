using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Tests.Observation;
using NSubstitute;

namespace DbRecovery.Sqlite.Tests.Inspection;

public sealed class SilentDamageTests
{
    [Theory]
    [InlineData("damage", true, 1L, false)]
    [InlineData("nothing", true, 0L, true)]
    [InlineData("write", false, null, false)]
    public async Task Damage_without_a_write_is_told_from_a_write(string what, bool? unwritten, long? damaged, bool passes)
    {
        using var box = new LookSandbox();
        box.Create(rows: 500);
        var backup = BackupOf(box.Database);
        var text = File.ReadAllBytes(box.Database).AsSpan().IndexOf("long enough 77"u8);
        if (what == "damage")
            box.Overwrite(text, "lung"u8.ToArray());
        if (what == "write")
        {
            using var connection = box.Open();
            LookSandbox.Run(connection, "UPDATE people SET name = 'y' WHERE id = 77");
        }
        var seen = await box.Observe(ObservationLevel.Standard, backup);
        Assert.Equal(unwritten, seen.Facts.Bool(SqliteFacts.UnwrittenSinceBackup));
        Assert.Equal(damaged, seen.Facts.Int(SqliteFacts.SilentDamage));
        if (damaged > 0)
            Assert.Equal([$"page {text / 4096 + 1} (table people)"], seen.Facts.List(SqliteFacts.SilentDamageWhere)!);
        Assert.True(new SqliteProvider().TryGet<IDataInspector>(out var inspector));
        var checks = await inspector.CheckRestoredAsync(box.Database, backup, null, default);
        Assert.Equal(passes, checks.All(c => c.Passed));
        Assert.Equal(4, checks.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_large_transaction_that_is_not_committed_is_no_damage(bool cutOff)
    {
        using var box = new LookSandbox();
        box.Create();
        var backup = BackupOf(box.Database);
        using var writer = OtherProcess.Open(box.Database);
        writer.Run("PRAGMA cache_size = 5");
        writer.Run("BEGIN");
        Assert.Equal("done", writer.Run("UPDATE people SET name = 'x' || id"));
        if (cutOff)
            writer.Kill();

        var seen = await box.Observe(ObservationLevel.Standard, backup);

        Assert.Null(seen.Facts.Bool(SqliteFacts.UnwrittenSinceBackup));
        Assert.Null(seen.Facts.Int(SqliteFacts.SilentDamage));
        Assert.Equal(cutOff, seen.Facts.Bool(SqliteFacts.RecoveryNeeded));
    }

    [Theory]
    [InlineData("damage", true, 1L)]
    [InlineData("nothing", true, 0L)]
    [InlineData("write", false, null)]
    [InlineData("write, damage and checkpoint", null, null)]
    public async Task In_WAL_mode_the_log_of_the_backup_proves_it(string what, bool? unwritten, long? damaged)
    {
        using var box = new LookSandbox();
        box.Create("wal", rows: 500);
        using var app = OtherProcess.Open(box.Database);
        Assert.Equal("done", app.Run("UPDATE pairs SET b = b + 1 WHERE a = 1"));
        var backup = await SourceBackupOf(box.Database);
        var text = File.ReadAllBytes(box.Database).AsSpan().IndexOf("long enough 77"u8);
        if (what.StartsWith("write", StringComparison.Ordinal))
            Assert.Equal("done", app.Run("UPDATE people SET name = 'y' WHERE id = 7"));
        if (what.Contains("damage", StringComparison.Ordinal))
            box.Overwrite(text, "lung"u8.ToArray());
        if (what.Contains("checkpoint", StringComparison.Ordinal))
            app.Dispose(); // the last to close removes the log
        var seen = await box.Observe(ObservationLevel.Standard, backup);
        Assert.Equal(unwritten, seen.Facts.Bool(SqliteFacts.UnwrittenSinceBackup));
        Assert.Equal(damaged, seen.Facts.Int(SqliteFacts.SilentDamage));
        if (damaged > 0)
            Assert.Equal([$"page {text / 4096 + 1} (table people)"], seen.Facts.List(SqliteFacts.SilentDamageWhere)!);
    }

    // why the change counter proves nothing in WAL mode, see BackupState
    [Fact]
    public void In_WAL_mode_a_commit_need_not_raise_the_change_counter()
    {
        using var box = new LookSandbox();
        box.Create("wal", rows: 500);
        var before = SqliteHeader.TryParse(File.ReadAllBytes(box.Database))!.ChangeCounter;
        using (var connection = box.Open())
            LookSandbox.Run(connection, "UPDATE people SET name = 'y' WHERE id = 77");
        Assert.False(File.Exists(box.Database + "-wal"));
        Assert.Equal(before, SqliteHeader.TryParse(File.ReadAllBytes(box.Database))!.ChangeCounter);
    }

    private static async Task<IBackupContent> SourceBackupOf(string path)
    {
        Assert.True(new SqliteProvider().TryGet<IBackupSource>(out var source));
        var sink = new MemorySink();
        var info = await source.ReadAsync(Sandbox.Cluster(path), Sandbox.Node(path), sink, null, CancellationToken.None);
        var (entry, content) = sink.Files["database"];
        var backup = Substitute.For<IBackupContent>();
        backup.Entries.Returns([entry]);
        backup.ReadPageHashesAsync("database", Arg.Any<CancellationToken>()).Returns(MemorySink.Hash(content.ToArray(), entry.PageSize));
        backup.Source.Returns(info);
        return backup;
    }

    private static IBackupContent BackupOf(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var header = SqliteHeader.TryParse(bytes)!;
        var index = new PageIndex(header.UsableSize);
        var hashes = new byte[bytes.Length / header.PageSize * PageHashList.HashSize];
        for (var i = 0; i < bytes.Length / header.PageSize; i++)
        {
            var page = bytes.AsSpan(i * header.PageSize, header.PageSize);
            index.Add((uint)i + 1, page);
            PageHashList.Hash(page, hashes.AsSpan(i * PageHashList.HashSize));
        }
        var list = new PageHashList(header.PageSize, hashes);
        using var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.Zero);
        var problems = new List<string>();
        var backup = Substitute.For<IBackupContent>();
        backup.Entries.Returns([new BackupEntry { Path = "database", PageSize = header.PageSize }]);
        backup.ReadPageHashesAsync("database", Arg.Any<CancellationToken>()).Returns(list);
        backup.Source.Returns(new BackupSourceInfo
        {
            EngineVersion = "3",
            SystemId = "s",
            DataAsOf = DateTimeOffset.UnixEpoch,
            State = BackupState.Capture(path, header),
            Objects = ObjectCatalog.Describe(ObjectCatalog.ReadSchema(connection), index, list, "database", problems),
        });
        Assert.Empty(problems);
        return backup;
    }
}

using DbRecovery.Sqlite.Tests.Observation;

namespace DbRecovery.Sqlite.Tests.Sql;

public sealed class ReadOnlySessionTests
{
    [Theory]
    [InlineData("delete", "closed")]
    [InlineData("wal", "closed")]
    [InlineData("wal", "crashed")]
    [InlineData("wal", "in use")]
    public async Task It_reads_what_is_committed_and_leaves_the_files_as_they_were(string journal, string state)
    {
        using var box = new LookSandbox();
        box.Create(journal, rows: 20);
        using var app = OtherProcess.Open(box.Database);
        Assert.Equal("done", app.Run("INSERT INTO people VALUES (21, 'late')"));
        if (state == "closed")
            app.Dispose();
        if (state == "crashed")
            app.Kill();
        if (state == "crashed")
            File.Delete(box.Database + "-shm");
        var before = Directory.GetFiles(box.Folder).Order().ToArray();
        var tree = box.Tree();

        var result = await Run(box, "SELECT count(*) FROM people");

        Assert.Equal(21, result.Value!.Value.AsInt());
        Assert.Equal(before, Directory.GetFiles(box.Folder).Order());
        if (state != "in use")
            Assert.Equal(tree, box.Tree());
    }

    [Theory]
    [InlineData("delete", false)]
    [InlineData("wal", false)]
    [InlineData("wal", true)]
    public async Task It_cannot_write(string journal, bool inUse)
    {
        using var box = new LookSandbox();
        box.Create(journal, rows: 20);
        using var app = inUse ? OtherProcess.Open(box.Database) : null;
        app?.Run("SELECT count(*) FROM people");
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => Run(box, "DELETE FROM people"));
        Assert.Equal(ErrorIds.AccessDenied, refused.Id);
        app?.Dispose();
        Assert.Equal(20L, Sandbox.Execute(box.Database, "SELECT count(*) FROM people"));
    }

    private static Task<SqlResult> Run(LookSandbox box, string sql)
    {
        Assert.True(new SqliteProvider().TryGet<ISqlSession>(out var session));
        return session.ExecuteAsync(Sandbox.Cluster(box.Database), Sandbox.Node(box.Database), sql, readOnly: true, Wait.Limit, default);
    }
}

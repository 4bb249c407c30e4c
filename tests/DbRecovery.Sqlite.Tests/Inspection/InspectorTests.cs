using DbRecovery.Sqlite.Tests.Observation;

namespace DbRecovery.Sqlite.Tests.Inspection;

public sealed class InspectorTests
{
    [Fact]
    public async Task Rows_are_counted_even_behind_a_destroyed_header()
    {
        using var box = new LookSandbox();
        box.Create(rows: 2000);
        Assert.True(new SqliteProvider().TryGet<IDataInspector>(out var inspector));
        var sound = await inspector.CountRowsAsync(box.Database, default);
        Assert.Contains(new TableCount("people", 2000, true), sound);
        Assert.Contains(new TableCount("pairs", 2000, true), sound);
        box.Overwrite(0, Enumerable.Repeat((byte)0x5a, 100).ToArray());
        Assert.Contains(new TableCount("people", 2000, true), await inspector.CountRowsAsync(box.Database, default));
    }

    [Fact]
    public async Task Sql_is_all_or_nothing()
    {
        using var box = new LookSandbox();
        box.Create(rows: 5);
        Assert.True(new SqliteProvider().TryGet<ISqlSession>(out var session));
        var (cluster, node) = (Sandbox.Cluster(box.Database), Sandbox.Node(box.Database));
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => session.ExecuteAsync(cluster, node, "DELETE FROM people; SELECT * FROM nowhere", false, Wait.Limit, default));
        Assert.Equal(ErrorIds.StepFailed, error.Id);
        Assert.Equal(5L, (await session.ExecuteAsync(cluster, node, "SELECT count(*) FROM people", true, Wait.Limit, default)).Value!.Value.AsInt());
        Assert.Equal(2, (await session.ExecuteAsync(cluster, node, "DELETE FROM people WHERE id < 3", false, Wait.Limit, default)).RowsAffected);
    }
}

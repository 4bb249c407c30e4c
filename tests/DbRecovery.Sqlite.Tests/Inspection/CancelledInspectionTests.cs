namespace DbRecovery.Sqlite.Tests.Inspection;

public sealed class CancelledInspectionTests
{
    /// <summary>Cancels at the n-th moment that anybody asks: whatever SQLite makes of it, it is a cancellation.</summary>
    [Fact]
    public async Task Whenever_a_count_is_cancelled_it_ends_as_cancelled()
    {
        using var sandbox = new Sandbox();
        var path = sandbox.File("app.db");
        Sandbox.Execute(path, "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO t SELECT hex(randomblob(200)) FROM n", create: true);
        new SqliteProvider().TryGet<IDataInspector>(out var inspector);
        for (var attempt = 0; attempt < 60; attempt++)
        {
            using var cancel = new CancellationTokenSource(TimeSpan.FromMicroseconds(attempt * 100));
            try
            {
                Assert.Equal(5000, Assert.Single(await inspector!.CountRowsAsync(path, cancel.Token)).Rows);
            }
            catch (OperationCanceledException)
            {
                // as it should be
            }
        }
    }
}

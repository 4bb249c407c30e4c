using DbRecovery.Runtime;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Runtime.Tests;

/// <summary>Drills as a shell calls them: which node, in which order, held against which earlier ones.</summary>
public sealed class DrillTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dbr-drill-").FullName;

    [Fact]
    public async Task The_named_node_of_several_is_copied_and_the_others_are_not_looked_at()
    {
        var runtime = Make();
        // the first is no database at all: a drill of the second does not care
        File.WriteAllText(At("one.db"), "not a database");
        Create("two.db");
        var cluster = new ClusterDefinition { Name = "app", Engine = "sqlite", Nodes = [new NodeDefinition { Name = "one", Path = At("one.db") }, new NodeDefinition { Name = "two", Path = At("two.db") }] };
        var seen = new List<DrillResult>();
        var results = await runtime.DrillAsync(new DrillRequest { Cluster = cluster, Node = "two", Damages = ["missing-file", "header"], Rounds = 2 }, seen.Add, null, CancellationToken.None);
        Assert.Equal([("header", 1), ("missing-file", 1), ("header", 2), ("missing-file", 2)], results.Select(r => (r.Damage, r.Round)));
        Assert.All(results, r => Assert.True(r is { Passed: true, Node: "two", Score: 100 }, string.Join("; ", r.Shortcomings)));
        Assert.Equal(results, seen);
        Assert.Equal(results.Reverse().Select(r => r.InflictedAt), runtime.GetDrills("app").Select(r => r.InflictedAt));
        Assert.Equal("not a database", File.ReadAllText(At("one.db")));
        var broken = await Assert.ThrowsAsync<DbRecoveryException>(() => runtime.DrillAsync(new DrillRequest { Cluster = cluster, Node = "one" }, null, null, CancellationToken.None));
        Assert.Equal(ErrorIds.NotADatabase, broken.Id);
    }

    [Fact]
    public void A_plan_says_what_is_left_out_and_why()
    {
        Create("app.db");
        var cluster = Make().GetTarget("sqlite", At("app.db"));
        var plan = Make().PlanDrill(new DrillRequest { Cluster = cluster });
        Assert.Contains("declares no table", plan.Damages.Single(d => d.Damage.Name == "dropped-table").Skipped, StringComparison.Ordinal);
        Assert.Null(plan.Damages.Single(d => d.Damage.Name == "data-page").Skipped);
        Assert.Equal(Make().GetDamages("sqlite").Select(d => d.Name), plan.Damages.Select(d => d.Damage.Name));
        Assert.False(Directory.Exists(At("state")));
    }

    [Fact]
    public void Shipped_runbooks_promise_only_what_drills_can_inflict_and_every_damage_has_its_answer()
    {
        var runtime = Make();
        Assert.All(runtime.LintRunbooks(null), lint => Assert.Empty(lint.Findings));
        var books = runtime.GetRunbooks().Select(r => r.Name).ToHashSet();
        Assert.All(runtime.GetDamages("sqlite"), d => Assert.Contains(d.ExpectedRunbook!, books));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private RecoveryRuntime Make() => new(new RuntimeOptions { WorkingFolder = _folder, StateFolder = At("state") });

    private void Create(string name)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = At(name), Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, 'row ' || i FROM n";
        command.ExecuteNonQuery();
    }
}

using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

public sealed class ShippedRunbookTests
{
    [Fact]
    public void They_are_clean()
    {
        Assert.NotEmpty(Texts.Shipped);
        Assert.All(Texts.Shipped, file => Assert.Empty(RunbookLinter.Lint(file, File.ReadAllText(file), Texts.Context).Result.Findings));
    }

    [Fact]
    public void They_are_named_as_their_files() =>
        Assert.Equal(Texts.Shipped.Select(Path.GetFileNameWithoutExtension), new RunbookLibrary([Path.Combine(Texts.Root, "runbooks")], Texts.Context).All.Select(r => r.Name));

    [Fact]
    public void Every_fault_of_sqlite_has_exactly_one_answer()
    {
        var library = new RunbookLibrary([Path.Combine(Texts.Root, "runbooks")], Texts.Context);
        foreach (var known in FaultCatalogue.Classes.Where(c => c.Engines.Count == 0 || c.Engines.Contains("sqlite")))
        {
            string?[] damages = known.Id == "sqlite.corrupt" ? ["missing", "empty", "truncated", "header", "data", "index", "silent"] : [null];
            foreach (var damage in damages)
            {
                var fault = RunbookLibraryTests.Fault(known.Id) with { Details = damage is null ? new Dictionary<string, FactValue>() : new() { ["damage"] = damage } };
                var expected = damage is null ? known.Id.Replace('.', '-') : damage == "index" ? "sqlite-corrupt-index" : "sqlite-corrupt-data";
                Assert.Equal([expected], library.Match(fault).Select(r => r.Name));
            }
        }
    }

    [Theory]
    [InlineData("data", 0L, "sqlite-corrupt-salvage")]
    [InlineData("truncated", 0L, "sqlite-corrupt-salvage")]
    [InlineData("header", 0L, "sqlite-corrupt-salvage")]
    [InlineData("missing", 0L, "sqlite-corrupt-data")]
    [InlineData("empty", 0L, "sqlite-corrupt-data")]
    [InlineData("data", 1L, "sqlite-corrupt-data")]
    [InlineData("data", null, "sqlite-corrupt-data")]
    public void Only_where_there_certainly_is_no_proved_backup_is_a_database_salvaged(string damage, long? proved, string expected)
    {
        var details = new Dictionary<string, FactValue> { ["damage"] = damage };
        if (proved is { } count)
            details["provedBackups"] = count;
        var library = new RunbookLibrary([Path.Combine(Texts.Root, "runbooks")], Texts.Context);

        Assert.Equal(expected, library.Match(RunbookLibraryTests.Fault("sqlite.corrupt") with { Details = details })[0].Name);
    }
}

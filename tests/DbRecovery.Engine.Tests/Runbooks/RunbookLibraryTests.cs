using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

public sealed class RunbookLibraryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("runbook-library-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string folder, string file, string text)
    {
        Directory.CreateDirectory(Path.Combine(_folder, folder));
        var path = Path.Combine(_folder, folder, file);
        File.WriteAllText(path, text);
        return path;
    }

    private RunbookLibrary Library() => new([Path.Combine(_folder, "shipped"), Path.Combine(_folder, "absent"), Path.Combine(_folder, "mine")], Texts.Context);

    private static string Named(string name, string match = "[sqlite.corrupt]") =>
        Texts.Edit(Texts.Edit(Texts.Edit(Texts.Runbook, "runbook: base", $"runbook: {name}"), "[sqlite.corrupt]", match), "    when: { fact: fault.damage, is: data }\n", "");

    [Fact]
    public void The_users_own_replaces_a_shipped_one()
    {
        Write("shipped", "a.yml", Named("a"));
        Write("shipped", "b.yaml", Named("b"));
        Write("shipped", "notes.txt", "x");
        var mine = Write("mine", "anything.yml", Named("a"));
        var library = Library();
        Assert.Equal(["a", "b"], library.All.Select(r => r.Name));
        Assert.Equal(mine, library.Get("a").Path);
        Assert.Empty(library.Invalid);
    }

    [Theory]
    [InlineData("zz.yml", "runbook: a\nversion: 1.0.0")]
    [InlineData("zz.yml", "runbook: a\n")]
    [InlineData("zz.yml", "description: [\nrunbook: a\n")]
    [InlineData("zz.yml", "# mine\nrunbook: \"a\"\nsteps: *x\n")]
    [InlineData("a.yml", "steps: [")]
    [InlineData("a.yml", "")]
    [InlineData("a.yml", null)]
    public void A_broken_one_of_the_users_keeps_the_shipped_one_from_running(string file, string? text)
    {
        Write("shipped", "a.yml", Named("a"));
        Write("shipped", "b.yml", Named("b"));
        var path = Write("mine", file, text ?? "");
        if (text is null)
        {
            File.Delete(path);
            File.CreateSymbolicLink(path, "nowhere");
        }
        var library = Library();
        Assert.Equal(["b"], library.All.Select(r => r.Name));
        Assert.Equal(path, Assert.Single(library.Invalid).File);
        Assert.Equal(["b"], library.Match(Fault("sqlite.corrupt")).Select(r => r.Name));
    }

    [Fact]
    public void Two_of_one_name_in_one_folder_are_a_finding_and_neither_runs()
    {
        Write("shipped", "a.yml", Named("a"));
        Write("shipped", "b.yml", Named("b"));
        Write("mine", "first.yml", Named("a"));
        var second = Write("mine", "second.yml", Named("a"));
        var library = Library();
        Assert.Equal(["b"], library.All.Select(r => r.Name));
        var result = Assert.Single(library.Invalid);
        Assert.Equal((second, "a"), (result.File, result.Name));
        Assert.Equal([("duplicate-runbook", 1, 10)], Texts.Places(result.Findings));
        Assert.Contains("first.yml", result.Findings[0].Message, StringComparison.Ordinal);
        Assert.Equal([true, false], RunbookLibrary.Lint(Path.GetDirectoryName(second)!, Texts.Context).Select(r => r.Valid));
    }

    [Fact]
    public void Get_says_whether_it_is_absent_or_broken()
    {
        Write("shipped", "a.yml", Named("restore"));
        Write("mine", "b.yml", "runbook: broken\n");
        var library = Library();
        var broken = Assert.Throws<DbRecoveryException>(() => library.Get("broken"));
        Assert.Equal(ErrorIds.RunbookInvalid, broken.Id);
        Assert.NotEmpty(broken.Findings);
        Assert.Equal(ErrorIds.RunbookNotFound, Assert.Throws<DbRecoveryException>(() => library.Get("resotre")).Id);
    }

    [Fact]
    public void What_is_left_out_is_told_with_its_place_and_what_is_wrong()
    {
        Write("shipped", "a.yml", Named("a"));
        Assert.Null(LeftOut.Sentence(Library().Invalid));
        var path = Write("mine", "a.yml", Texts.Edit(Named("a"), "action: restore", "action: resotre"));
        var told = LeftOut.Sentence(Library().Invalid)!;
        Assert.Contains(path + ":", told, StringComparison.Ordinal);
        Assert.Contains("resotre", told, StringComparison.Ordinal);
        foreach (var name in (string[])["b", "c", "d", "e"])
            Write("mine", name + ".yml", "steps: [");
        Assert.Contains("5 runbook files are left out", LeftOut.Sentence(Library().Invalid)!, StringComparison.Ordinal);
    }

    [Fact]
    public void The_most_specific_comes_first()
    {
        Write("shipped", "1.yml", Named("pattern", "[custom.*]"));
        Write("shipped", "2.yml", Named("pattern-when", "[custom.*], when: { fact: fault.value, is: x }"));
        Write("shipped", "3.yml", Named("exact", "[custom.a]"));
        Write("shipped", "4.yml", Named("exact-b", "[custom.a]"));
        Write("shipped", "5.yml", Named("exact-when", "[custom.a], when: { fact: fault.value, is: x }"));
        Write("shipped", "6.yml", Named("false-when", "[custom.a], when: { fact: fault.value, is: y }"));
        Write("shipped", "7.yml", Named("unknown-when", "[custom.a], when: { fact: disk.free, above: 0B }"));
        Write("shipped", "8.yml", Named("other", "[custom.ab]"));
        var fault = Fault("custom.a") with { Details = new Dictionary<string, FactValue> { ["value"] = "x" } };
        Assert.Equal(["exact-when", "exact", "exact-b", "pattern-when", "pattern"], Library().Match(fault).Select(r => r.Name));
        Assert.Empty(Library().Match(fault with { Engine = "postgresql" }));
    }

    internal static Fault Fault(string id) => new()
    {
        Id = id, Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Certain, Cluster = "app", Engine = "sqlite", Node = "app-db",
        Summary = "s", DetectedAt = DateTimeOffset.UnixEpoch, Evidence = [],
    };
}

namespace DbRecovery.Integration.Tests;

/// <summary>Looking changes nothing, whatever is looked at and whoever writes meanwhile.</summary>
public sealed class UntouchedTests
{
    [Theory]
    [InlineData("wal")]
    [InlineData("delete")]
    public void Health_leaves_a_database_at_rest_as_it_is(string journal)
    {
        using var lab = new Lab(journal: journal, state: "../looked");
        var before = Exact(lab.Folder);
        foreach (var level in new[] { "quick", "standard", "deep" })
        {
            lab.Try("health", "shop", "--level", level);
            lab.Try("faults", "--path", lab.Database, "--level", level, "--state", "../looked");
            Assert.Equal(before, Exact(lab.Folder));
        }
    }

    [Theory]
    [InlineData("wal")]
    [InlineData("delete")]
    public void Health_disturbs_no_live_writer(string journal)
    {
        using var lab = new Lab(journal: journal, state: "../looked");
        var writer = lab.StartWriter();
        Lab.Until(() => lab.AcknowledgedIds().Count > 20, "the first orders");
        var names = Names(lab);
        foreach (var level in new[] { "quick", "standard", "deep" })
        {
            var run = lab.Try("faults", "shop", "--level", level);
            Assert.DoesNotContain(run.Objects, f => f.GetProperty("id").GetString() is "sqlite.corrupt" or "sqlite.env");
            Assert.Equal(names, Names(lab));
        }
        var seen = lab.AcknowledgedIds().Count;
        Lab.Until(() => lab.AcknowledgedIds().Count > seen + 20, "orders after the looks");
        Lab.Stop(writer);
        var count = lab.AcknowledgedIds().Count;
        Assert.StartsWith($"acknowledged {count}, present {count}, lost 0", lab.Workload("account", lab.Database, lab.Acknowledged), StringComparison.Ordinal);
    }

    // a rollback journal comes and goes with each of the writer's transactions
    private static string[] Names(Lab lab) => [.. Directory.GetFileSystemEntries(lab.Folder).Where(f => !f.EndsWith("-journal", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static string[] Exact(string folder) =>
        [.. RecoveryTests.Tree(folder), .. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(f => $"{f} {File.GetLastWriteTimeUtc(f):O}")];
}

using System.Text.RegularExpressions;

namespace DbRecovery.Integration.Tests;

/// <summary>Every kind of mistake in an inventory: exit code 2, and the file, line and column of what is wrong.</summary>
public sealed class InventoryMistakeTests : IDisposable
{
    private const string Good = """
        clusters:
          shop:
            engine: sqlite
            nodes: [ { name: shop-db, path: shop.db } ]
            backups: { repository: main }
        repositories:
          main: { path: repository }
        """;

    private readonly Lab _lab = new(megabytes: 0);

    [Theory]
    [InlineData("engine: sqlite", "engin: sqlite", 3)]
    [InlineData("engine: sqlite", "engine: sqlight", 3)]
    [InlineData("engine: sqlite", "engine: sqlite\n    engine: sqlite", 4)]
    [InlineData("engine: sqlite", "engine: !!str sqlite", 3)]
    [InlineData("engine: sqlite", "engine: &anchor sqlite", 3)]
    [InlineData("    engine: sqlite", "\tengine: sqlite", 2)]
    [InlineData("path: shop.db", "path: [ a, b ]", 4)]
    [InlineData("path: shop.db", "port: 5432", 4)]
    [InlineData("path: shop.db", "path: \"\"", 4)]
    [InlineData("name: shop-db, path: shop.db } ]", "name: shop-db, path: shop.db }, { name: shop-db, path: b.db } ]", 4)]
    [InlineData("name: shop-db, path: shop.db } ]", "name: shop-db, path: shop.db ", 4)]
    [InlineData("repository: main", "repository: mian", 5)]
    [InlineData("repository: main }", "repository: main }\n    policy: { cooldown: soon }", 6)]
    [InlineData("repository: main }", "repository: main }\n    policy: { maxDataLoss: -1MB }", 6)]
    [InlineData("repository: main }", "repository: main }\n    expects: { tables: { customers: { minRows: many } } }", 6)]
    [InlineData("path: repository", "path: repository, encryption: { passphrase: open-sesame }", 7)]
    [InlineData("  shop:", "  \"a b/c\":", 2)]
    public void A_mistake_is_shown_with_its_place(string good, string bad, int line)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        File.WriteAllText(_lab.Inventory, Good.Replace(good, bad, StringComparison.Ordinal));
        var run = _lab.Try("health");
        Assert.True(run.ExitCode == 2 && run.ErrorId == "InventoryInvalid", run.ToString());
        var places = Regex.Matches(run.Err, @"dbrecovery\.yml:(\d+):\d+").Select(m => int.Parse(m.Groups[1].Value, null)).ToArray();
        Assert.True(places.Contains(line), $"line {line} is not among {string.Join(", ", places)}: {run}");
        Assert.DoesNotContain("open-sesame", run.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_a_binary_and_an_absent_inventory_are_told_apart_from_a_good_one()
    {
        foreach (var bytes in new byte[][] { [], [0, 1, 2, 255, 254], "- a\n- b\n"u8.ToArray(), "just text"u8.ToArray() })
        {
            File.WriteAllBytes(_lab.Inventory, bytes);
            var run = _lab.Try("health");
            Assert.True(run.ExitCode == 2 && run.ErrorId is "InventoryInvalid", run.ToString());
        }
        File.Delete(_lab.Inventory);
        var absent = _lab.Try("health", "--inventory", "other.yml");
        Assert.True(absent is { ExitCode: 2, ErrorId: "InventoryNotFound" }, absent.ToString());
    }

    public void Dispose() => _lab.Dispose();
}

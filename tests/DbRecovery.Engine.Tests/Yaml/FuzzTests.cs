using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Inventory;
using DbRecovery.Engine.Tests.Runbooks;

namespace DbRecovery.Engine.Tests.Yaml;

/// <summary>Whatever the input: findings, never an exception or a hang.</summary>
public sealed class FuzzTests
{
    private static readonly string[] Pieces =
        ["[", "]", "{", "}", ":", ": ", "- ", "\n", "\n  ", "\t", "'", "\"", "\\", "&a", "*a", "!t", "<<", "|", ">", "%", "@", "#", "?", "? ", "---", "...", "~", "null",
         "${", "}", "${a.b}", "\0", "\u00e9", "\ud800", "\ufeff", "\u2028", "\"\\0\"", "\"\\x00\"", "999999999999999999999", "NaN", "-1", "1e999", "", "true", "fact", "any", "not"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Mutated_files_give_findings(int seed)
    {
        string[] sources = [.. Texts.Shipped.Select(File.ReadAllText), Texts.Runbook, InventoryTexts.Complete];
        var random = new Random(seed);
        for (var round = 0; round < 600; round++)
        {
            var text = sources[random.Next(sources.Length)];
            for (var edits = random.Next(1, 6); edits > 0; edits--)
                text = Mutate(text, random);
            Feed(text);
        }
    }

    public static TheoryData<string> Slow => new()
    {
        new string('[', 500_000),
        string.Concat(Enumerable.Repeat("{a: ", 200_000)),
        string.Concat(Enumerable.Repeat("- ", 400_000)),
        string.Concat(Enumerable.Repeat("? ", 400_000)),
        new string('"', 500_001),
        new string('\n', 1_000_000),
        new string('a', 1_000_000) + ":",
        "runbook: a\nversion: 1.0.0\ndescription: x\nmatch: { engines: [x], faults: [custom.a] }\nsteps: [{ id: a, action: " + new string('a', 400_000) + " }]\nparameters: { " + new string('b', 400_000) + ": { type: int } }\n",
        Texts.Runbook.Replace("guards:\n", "guards:\n" + string.Concat(Enumerable.Range(0, 7000).Select(i => $"  - {{ fact: disk.frea{i}, above: 1 }}\n")), StringComparison.Ordinal)
            .Replace("parameters:\n", "parameters:\n" + string.Concat(Enumerable.Range(0, 5000).Select(i => $"  par{i}: {{ type: int }}\n")), StringComparison.Ordinal),
        "repositories: { " + new string('r', 400_000) + ": { path: x } }\nclusters: { a: { engine: sqlite, nodes: [{ name: a, path: a }], backups: { repository: " + new string('s', 400_000) + " } } }",
    };

    [Theory]
    [MemberData(nameof(Slow), DisableDiscoveryEnumeration = true)]
    public Task Files_made_to_be_slow_are_read_to_their_end(string text) => Task.Run(() => Feed(text)).WaitAsync(Wait.Limit);

    private static void Feed(string text)
    {
        var (runbook, result) = RunbookLinter.Lint("x.yml", text, Texts.Context);
        Assert.Equal(result.Valid, runbook is not null);
        Assert.All(result.Findings, f => Assert.True(f is { Line: > 0, Column: > 0 }));
        var (inventory, findings) = InventoryTexts.Read(text);
        Assert.Equal(findings.All(f => f.Severity != LintSeverity.Error), inventory is not null);
    }

    private static string Mutate(string text, Random random)
    {
        var at = random.Next(text.Length + 1);
        var length = Math.Min(random.Next(1, 30), text.Length - at);
        return random.Next(4) switch
        {
            0 => text[..at] + text[(at + length)..],
            1 => text[..at] + text.Substring(at, length) + text[at..],
            2 => text[..at],
            _ => text[..at] + Pieces[random.Next(Pieces.Length)] + text[at..],
        };
    }
}

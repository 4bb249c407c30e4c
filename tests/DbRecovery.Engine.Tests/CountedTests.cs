using System.Text.RegularExpressions;
using DbRecovery.Engine.Tests.Runbooks;

namespace DbRecovery.Engine.Tests;

public sealed partial class CountedTests
{
    [Theory]
    [InlineData(0, "row", null, "0 rows")]
    [InlineData(1, "row", null, "1 row")]
    [InlineData(2, "row", null, "2 rows")]
    [InlineData(1, "row was", "rows were", "1 row was")]
    [InlineData(1234567, "row was", "rows were", "1234567 rows were")]
    public void A_number_has_its_noun(long count, string one, string? many, string expected) => Assert.Equal(expected, Counted.Of(count, one, many));

    [Fact]
    public void No_text_leaves_it_to_the_reader_whether_there_is_one_or_several()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Texts.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(sources);
        Assert.All(sources, source => Assert.DoesNotMatch(Undecided(), File.ReadAllText(source)));
    }

    // {count} row(s), and the like
    [GeneratedRegex(@"\} [a-z -]*[a-z]\((s|es)\)")]
    private static partial Regex Undecided();
}

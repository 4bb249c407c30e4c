using DbRecovery.Engine.Tests.Runbooks;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Tests.Yaml;

public sealed class YamlReaderTests
{
    [Theory]
    [InlineData("a: «!!int 1", "tag")]
    [InlineData("a: «!x 1", "tag")]
    [InlineData("a: «! 1", "tag")]
    [InlineData("«!!map {a: 1}", "tag")]
    [InlineData("a: «&x 1", "anchor")]
    [InlineData("a: «&x [1]", "anchor")]
    [InlineData("a: 1\nb: «*x", "alias")]
    [InlineData("«<<: { a: 1 }", "merge-key")]
    [InlineData("a: 1\n«a: 2", "duplicate-key")]
    [InlineData("a:\n  b: { c: 1, «c: 2 }", "duplicate-key")]
    [InlineData("a: 1\n«--- \nb: 2", "several-documents")]
    [InlineData("«", "empty")]
    [InlineData("«# a comment", "empty")]
    public void What_is_refused(string text, string rule)
    {
        var (yaml, line, column) = Texts.Marked(text);
        var findings = new FindingList("x.yml");
        YamlReader.Read(yaml, findings);
        Assert.Equal([(rule, line, column)], Texts.Places(findings.InOrder()));
    }

    [Theory]
    [InlineData("a: [1, 2")]
    [InlineData("a: {")]
    [InlineData("a: 'x")]
    [InlineData("a: b: c")]
    [InlineData("a:\n\t- b")]
    [InlineData("a: \"\\q\"")]
    [InlineData("%YAML 9.9 zzz\n---")]
    [InlineData("a: @b")]
    public void What_is_no_yaml(string text)
    {
        var findings = new FindingList("x.yml");
        Assert.Null(YamlReader.Read(text, findings));
        Assert.Equal("yaml-syntax", Assert.Single(findings.InOrder()).Rule);
    }

    [Theory]
    [InlineData("{ ? [a]\n : b }")]
    [InlineData("? { a: b }\n: c")]
    public void A_key_is_a_word(string text)
    {
        var findings = new FindingList("x.yml");
        Assert.Null(YamlReader.Read(text, findings));
        Assert.Equal("key", Assert.Single(findings.InOrder()).Rule);
    }

    [Theory]
    [InlineData(63, null)]
    [InlineData(64, "too-deep")]
    [InlineData(5000, "too-deep")]
    public void Depth_is_bounded(int lists, string? rule) => AssertRule(new string('[', lists) + "a" + new string(']', lists), rule);

    [Theory]
    [InlineData(49_999, null)]
    [InlineData(50_000, "too-large")]
    public void Count_is_bounded(int items, string? rule) => AssertRule("[" + string.Join(',', Enumerable.Repeat("1", items)) + "]", rule);

    [Theory]
    [InlineData(1024 * 1024 - 3, null)]
    [InlineData(1024 * 1024, "too-large")]
    public void Size_is_bounded(int length, string? rule) => AssertRule("a: " + new string('x', length), rule);

    [Fact]
    public void Places_and_quotes_are_kept()
    {
        var findings = new FindingList("x.yml");
        var map = Assert.IsType<YamlMapping>(YamlReader.Read("a: ~\nb:\n  - \"null\"\n  - null", findings));
        Assert.Empty(findings.InOrder());
        Assert.True(Assert.IsType<YamlScalar>(map.Items[0].Value).IsNull);
        var items = Assert.IsType<YamlSequence>(map.Items[1].Value).Items.Cast<YamlScalar>().ToArray();
        Assert.Equal([(3, 5, false), (4, 5, true)], items.Select(i => (i.At.Line, i.At.Column, i.IsNull)));
    }

    private static void AssertRule(string text, string? rule)
    {
        var findings = new FindingList("x.yml");
        var node = YamlReader.Read(text, findings);
        Assert.Equal(rule is null ? [] : [rule], findings.InOrder().Select(f => f.Rule));
        Assert.Equal(rule is null, node is not null);
    }
}

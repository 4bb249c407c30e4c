using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

public sealed class ConditionTests
{
    private static readonly SourcePosition At = new(1, 1);

    private sealed class Values(params (string Path, FactValue Value)[] values) : IValueSource
    {
        public Resolution Resolve(string path) => values.FirstOrDefault(v => v.Path == path) is { Path: not null } found
            ? Resolution.Known(found.Value)
            : Resolution.Unknown("nobody looked");
    }

    private static readonly Values Truth = new(("t", true), ("f", false));

    private static FactCondition Is(char fact) => new(At, fact.ToString(), Comparison.Is, new LiteralValue(At, "true"));

    private static bool? Evaluate(Condition condition, IValueSource values) => ConditionEvaluator.Evaluate(condition, values).Result;

    [Theory]
    [InlineData('t', 't', true, true)]
    [InlineData('t', 'f', true, false)]
    [InlineData('t', 'u', true, null)]
    [InlineData('f', 't', true, false)]
    [InlineData('f', 'f', false, false)]
    [InlineData('f', 'u', null, false)]
    [InlineData('u', 't', true, null)]
    [InlineData('u', 'f', null, false)]
    [InlineData('u', 'u', null, null)]
    public void Kleene(char a, char b, bool? any, bool? all)
    {
        Assert.Equal(any, Evaluate(new AnyCondition(At, [Is(a), Is(b)]), Truth));
        Assert.Equal(all, Evaluate(new AllCondition(At, [Is(a), Is(b)]), Truth));
        Assert.Equal(!any, Evaluate(new NotCondition(At, new AnyCondition(At, [Is(a), Is(b)])), Truth));
        Assert.Equal(!all, Evaluate(new NotCondition(At, new AllCondition(At, [Is(a), Is(b)])), Truth));
    }

    [Theory]
    [InlineData("{ fact: n, is: 5 }", true)]
    [InlineData("{ fact: n, is: 6 }", false)]
    [InlineData("{ fact: n, atLeast: 5 }", true)]
    [InlineData("{ fact: n, above: 5 }", false)]
    [InlineData("{ fact: n, above: 4 }", true)]
    [InlineData("{ fact: n, below: 5 }", false)]
    [InlineData("{ fact: n, below: 6 }", true)]
    [InlineData("{ fact: n, in: [1, 5] }", true)]
    [InlineData("{ fact: n, in: [1, 6] }", false)]
    [InlineData("{ fact: n, in: [1, \"${unknown}\"] }", null)]
    [InlineData("{ fact: n, in: [5, \"${unknown}\"] }", true)]
    [InlineData("{ fact: n, atLeast: \"${limit}\" }", true)]
    [InlineData("{ fact: n, above: \"${limit}\" }", false)]
    [InlineData("{ fact: n, atLeast: \"${unknown}\" }", null)]
    [InlineData("{ fact: n, is: five }", null)]
    [InlineData("{ fact: size, atLeast: 1KiB }", true)]
    [InlineData("{ fact: size, above: 1KiB }", false)]
    [InlineData("{ fact: size, below: 1MB }", true)]
    [InlineData("{ fact: age, below: 2m }", true)]
    [InlineData("{ fact: age, below: 1m }", false)]
    [InlineData("{ fact: age, is: 90 }", true)]
    [InlineData("{ fact: age, is: 90.5 }", false)]
    [InlineData("{ fact: age, above: \"${limit}\" }", true)]
    [InlineData("{ fact: text, is: data }", true)]
    [InlineData("{ fact: text, is: Data }", false)]
    [InlineData("{ fact: text, in: [index, data] }", true)]
    [InlineData("{ fact: text, atLeast: 1 }", null)]
    [InlineData("{ fact: text, is: \"${text}\" }", true)]
    [InlineData("{ fact: flag, is: true }", true)]
    [InlineData("{ fact: flag, is: false }", false)]
    [InlineData("{ fact: flag, is: yes }", null)]
    [InlineData("{ fact: unknown, is: x }", null)]
    [InlineData("{ fact: unknown, in: [x] }", null)]
    [InlineData("{ not: { fact: unknown, is: x } }", null)]
    public void Comparisons(string yaml, bool? expected)
    {
        var values = new Values(("n", 5L), ("limit", 5L), ("size", 1024L), ("age", 90.0), ("text", "data"), ("flag", true));
        Assert.Equal(expected, Evaluate(Condition(yaml), values));
    }

    [Theory]
    [InlineData("{ any: [{ fact: t, is: true }, { fact: u, is: true }] }", "t is", "u is")]
    [InlineData("{ all: [{ fact: t, is: true }, { fact: u, is: true }] }", "u is", "t is")]
    public void The_explanation_names_what_decided(string yaml, string names, string not)
    {
        var outcome = ConditionEvaluator.Evaluate(Condition(yaml), Truth);
        Assert.Contains(names, outcome.Explanation, StringComparison.Ordinal);
        Assert.DoesNotContain(not, outcome.Explanation, StringComparison.Ordinal);
    }

    private static Condition Condition(string yaml)
    {
        var findings = new Engine.Yaml.FindingList("x.yml");
        var condition = ValueReader.Condition(Engine.Yaml.YamlReader.Read(yaml, findings)!, findings);
        Assert.Empty(findings.InOrder());
        return condition!;
    }
}

using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

public sealed class ValueTests
{
    private static readonly SourcePosition At = new(3, 1);
    private static readonly RunbookEvaluator Evaluator = new();

    private static EvaluationInputs Inputs()
    {
        var facts = new FactSet();
        facts.Set(CommonFacts.DiskFree, 1_000_000_000_000_000L);
        facts.SetUnknown(CommonFacts.BackupAge, "no repository");
        var node = new NodeDefinition { Name = "app-db", Path = "/srv/app.db" };
        return new EvaluationInputs
        {
            Fault = RunbookLibraryTests.Fault("sqlite.corrupt") with { Details = new Dictionary<string, FactValue> { ["damage"] = "data", ["objects"] = FactValue.OfList(["a", "b"]) } },
            Cluster = new ClusterDefinition { Name = "app", Engine = "sqlite", Nodes = [node], Policy = new PolicySettings { AutoRecover = true, MaxDataLossBytes = 7 } },
            Node = node,
            Facts = facts,
            Parameters = new Dictionary<string, FactValue> { ["patience"] = 10.0, ["negative"] = -1L, ["flag"] = true, ["word"] = "deep" },
            StepOutputs = new Dictionary<string, IReadOnlyDictionary<string, FactValue>> { ["restore"] = new Dictionary<string, FactValue> { ["path"] = "/x y" } },
            MaxDataLossBytes = 5,
            IncidentId = "i-1",
            IncidentFolder = "/i",
        };
    }

    [Theory]
    [InlineData("fault.id", "sqlite.corrupt")]
    [InlineData("fault.damage", "data")]
    [InlineData("fault.severity", "1")]
    [InlineData("fault.confidence", "certain")]
    [InlineData("fault.colour", null)]
    [InlineData("cluster.name", "app")]
    [InlineData("cluster.policy.maxDataLoss", "7")]
    [InlineData("cluster.policy.autoRecover", "true")]
    [InlineData("cluster.zone", null)]
    [InlineData("node.path", "/srv/app.db")]
    [InlineData("node.host", null)]
    [InlineData("node.port", null)]
    [InlineData("plan.lossBytes", "0")]
    [InlineData("plan.lossKnown", "true")]
    [InlineData("plan.lossRows", "0")]
    [InlineData("plan.destructive", null)]
    [InlineData("limits.maxDataLoss", "5")]
    [InlineData("limits.perDay", null)]
    [InlineData("parameters.patience", "10")]
    [InlineData("parameters.other", null)]
    [InlineData("steps.restore.path", "/x y")]
    [InlineData("steps.restore.other", null)]
    [InlineData("steps.swap.path", null)]
    [InlineData("steps.restore", null)]
    [InlineData("incident.id", "i-1")]
    [InlineData("incident.folder", "/i")]
    [InlineData("disk.free", "1000000000000000")]
    [InlineData("backup.age", null)]
    [InlineData("backup.count", null)]
    [InlineData("", null)]
    [InlineData(".", null)]
    public void Paths(string path, string? expected)
    {
        var resolution = Evaluator.Values(Inputs()).Resolve(path);
        Assert.Equal(expected, resolution.Value?.ToString());
        Assert.Equal(expected is null, resolution.UnknownBecause is not null);
    }

    public static TheoryData<OptionType, string, object?> Bound => new()
    {
        { OptionType.Duration, "90s", TimeSpan.FromSeconds(90) },
        { OptionType.Duration, "${parameters.patience}", TimeSpan.FromSeconds(10) },
        { OptionType.Duration, "${parameters.negative}", null },
        { OptionType.Duration, "${disk.free}", null },
        { OptionType.Duration, "${node.path}", null },
        { OptionType.Duration, "soon", null },
        { OptionType.Duration, "49d", TimeSpan.FromDays(49) },
        { OptionType.Duration, "50d", null },
        { OptionType.Size, "1KiB", 1024L },
        { OptionType.Size, "${limits.maxDataLoss}", 5L },
        { OptionType.Size, "${parameters.patience}", null },
        { OptionType.Int, "3", 3L },
        { OptionType.Int, "${fault.severity}", 1L },
        { OptionType.Int, "three", null },
        { OptionType.Bool, "true", true },
        { OptionType.Bool, "${parameters.flag}", true },
        { OptionType.Bool, "yes", null },
        { OptionType.String, "x", "x" },
        { OptionType.String, "${parameters.patience}", "10" },
        { OptionType.String, "at ${node.path} of ${cluster.name}", "at /srv/app.db of app" },
        { OptionType.String, "at ${node.host}", null },
        { OptionType.String, "${backup.age}", null },
        { OptionType.String, "[a]", null },
        { OptionType.Enum, "quick", "quick" },
        { OptionType.Enum, "${parameters.word}", "deep" },
        { OptionType.Enum, "${cluster.name}", null },
        { OptionType.Enum, "fast", null },
        { OptionType.List, "[a, \"${cluster.name}\", \"x${fault.damage}\"]", new[] { "a", "app", "xdata" } },
        { OptionType.List, "${fault.objects}", new[] { "a", "b" } },
        { OptionType.List, "a", null },
        { OptionType.List, "[[a]]", null },
        { OptionType.Map, "{ a: b, c: \"${cluster.name}\" }", new Dictionary<string, string> { ["a"] = "b", ["c"] = "app" } },
        { OptionType.Map, "a", null },
        { OptionType.Int, "x${fault.severity}", null },
    };

    [Theory]
    [MemberData(nameof(Bound), DisableDiscoveryEnumeration = true)]
    public void Values_are_bound_or_refused(OptionType type, string yaml, object? expected)
    {
        var findings = new Engine.Yaml.FindingList("x.yml");
        var value = ValueReader.Value(Engine.Yaml.YamlReader.Read(yaml.StartsWith('$') ? $"\"{yaml}\"" : yaml, findings)!, findings);
        Assert.Empty(findings.InOrder());
        object Bind() => Evaluator.Bind(value, new OptionDescriptor("o", type, false, null, ["quick", "deep"], ""), Evaluator.Values(Inputs()));
        if (expected is null)
            Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(Bind).Id);
        else
            Assert.Equal(expected, Bind());
    }

    [Theory]
    [InlineData(OptionType.Duration, "2m", "120")]
    [InlineData(OptionType.Duration, null, "10")]
    [InlineData(OptionType.Duration, "2", null)]
    [InlineData(OptionType.Size, "1kB", "1000")]
    [InlineData(OptionType.Size, null, null)]
    [InlineData(OptionType.Enum, "a", "a")]
    [InlineData(OptionType.Enum, "b", null)]
    [InlineData(OptionType.Bool, "false", "false")]
    public void Parameters_are_read(OptionType type, string? given, string? expected)
    {
        var runbook = RunbookLinter.Lint("x.yml", Texts.Runbook, Texts.Context).Runbook! with
        {
            Parameters = [new RunbookParameter(At, "p", type, type == OptionType.Duration ? "10s" : null, ["a"], null)],
        };
        IReadOnlyDictionary<string, FactValue> Read() => Evaluator.BindParameters(runbook, given is null ? new Dictionary<string, string>() : new() { ["p"] = given });
        if (expected is null)
            Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(Read).Id);
        else
            Assert.Equal(expected, Read()["p"].ToString());
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => Evaluator.BindParameters(runbook, new Dictionary<string, string> { ["q"] = "1" })).Id);
    }
}

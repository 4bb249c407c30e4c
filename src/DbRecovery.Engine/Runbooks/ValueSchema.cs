using DbRecovery.Engine.Faults.Rules;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Which paths conditions and look-ups may name, and the type that each has.</summary>
internal sealed class ValueSchema
{
    private static readonly IReadOnlyDictionary<string, FactType> Fixed = new Dictionary<string, FactType>
    {
        ["fault.id"] = FactType.Text,
        ["fault.node"] = FactType.Text,
        ["fault.cluster"] = FactType.Text,
        ["fault.engine"] = FactType.Text,
        ["fault.severity"] = FactType.Int,
        ["fault.confidence"] = FactType.Text,
        ["fault.summary"] = FactType.Text,
        ["cluster.name"] = FactType.Text,
        ["cluster.engine"] = FactType.Text,
        ["cluster.policy.maxDataLoss"] = FactType.Int,
        ["cluster.policy.autoRecover"] = FactType.Bool,
        ["cluster.policy.restartInPlace"] = FactType.Bool,
        ["cluster.policy.synchronous"] = FactType.Int,
        ["cluster.managed"] = FactType.Bool,
        ["fence.level"] = FactType.Int,
        ["node.name"] = FactType.Text,
        ["node.path"] = FactType.Text,
        ["node.host"] = FactType.Text,
        ["node.port"] = FactType.Int,
        ["plan.lossBytes"] = FactType.Int,
        ["plan.lossKnown"] = FactType.Bool,
        ["plan.lossRows"] = FactType.Int,
        ["plan.destructive"] = FactType.Bool,
        ["limits.maxDataLoss"] = FactType.Int,
        ["incident.id"] = FactType.Text,
        ["incident.folder"] = FactType.Text,
    };

    private readonly Dictionary<string, FactType> _types;

    /// <summary>The schema of a runbook before its first step.</summary>
    public ValueSchema(Runbook runbook, LintContext context)
    {
        _types = new Dictionary<string, FactType>(Fixed, StringComparer.Ordinal);
        foreach (var fact in context.Facts)
            _types[fact.Name] = fact.Type;
        foreach (var detail in context.Faults.Where(c => runbook.Match.Faults.Contains(c.Id)).SelectMany(c => c.Details))
            _types["fault." + detail.Name] = detail.Type;
        // also where no inventory that declares the check is at hand, and for patterns
        foreach (var detail in runbook.Match.Faults.Any(f => f.StartsWith("custom.", StringComparison.Ordinal)) ? CustomCheckRule.Details : [])
            _types["fault." + detail.Name] = detail.Type;
        foreach (var parameter in runbook.Parameters)
            _types["parameters." + parameter.Name] = TypeOf(parameter.Type);
    }

    /// <summary>The type of a path; null where there is none of that name.</summary>
    public FactType? Find(string path) => _types.TryGetValue(path, out var type) ? type : null;

    /// <summary>Every path, for suggestions.</summary>
    public IReadOnlyCollection<string> Paths => _types.Keys;

    /// <summary>From here on the outputs of a step are known.</summary>
    public void AddOutputs(string step, IEnumerable<FactDefinition> outputs)
    {
        foreach (var output in outputs)
            _types[$"steps.{step}.{output.Name}"] = output.Type;
    }

    /// <summary>The type that a value of an option has as a fact: durations in seconds, sizes in bytes.</summary>
    public static FactType TypeOf(OptionType type) => type switch
    {
        OptionType.Duration => FactType.Number,
        OptionType.Size or OptionType.Int => FactType.Int,
        OptionType.Bool => FactType.Bool,
        OptionType.List or OptionType.Map => FactType.List,
        _ => FactType.Text,
    };
}

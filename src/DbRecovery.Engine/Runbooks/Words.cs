namespace DbRecovery.Engine.Runbooks;

/// <summary>The words of the runbook language that stand for values, in one place for the reader and the schema.</summary>
internal static class Words
{
    public static IReadOnlyDictionary<string, FailurePolicy> OnFailure { get; } = new Dictionary<string, FailurePolicy>
    {
        ["stop"] = FailurePolicy.Stop,
        ["continue"] = FailurePolicy.Continue,
        ["compensate"] = FailurePolicy.Compensate,
        ["escalate"] = FailurePolicy.Escalate,
    };

    public static IReadOnlyDictionary<string, bool> Backoff { get; } = new Dictionary<string, bool> { ["none"] = false, ["exponential"] = true };

    public static IReadOnlyDictionary<string, OptionType> ParameterTypes { get; } = new Dictionary<string, OptionType>
    {
        ["duration"] = OptionType.Duration,
        ["size"] = OptionType.Size,
        ["int"] = OptionType.Int,
        ["bool"] = OptionType.Bool,
        ["string"] = OptionType.String,
        ["enum"] = OptionType.Enum,
    };

    public static IReadOnlyDictionary<string, Comparison> Comparisons { get; } = new Dictionary<string, Comparison>
    {
        ["is"] = Comparison.Is,
        ["atLeast"] = Comparison.AtLeast,
        ["above"] = Comparison.Above,
        ["below"] = Comparison.Below,
        ["in"] = Comparison.In,
    };
}

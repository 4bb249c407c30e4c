using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>What conditions and look-ups of a running incident can ask.</summary>
public sealed record EvaluationInputs
{
    /// <summary>The fault.</summary>
    public required Fault Fault { get; init; }
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The node at fault, or the only one.</summary>
    public required NodeDefinition Node { get; init; }
    /// <summary>The facts of the last look at that node.</summary>
    public required FactSet Facts { get; init; }
    /// <summary>The runbook's parameters with their values.</summary>
    public required IReadOnlyDictionary<string, FactValue> Parameters { get; init; }
    /// <summary>The outputs of steps, by step and name; while planning, those that are certain beforehand.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyDictionary<string, FactValue>> StepOutputs { get; init; }
    /// <summary>What the plan would lose beyond what the caller accepted; null for nothing. Unknown bytes are null in it.</summary>
    public DataLoss? PlanLoss { get; init; }
    /// <summary>Whether any act of the plan is destructive; null while there is no plan.</summary>
    public bool? PlanDestructive { get; init; }
    /// <summary><c>limits.maxDataLoss</c> in bytes.</summary>
    public long MaxDataLossBytes { get; init; }
    /// <summary>The incident's id.</summary>
    public required string IncidentId { get; init; }
    /// <summary>The incident's folder.</summary>
    public required string IncidentFolder { get; init; }
}

/// <summary>What a condition came to.</summary>
/// <param name="Result">True, false, or null for unknown.</param>
/// <param name="Explanation">Which facts decided, or are unknown.</param>
public sealed record ConditionOutcome(bool? Result, string Explanation);

/// <summary>What the incidents need of the runbooks: look-ups, conditions and values. The one place where the two meet.</summary>
public interface IRunbookEvaluator
{
    /// <summary>The look-ups over these inputs.</summary>
    IValueSource Values(EvaluationInputs inputs);

    /// <summary>Evaluates a condition in three-valued logic.</summary>
    ConditionOutcome Evaluate(Condition condition, IValueSource values);

    /// <summary>Reads the option <c>condition</c> of the check <c>fact</c>.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RunbookInvalid"/>.</exception>
    Condition ReadCondition(RunbookValue value);

    /// <summary>Gives a value the type that an option has: TimeSpan, long, bool, string, list or map of strings.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: it does not fit, or a look-up in it is unknown.</exception>
    object Bind(RunbookValue value, OptionDescriptor option, IValueSource values);

    /// <summary>A runbook's parameters with what the caller gave and the defaults.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>.</exception>
    IReadOnlyDictionary<string, FactValue> BindParameters(Runbook runbook, IReadOnlyDictionary<string, string> given);
}

/// <summary>Binding whole maps over <see cref="IRunbookEvaluator"/>.</summary>
internal static class RunbookEvaluatorExtensions
{
    /// <summary>The bound options record of a step.</summary>
    public static object BindOptions(this IRunbookEvaluator evaluator, RecoveryAction action, IReadOnlyDictionary<string, RunbookValue> with, IValueSource values)
    {
        var bound = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach (var (name, value) in with)
        {
            var option = action.Descriptor.Options.FirstOrDefault(o => o.Name == name)
                ?? throw new DbRecoveryException(ErrorIds.RunbookInvalid, ErrorKind.InvalidInput,
                    $"line {value.At.Line}: the action '{action.Descriptor.Name}' has no option '{name}'", "Lint the runbook.", name);
            bound[name] = evaluator.Bind(value, option, values);
        }
        return ActionOptions.Create(action.OptionsType, bound);
    }

    /// <summary>A value as a duration.</summary>
    public static TimeSpan? BindDuration(this IRunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : (TimeSpan)evaluator.Bind(value, new OptionDescriptor(name, OptionType.Duration, true, null, [], name), values);

    /// <summary>A value as a size in bytes.</summary>
    public static long? BindSize(this IRunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : Convert.ToInt64(evaluator.Bind(value, new OptionDescriptor(name, OptionType.Size, true, null, [], name), values), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A value as text.</summary>
    public static string? BindText(this IRunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : (string)evaluator.Bind(value, new OptionDescriptor(name, OptionType.String, true, null, [], name), values);
}

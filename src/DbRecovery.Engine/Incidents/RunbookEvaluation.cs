using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>Binding whole maps over <see cref="RunbookEvaluator"/>.</summary>
internal static class RunbookEvaluatorExtensions
{
    /// <summary>The bound options record of a step.</summary>
    public static object BindOptions(this RunbookEvaluator evaluator, RecoveryAction action, IReadOnlyDictionary<string, RunbookValue> with, IValueSource values)
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
    public static TimeSpan? BindDuration(this RunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : (TimeSpan)evaluator.Bind(value, new OptionDescriptor(name, OptionType.Duration, true, null, [], name), values);

    /// <summary>A value as a size in bytes.</summary>
    public static long? BindSize(this RunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : Convert.ToInt64(evaluator.Bind(value, new OptionDescriptor(name, OptionType.Size, true, null, [], name), values), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A value as text.</summary>
    public static string? BindText(this RunbookEvaluator evaluator, RunbookValue? value, string name, IValueSource values) =>
        value is null ? null : (string)evaluator.Bind(value, new OptionDescriptor(name, OptionType.String, true, null, [], name), values);
}

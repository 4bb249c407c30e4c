using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Look-ups, conditions and values of a runbook, for whoever carries it out.</summary>
public sealed class RunbookEvaluator
{
    /// <summary>The look-ups over these inputs.</summary>
    public IValueSource Values(EvaluationInputs inputs) => new ValueSource(inputs);

    /// <summary>Evaluates a condition in three-valued logic.</summary>
    public ConditionOutcome Evaluate(Condition condition, IValueSource values) => ConditionEvaluator.Evaluate(condition, values);

    /// <summary>Reads the option <c>condition</c> of the check <c>fact</c>.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RunbookInvalid"/>.</exception>
    public Condition ReadCondition(RunbookValue value)
    {
        var findings = new FindingList("runbook");
        return ReadCondition(value, findings) is { } condition && !findings.HasErrors
            ? condition
            : throw new DbRecoveryException(ErrorIds.RunbookInvalid, ErrorKind.InvalidInput, $"line {value.At.Line}: this is no condition", "Lint the runbook.");
    }

    /// <summary>The same for the linter, with findings that name the place.</summary>
    internal static Condition? ReadCondition(RunbookValue value, FindingList findings) => ValueReader.Condition(ToYaml(value), findings);

    /// <summary>Gives a value the type that an option has: TimeSpan, long, bool, string, list or map of strings.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: it does not fit, or a look-up in it is unknown.</exception>
    public object Bind(RunbookValue value, OptionDescriptor option, IValueSource values) => value switch
    {
        LiteralValue literal => Literals.TryRead(literal.Text, option.Type, option.Values, out var read)
            ? read
            : throw Misfit(value, option, $"'{literal.Text}'"),
        LookupValue look => FromFact(Resolve(look, values), value, option),
        TextValue text when option.Type is OptionType.String => string.Concat(text.Parts.Select(p => Text(p, values))),
        ListValue list when option.Type == OptionType.List => list.Items.Select(i => Text(i, values)).ToArray(),
        MapValue map when option.Type == OptionType.Map => map.Items.ToDictionary(i => i.Key, i => Text(i.Value, values), StringComparer.Ordinal),
        _ => throw Misfit(value, option, "that"),
    };

    /// <summary>A runbook's parameters with what the caller gave and the defaults.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>.</exception>
    public IReadOnlyDictionary<string, FactValue> BindParameters(Runbook runbook, IReadOnlyDictionary<string, string> given)
    {
        var names = runbook.Parameters.Select(p => p.Name).ToArray();
        if (given.Keys.FirstOrDefault(k => !names.Contains(k)) is { } unknown)
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"the runbook '{runbook.Name}' has no parameter '{unknown}'", NearNames.Suggest(unknown, names), unknown);
        }
        return runbook.Parameters.ToDictionary(p => p.Name, p => Parameter(runbook, p, given.GetValueOrDefault(p.Name) ?? p.Default), StringComparer.Ordinal);
    }

    private static FactValue Parameter(Runbook runbook, RunbookParameter parameter, string? text)
    {
        if (text is null)
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"the runbook '{runbook.Name}' needs a value for its parameter '{parameter.Name}'", $"Give {Literals.Form(parameter.Type, parameter.Values)}.", parameter.Name);
        }
        return Literals.TryRead(text, parameter.Type, parameter.Values, out var value)
            ? Literals.ToFact(value)
            : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"'{text}' is no value for the parameter '{parameter.Name}' of the runbook '{runbook.Name}'", $"Give {Literals.Form(parameter.Type, parameter.Values)}.", parameter.Name);
    }

    private static object FromFact(FactValue fact, RunbookValue value, OptionDescriptor option) => (option.Type, fact.Type) switch
    {
        (OptionType.Duration, FactType.Int or FactType.Number) when fact.AsNumber() >= 0 && fact.AsNumber() <= Scalars.LongestTimer.TotalSeconds => TimeSpan.FromSeconds(fact.AsNumber()),
        (OptionType.Size or OptionType.Int, FactType.Int) => fact.AsInt(),
        (OptionType.Bool, FactType.Bool) => fact.AsBool(),
        (OptionType.List, FactType.List) => fact.AsList(),
        (OptionType.Enum, FactType.Text) when option.Values.Contains(fact.AsText()) => fact.AsText(),
        (OptionType.String, _) => fact.ToString(),
        _ => throw Misfit(value, option, $"'{fact}'"),
    };

    private static string Text(RunbookValue value, IValueSource values) => value switch
    {
        LiteralValue literal => literal.Text,
        LookupValue look => Resolve(look, values).ToString(),
        TextValue text => string.Concat(text.Parts.Select(p => Text(p, values))),
        _ => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"line {value.At.Line}: text is needed here, not a list or mapping"),
    };

    private static FactValue Resolve(LookupValue look, IValueSource values)
    {
        var (value, because) = values.Resolve(look.Path);
        return value ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.Failed,
            $"line {look.At.Line}: '${{{look.Path}}}' is unknown: {because}", target: look.Path);
    }

    private static DbRecoveryException Misfit(RunbookValue value, OptionDescriptor option, string what) => new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
        $"line {value.At.Line}: {what} is no value for '{option.Name}'", $"Give {Literals.Form(option.Type, option.Values)}.", option.Name);

    // quoted: a value that was read is text; what was nothing was a finding then
    private static YamlNode ToYaml(RunbookValue value) => value switch
    {
        LiteralValue literal => new YamlScalar(value.At, literal.Text.Replace("${", ValueReader.Escape, StringComparison.Ordinal), Quoted: true),
        LookupValue look => new YamlScalar(value.At, $"${{{look.Path}}}", Quoted: true),
        ListValue list => new YamlSequence(value.At, [.. list.Items.Select(ToYaml)]),
        MapValue map => new YamlMapping(value.At, [.. map.Items.Select(i => KeyValuePair.Create(new YamlScalar(value.At, i.Key, Quoted: true), ToYaml(i.Value)))]),
        TextValue text => new YamlScalar(value.At, string.Concat(text.Parts.Select(p => ((YamlScalar)ToYaml(p)).Text)), Quoted: true),
        _ => throw new InvalidOperationException($"no YAML for {value.GetType().Name}"),
    };
}

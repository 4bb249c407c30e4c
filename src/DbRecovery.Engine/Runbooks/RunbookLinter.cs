using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Reads a runbook and checks everything that can be known before it runs.</summary>
public sealed class RunbookLinter
{
    internal static readonly OptionDescriptor Level = new("level", OptionType.Enum, false, "standard", ["quick", "standard", "deep"], "how much to look at");
    internal static readonly OptionDescriptor Via = new("via", OptionType.Enum, false, "direct", ["direct", "route"], "where the write is tried: on the node itself, or as applications come");
    internal static readonly OptionDescriptor AtLeast = new("atLeast", OptionType.Int, false, "1", [], "how many replicas");
    private static readonly HashSet<string> HarmlessActions = ["notify", "wait", "snapshot-evidence"];

    private readonly LintContext _context;
    private readonly FindingList _findings;
    private readonly RunbookReader _source;

    private RunbookLinter(LintContext context, FindingList findings, RunbookReader source) => (_context, _findings, _source) = (context, findings, source);

    /// <summary>Reads and checks a runbook.</summary>
    /// <param name="file">The file, as findings shall name it.</param>
    /// <param name="text">Its text.</param>
    /// <param name="context">What names are checked against.</param>
    /// <returns>The runbook, null where there is an error; and every finding.</returns>
    public static (Runbook? Runbook, LintResult Result) Lint(string file, string text, LintContext context) => Lint(file, text, context, []);

    /// <summary>The same for one file of a folder.</summary>
    /// <param name="file">The file, as findings shall name it.</param>
    /// <param name="text">Its text.</param>
    /// <param name="context">What names are checked against.</param>
    /// <param name="taken">The names of the folder's files so far, with the file of each; this one's is added.</param>
    internal static (Runbook? Runbook, LintResult Result) Lint(string file, string text, LintContext context, Dictionary<string, string> taken)
    {
        var findings = new FindingList(file);
        var reader = new RunbookReader(file, findings);
        var runbook = reader.Read(text);
        if (runbook is not null)
            new RunbookLinter(context, findings, reader).Check(runbook);
        if (reader.RunbookName is { } name && !taken.TryAdd(name, Path.GetFileName(file)))
            findings.Error(reader.NameAt, "duplicate-runbook", $"The runbook '{name}' is in '{taken[name]}' of the same folder, too: neither is used.", "Give one of them another name, or take it away.");
        var result = new LintResult { File = file, Name = reader.RunbookName, Findings = findings.InOrder() };
        return (result.Valid ? runbook : null, result);
    }

    private void Check(Runbook runbook)
    {
        CheckMatch(runbook);
        var schema = new ValueSchema(runbook, _context);
        var conditions = new ConditionLinter(schema, _findings);
        CheckParameters(runbook);
        if (runbook.Match.When is { } when)
            conditions.Check(when);
        foreach (var guard in runbook.Guards)
            conditions.Check(guard);
        var reach = new ReachLinter(runbook, schema, _findings);
        reach.CheckMatchAndGuards();
        if (runbook.Limits.MaxDataLoss is { } loss)
            CheckValue(loss, new OptionDescriptor("maxDataLoss", OptionType.Size, false, null, [], ""), schema);
        if (runbook.Approval?.When is { } approval)
        {
            conditions.Check(approval);
            reach.CheckApproval(approval);
        }
        var outputs = new StepOutputs(_findings);
        CheckSteps(runbook, runbook.Steps, schema, conditions, reach, outputs.Check);
        CheckSteps(runbook, runbook.Escalate, schema, conditions, reach, outputs.CheckEscalation);
        foreach (var check in runbook.Verify)
            CheckVerification(check, schema, conditions, reach);
        CheckDrill(runbook);
        CheckSafety(runbook);
    }

    private void CheckDrill(Runbook runbook)
    {
        if (_context.DamagesOf is not { } damagesOf)
            return;
        var known = runbook.Match.Engines.Where(_context.Engines.Contains).SelectMany(damagesOf).ToList();
        foreach (var (at, name, _) in _source.Injects)
        {
            if (known.Find(d => d.Name == name) is not { } damage)
                _findings.Error(at, "unknown-damage", $"'drill' names the damage '{name}', which no drill of {string.Join(", ", runbook.Match.Engines)} can inflict.", NearNames.Suggest(name, [.. known.Select(d => d.Name).Distinct()]));
            else if (!runbook.Match.Faults.Contains(damage.ExpectedFault))
                _findings.Error(at, "unreachable", $"The damage '{name}' gives the fault '{damage.ExpectedFault}', which 'match' does not name.");
        }
    }

    private void CheckMatch(Runbook runbook)
    {
        foreach (var (at, engine, _) in _source.Engines.Where(e => !_context.Engines.Contains(e.Text)))
            _findings.Error(at, "unknown-engine", $"'match' names the engine '{engine}', which this version does not know.", NearNames.Suggest(engine, [.. _context.Engines]));
        foreach (var (at, fault, _) in _source.Faults.Where(f => !f.Text.StartsWith("custom.", StringComparison.Ordinal)))
        {
            if (_context.Faults.FirstOrDefault(c => c.Id == fault) is not { } known)
                _findings.Error(at, "unknown-fault", $"'match' names the fault '{fault}', which does not exist.", NearNames.Suggest(fault, [.. _context.Faults.Select(c => c.Id)]));
            else if (known.Engines.Count > 0 && runbook.Match.Engines.Count > 0 && !known.Engines.Intersect(runbook.Match.Engines).Any())
                _findings.Error(at, "unreachable", $"The fault '{fault}' does not occur in {string.Join(", ", runbook.Match.Engines)}.");
        }
    }

    private void CheckParameters(Runbook runbook)
    {
        foreach (var parameter in runbook.Parameters)
        {
            if (parameter.Default is { } text && !Literals.TryRead(text, parameter.Type, parameter.Values, out _))
                _findings.Error(parameter.At, "wrong-value", $"The default of '{parameter.Name}' must be {Literals.Form(parameter.Type, parameter.Values)}.");
        }
    }

    private void CheckSteps(Runbook runbook, IReadOnlyList<RunbookStep> steps, ValueSchema schema, ConditionLinter conditions, ReachLinter reach, Action<RunbookStep> checkOutputs)
    {
        foreach (var step in steps)
        {
            if (_context.Actions.FirstOrDefault(a => a.Name == step.Action) is not { } action)
            {
                _findings.Error(step.At, "unknown-action", $"There is no action '{step.Action}'.", NearNames.Suggest(step.Action, [.. _context.Actions.Select(a => a.Name)]));
                continue;
            }
            if (step.When is { } when)
            {
                conditions.Check(when);
                reach.CheckStep(step, when, action.Destructive);
            }
            CheckOptions(step, action, schema);
            checkOutputs(step);
            if (step.Timeout is { } timeout)
                CheckValue(timeout, new OptionDescriptor("timeout", OptionType.Duration, false, null, [], ""), schema);
            foreach (var engine in runbook.Match.Engines.Where(e => _context.Engines.Contains(e) && action.Capability is { } needed && !_context.HasCapability(e, needed)))
                _findings.Error(step.At, "capability", $"{engine} cannot do '{action.Name}': it lacks the capability {action.Capability!.Name[1..]}.");
            if (action.NeedsPowerShell && !_context.PowerShell)
                _findings.Warning(step.At, "powershell", $"The action '{action.Name}' works only in PowerShell; here the step would fail.", "Use run-command, or run this runbook from the module.");
            schema.AddOutputs(step.Id, action.Outputs);
        }
    }

    private void CheckOptions(RunbookStep step, ActionDescriptor action, ValueSchema schema)
    {
        foreach (var (name, value) in step.With)
        {
            if (action.Options.FirstOrDefault(o => o.Name == name) is { } option)
                CheckValue(value, option, schema);
            else
                _findings.Error(value.At, "unknown-parameter", $"The action '{action.Name}' has no option '{name}'.", NearNames.Suggest(name, [.. action.Options.Select(o => o.Name)]));
        }
        foreach (var missing in action.Options.Where(o => o.Required && !step.With.ContainsKey(o.Name)))
            _findings.Error(step.At, "missing-parameter", $"The action '{action.Name}' needs the option '{missing.Name}': {missing.Description}.");
    }

    private void CheckValue(RunbookValue value, OptionDescriptor option, ValueSchema schema)
    {
        var form = Literals.Form(option.Type, option.Values);
        switch (value)
        {
            case LiteralValue literal when !Literals.TryRead(literal.Text, option.Type, option.Values, out _):
                _findings.Error(value.At, "wrong-value", $"'{option.Name}' must be {form}.", option.Type == OptionType.Enum ? NearNames.Suggest(literal.Text, [.. option.Values]) : null);
                break;
            case LookupValue look when LookUp(look, schema) is { } type && !Fits(type, option.Type):
                _findings.Error(value.At, "wrong-type", $"'{option.Name}' must be {form}; '${{{look.Path}}}' is a {type}.");
                break;
            case TextValue text when option.Type != OptionType.String:
                _findings.Error(value.At, "wrong-type", $"'{option.Name}' must be {form}, not text with look-ups in it.");
                CheckTexts(text.Parts, schema);
                break;
            case TextValue text:
                CheckTexts(text.Parts, schema);
                break;
            case ListValue list when option.Type == OptionType.List:
                CheckTexts(list.Items, schema);
                break;
            case MapValue map when option.Type == OptionType.Map:
                CheckTexts(map.Items.Values, schema);
                break;
            case ListValue or MapValue:
                _findings.Error(value.At, "wrong-type", $"'{option.Name}' must be {form}.");
                break;
        }
    }

    private void CheckTexts(IEnumerable<RunbookValue> values, ValueSchema schema)
    {
        foreach (var value in values)
            CheckValue(value, new OptionDescriptor("the value", OptionType.String, false, null, [], ""), schema);
    }

    private FactType? LookUp(LookupValue look, ValueSchema schema)
    {
        if (schema.Find(look.Path) is { } type)
            return type;
        _findings.Error(look.At, "unknown-look-up", $"There is nothing to look up as '{look.Path}' here.", NearNames.Nearest(look.Path, schema.Paths) is { } near ? $"Did you mean '{near}'?"
            : look.Path.Contains('.') ? "A step's outputs are known only after it."
            : $"Write $${{{look.Path}}} for the text ${{{look.Path}}} itself, such as a shell's variable.");
        return null;
    }

    private static bool Fits(FactType type, OptionType option) => option switch
    {
        OptionType.Duration => type is FactType.Number or FactType.Int,
        OptionType.Size or OptionType.Int => type == FactType.Int,
        OptionType.Bool => type == FactType.Bool,
        OptionType.List => type == FactType.List,
        OptionType.Enum => type == FactType.Text,
        OptionType.String => true,
        _ => false,
    };

    /// <summary>The option that a check has, beside the condition of the check 'fact'; null for none.</summary>
    internal static OptionDescriptor? OptionOf(string check) => check switch
    {
        VerifyChecks.FaultGone or VerifyChecks.Healthy => Level,
        VerifyChecks.Writable => Via,
        VerifyChecks.Replicating => AtLeast,
        _ => null,
    };

    private void CheckVerification(RunbookCheck check, ValueSchema schema, ConditionLinter conditions, ReachLinter reach)
    {
        if (!VerifyChecks.All.Contains(check.Check))
        {
            _findings.Error(check.At, "unknown-check", $"There is no check '{check.Check}'.", NearNames.Suggest(check.Check, [.. VerifyChecks.All]));
            return;
        }
        var option = OptionOf(check.Check);
        var known = check.Check == VerifyChecks.Fact ? "condition" : option?.Name;
        foreach (var (name, value) in check.With)
        {
            if (name != known)
                _findings.Error(value.At, "unknown-parameter", $"The check '{check.Check}' has no option '{name}'.", known is null ? "It has none." : NearNames.Suggest(name, [known, "within", "holds"]));
            else if (option is not null)
                CheckValue(value, option, schema);
        }
        if (check.Check != VerifyChecks.Fact)
            return;
        if (!check.With.TryGetValue("condition", out var node))
            _findings.Error(check.At, "missing-parameter", "The check 'fact' needs a 'condition'.");
        else if (RunbookEvaluator.ReadCondition(node, _findings) is { } condition)
        {
            conditions.Check(condition);
            reach.CheckVerification(condition);
        }
    }

    private void CheckSafety(Runbook runbook)
    {
        var actions = runbook.Steps.Select(s => (Step: s, Action: _context.Actions.FirstOrDefault(a => a.Name == s.Action))).ToArray();
        if (runbook.Verify.Count == 0 && actions.Any(a => !HarmlessActions.Contains(a.Step.Action)))
            _findings.Error(_source.At, "missing-verification", "The runbook changes something and verifies nothing.", "Add 'verify', such as: - { check: fault-gone, within: 30s }.");
        if (runbook.Limits is { PerDay: null, Cooldown: null })
            _findings.Error(_source.At, "no-limit", "The runbook has no limit on how often it runs.", "Add 'limits' with cooldown or perDay.");
        // an escalation is in no plan, and neither guards nor approvals hold it back
        foreach (var step in runbook.Escalate.Where(s => _context.Actions.Any(a => a.Name == s.Action && a.Destructive)))
            _findings.Error(step.At, "destructive-escalation", $"The action '{step.Action}' takes something away, which an escalation may not.", "Tell people (notify), or make it a step.");
        if (actions.FirstOrDefault(a => a.Action is { Destructive: true }).Step is not { } destructive)
            return;
        // guards that could not be read have their own findings
        if (runbook.Guards.Count == 0 && !(_source.HasGuards && _findings.HasErrors))
            _findings.Error(destructive.At, "destructive-without-guard", $"The step '{destructive.Id}' takes something away, and no guard says when it may.", "Add 'guards'.");
        if (runbook.Limits.MaxDataLoss is null)
            _findings.Error(destructive.At, "destructive-without-limit", $"The step '{destructive.Id}' takes something away, and nothing says how much may be lost.", "Add limits: { maxDataLoss: \"${cluster.policy.maxDataLoss}\" }.");
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Reads a runbook's structure. What its names mean is checked by <see cref="RunbookLinter"/>.</summary>
internal sealed partial class RunbookReader(string path, FindingList findings)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(24);

    /// <summary>The name, if it could be read, even where the rest could not.</summary>
    public string? RunbookName { get; private set; }

    /// <summary>Where the name stands.</summary>
    public SourcePosition NameAt { get; private set; } = new(1, 1);

    /// <summary>Whether guards are written, be they right or wrong.</summary>
    public bool HasGuards { get; private set; }

    /// <summary>Where the runbook begins.</summary>
    public SourcePosition At { get; private set; } = new(1, 1);

    /// <summary>The engines of <c>match</c> with their places.</summary>
    public IReadOnlyList<YamlScalar> Engines { get; private set; } = [];

    /// <summary>The faults of <c>match</c> with their places.</summary>
    public IReadOnlyList<YamlScalar> Faults { get; private set; } = [];

    /// <summary>The damages of <c>drill</c> with their places.</summary>
    public IReadOnlyList<YamlScalar> Injects { get; private set; } = [];

    public Runbook? Read(string text)
    {
        if (YamlReader.Read(text, findings) is not { } document)
        {
            // what cannot be parsed may still say whose place it takes
            RunbookName = NameLine().Match(text) is { Success: true } line ? line.Groups[1].Value : null;
            return null;
        }
        if (MapReader.Over(document, findings, "the runbook") is not { } map)
            return null;
        At = map.At;
        var name = map.Scalar("runbook", required: true);
        RunbookName = name?.Text;
        NameAt = name?.At ?? map.At;
        if (name is not null && !Name().IsMatch(name.Text))
            findings.Error(name.At, "name", $"'{name.Text}' is no name for a runbook.", "Use small letters, digits and dashes.");
        var version = map.Scalar("version", required: true);
        if (version is not null && !Version().IsMatch(version.Text))
            findings.Error(version.At, "version", $"'{version.Text}' is no version.", "Write three numbers, such as 1.0.0.");
        var description = map.Text("description", required: true);
        var match = Match(map.Map("match", required: true));
        HasGuards = map.Has("guards");
        var guards = Conditions(map.List("guards"));
        var limits = Limits(map.Map("limits"));
        var approval = Approval(map.Map("approval"));
        var parameters = Parameters(map.Map("parameters"));
        var written = map.List("steps", required: true);
        var steps = Steps(written, "steps");
        if (written is { Count: 0 })
            findings.Error(map.PlaceOf("steps"), "no-step", "A runbook has at least one step.");
        var verify = Checks(map.List("verify"));
        var escalate = Steps(map.List("escalate"), "escalate");
        var drill = Drill(map);
        map.End();
        if (name is null || version is null || match is null || steps.Count == 0)
            return null;
        return new Runbook
        {
            Name = name.Text,
            Version = version.Text,
            Description = description ?? "",
            Path = path,
            ContentHash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text))).ToLowerInvariant(),
            Match = match,
            Guards = guards,
            Limits = limits,
            Approval = approval,
            Parameters = parameters,
            Steps = steps,
            Verify = verify,
            Escalate = escalate,
            Drill = drill,
        };
    }

    private RunbookMatch? Match(MapReader? map)
    {
        if (map is null)
            return null;
        var engines = map.Words("engines", required: true);
        var faults = map.Words("faults", required: true);
        (Engines, Faults) = (engines ?? [], faults ?? []);
        var when = map.Node("when") is { } node ? ValueReader.Condition(node, findings) : null;
        map.End();
        if (engines is { Count: 0 } || faults is { Count: 0 })
            findings.Error(map.At, "match", "A runbook answers at least one fault of one engine.");
        return engines is null || faults is null ? null : new RunbookMatch { Engines = [.. engines.Select(e => e.Text)], Faults = [.. faults.Select(f => f.Text)], When = when };
    }

    private RunbookDrill? Drill(MapReader runbook)
    {
        if (runbook.Map("drill") is not { } map)
            return null;
        // one damage needs no brackets
        var inject = map.Node("inject", required: true);
        Injects = inject is YamlScalar one ? [one] : map.Words("inject") ?? [];
        if (inject is YamlSequence { Items.Count: 0 })
            findings.Error(map.PlaceOf("inject"), "drill", "A drill inflicts at least one damage.");
        var expect = map.Map("expect");
        var drill = new RunbookDrill([.. Injects.Select(i => i.Text)], expect?.Duration("rto"), expect?.Int("lost", 0, int.MaxValue));
        expect?.End();
        map.End();
        return drill;
    }

    private List<Condition> Conditions(IReadOnlyList<YamlNode>? nodes) =>
        [.. (nodes ?? []).Select(n => ValueReader.Condition(n, findings)).OfType<Condition>()];

    private RunbookLimits Limits(MapReader? map)
    {
        if (map is null)
            return new RunbookLimits();
        var limits = new RunbookLimits
        {
            Cooldown = map.Duration("cooldown"),
            PerDay = map.Int("perDay", 1, 1000),
            MaxDataLoss = map.Node("maxDataLoss") is { } node ? ValueReader.Value(node, findings) : null,
            TotalTimeout = map.Wait("totalTimeout"),
        };
        map.End();
        return limits;
    }

    private RunbookApproval? Approval(MapReader? map)
    {
        if (map is null)
            return null;
        var approval = new RunbookApproval(map.Node("when") is { } node ? ValueReader.Condition(node, findings) : null, map.Duration("expires") ?? TimeSpan.FromMinutes(15));
        map.End();
        return approval;
    }

    private List<RunbookParameter> Parameters(MapReader? map)
    {
        var parameters = new List<RunbookParameter>();
        foreach (var (name, node) in map?.Entries() ?? [])
        {
            if (!Id().IsMatch(name.Text))
                findings.Error(name.At, "name", $"'{name.Text}' is no name for a parameter.", "Use letters and digits, a letter first.");
            if (MapReader.Over(node, findings, $"the parameter '{name.Text}'") is not { } parameter)
                continue;
            var type = parameter.Scalar("type", required: true);
            if (type is not null && !Words.ParameterTypes.ContainsKey(type.Text))
                findings.Error(type.At, "wrong-value", $"There is no type '{type.Text}'.", NearNames.Suggest(type.Text, [.. Words.ParameterTypes.Keys]));
            var kind = type is not null && Words.ParameterTypes.TryGetValue(type.Text, out var known) ? known : OptionType.String;
            var values = parameter.Words("values") ?? [];
            if (kind == OptionType.Enum && values.Count == 0)
                findings.Error(parameter.At, "missing-key", $"The parameter '{name.Text}' is an enum and needs its 'values'.");
            parameters.Add(new RunbookParameter(name.At, name.Text, kind, parameter.Text("default"), [.. values.Select(v => v.Text)], parameter.Text("description")));
            parameter.End();
        }
        return parameters;
    }

    private List<RunbookStep> Steps(IReadOnlyList<YamlNode>? nodes, string where)
    {
        var steps = new List<RunbookStep>();
        foreach (var node in nodes ?? [])
        {
            if (MapReader.Over(node, findings, "a step") is not { } map)
                continue;
            var action = map.Scalar("action", required: true);
            // steps of an escalation are seldom referred to: their action names them
            var id = map.Scalar("id", required: where == "steps");
            if (id is not null && !Id().IsMatch(id.Text))
                findings.Error(id.At, "name", $"'{id.Text}' is no id for a step.", "Use letters, digits and dashes, a letter first.");
            if (id is not null && steps.Any(s => s.Id == id.Text))
                findings.Error(id.At, "duplicate-step", $"The step '{id.Text}' is there twice.", "Give each step its own id.");
            var step = new RunbookStep
            {
                At = map.At,
                Id = id?.Text ?? $"{where}-{steps.Count + 1}",
                Action = action?.Text ?? "",
                When = map.Node("when") is { } when ? ValueReader.Condition(when, findings) : null,
                With = ValueReader.Values(map.Map("with"), findings),
                Timeout = map.Node("timeout") is { } timeout ? ValueReader.Value(timeout, findings) : null,
                OnFailure = map.Word("onFailure", Words.OnFailure) ?? FailurePolicy.Stop,
                Retry = Retry(map.Map("retry")),
            };
            map.End();
            if (action is not null)
                steps.Add(step);
        }
        return steps;
    }

    private RetryPolicy Retry(MapReader? map)
    {
        if (map is null)
            return new RetryPolicy(1, TimeSpan.Zero, false);
        var retry = new RetryPolicy(map.Int("attempts", 1, 20) ?? 3, map.Duration("delay") ?? TimeSpan.FromSeconds(1), map.Word("backoff", Words.Backoff) ?? false);
        map.End();
        return retry;
    }

    private List<RunbookCheck> Checks(IReadOnlyList<YamlNode>? nodes)
    {
        var checks = new List<RunbookCheck>();
        foreach (var node in nodes ?? [])
        {
            if (MapReader.Over(node, findings, "a check") is not { } map)
                continue;
            var check = map.Scalar("check", required: true);
            var (within, holds) = (map.Duration("within") ?? TimeSpan.FromSeconds(30), map.Duration("holds") ?? TimeSpan.Zero);
            if (within > LongestWait || holds > LongestWait)
                findings.Error(map.At, "wrong-value", "'within' and 'holds' are at most 24h.");
            if (check is not null)
                checks.Add(new RunbookCheck { At = map.At, Check = check.Text, Within = within, Holds = holds, With = ValueReader.Values(map, findings, "check", "within", "holds") });
        }
        return checks;
    }

    [GeneratedRegex(@"^[a-z0-9][a-z0-9-]{0,63}\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"^runbook:\s*[""']?([a-z0-9][a-z0-9-]{0,63})", RegexOptions.Multiline)]
    private static partial Regex NameLine();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9-]{0,63}\z")]
    private static partial Regex Id();

    [GeneratedRegex(@"^\d{1,6}\.\d{1,6}\.\d{1,6}\z")]
    private static partial Regex Version();
}

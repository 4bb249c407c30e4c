using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;

namespace DbRecovery.Engine.Runbooks;

/// <summary>
/// Writes the JSON schema (draft-07, which editors know best) of a runbook from what the linter itself goes by, so that completion
/// and linter cannot say different things. The linter stays the judge: a schema cannot follow look-ups and types.
/// </summary>
internal static class RunbookSchema
{
    private const string Duration = @"^\d+(\.\d+)?(ms|s|m|h|d)$", Size = @"^\d+(\.\d+)?(B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$", Damage = "^[a-z][a-z0-9-]{0,63}$", LookUp = @"^\$\{[A-Za-z0-9_.-]{1,200}\}$";

    public static string Generate(IReadOnlyList<ActionDescriptor> actions, IReadOnlyList<FaultClass> faults, IReadOnlyList<string> engines)
    {
        var definitions = Definitions(actions);
        foreach (var action in actions)
            definitions["options-" + action.Name] = Options(action);
        var schema = Closed("A DbRecovery runbook: what is done about a fault.", ["runbook", "description", "version", "match", "limits", "steps"], new JsonObject
        {
            ["runbook"] = Pattern("^[a-z0-9][a-z0-9-]{0,63}$", "The name: small letters, digits and dashes. A runbook of your own replaces a shipped one of the same name."),
            ["description"] = Text("What it does, for people."),
            ["version"] = Pattern(@"^\d{1,6}\.\d{1,6}\.\d{1,6}$", "Three numbers, such as 1.0.0."),
            ["match"] = Match(faults, engines),
            ["guards"] = List(Ref("condition"), "Conditions that hold at the start and again before every destructive step; an unknown fact fails a guard."),
            ["limits"] = Limits(),
            ["approval"] = Closed("When a person must agree. Without 'when': always.", [], new JsonObject
            {
                ["when"] = Ref("condition"),
                ["expires"] = Pattern(Duration, "How long an approval may be waited for."),
            }),
            ["parameters"] = Parameters(),
            ["steps"] = List(Ref("step"), "What is done, in this order.", 1),
            ["verify"] = List(Ref("check"), "What must be true afterwards."),
            ["escalate"] = List(Ref("escalation"), "What is done when it fails."),
            ["drill"] = Drill(),
        });
        var root = new JsonObject { ["$schema"] = "http://json-schema.org/draft-07/schema#", ["title"] = "DbRecovery runbook" };
        foreach (var (key, value) in schema.ToArray())
        {
            schema.Remove(key);
            root[key] = value;
        }
        root["definitions"] = definitions;
        var options = new JsonSerializerOptions { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        return root.ToJsonString(options).ReplaceLineEndings("\n") + "\n";
    }

    private static JsonObject Definitions(IReadOnlyList<ActionDescriptor> actions) => new()
    {
        ["look-up"] = Pattern(LookUp, "A look-up such as ${fault.node}."),
        ["text"] = new JsonObject { ["type"] = Array("string", "number", "boolean") },
        ["condition"] = Condition(),
        ["step"] = Step(actions, ["id", "action"], "A step."),
        ["escalation"] = Step(actions, ["action"], "A step of the escalation; its id may be left out."),
        ["check"] = Check(),
    };

    private static JsonObject Match(IReadOnlyList<FaultClass> faults, IReadOnlyList<string> engines)
    {
        var ids = new JsonArray();
        foreach (var fault in faults)
            ids.Add(new JsonObject { ["const"] = fault.Id, ["description"] = fault.Description });
        ids.Add(Pattern(@"^custom\.", "A fault of the inventory's own checks; custom.* for all of them."));
        return Closed("What the runbook answers.", ["engines", "faults"], new JsonObject
        {
            ["engines"] = List(Words(engines), "Engines.", 1),
            ["faults"] = List(new JsonObject { ["anyOf"] = ids }, "Fault ids.", 1),
            ["when"] = Ref("condition"),
        });
    }

    private static JsonObject Limits()
    {
        var limits = Closed("The bounds within which the runbook may act.", [], new JsonObject
        {
            ["cooldown"] = Pattern(Duration, "The time after an incident of the same class in which none is begun."),
            ["perDay"] = Whole(1, 1000, "Incidents of this runbook in 24 hours."),
            ["maxDataLoss"] = OrLookUp(Pattern(Size), "Committed data that may be lost without an approval: a size or a look-up."),
            ["totalTimeout"] = Pattern(Duration, "The deadline of the whole recovery."),
        });
        limits["anyOf"] = new JsonArray(new JsonObject { ["required"] = Array("cooldown") }, new JsonObject { ["required"] = Array("perDay") });
        return limits;
    }

    private static JsonObject Drill() => Closed("What a drill holds the runbook to.", ["inject"], new JsonObject
    {
        ["inject"] = new JsonObject
        {
            ["description"] = "The damages that it answers: one, or a list.",
            ["anyOf"] = new JsonArray(Pattern(Damage), List(Pattern(Damage), null, 1)),
        },
        ["expect"] = Closed("What it promises.", [], new JsonObject
        {
            ["rto"] = Pattern(Duration, "The longest time from the damage to the verified recovery."),
            ["lost"] = Whole(0, int.MaxValue, "The most rows that may be lost; without it: those committed since the backup."),
        }),
    });

    private static JsonObject Parameters() => new()
    {
        ["type"] = "object",
        ["description"] = "What a caller may set; look it up as ${parameters.NAME}.",
        ["propertyNames"] = Pattern("^[A-Za-z][A-Za-z0-9-]{0,63}$"),
        ["additionalProperties"] = Closed("A parameter.", ["type"], new JsonObject
        {
            ["type"] = Words(Runbooks.Words.ParameterTypes.Keys, "The type."),
            ["default"] = Described(Ref("text"), "The value where the caller gives none; without it one must be given."),
            ["values"] = List(Ref("text"), "The words of an enum."),
            ["description"] = Text("What it is for."),
        }),
    };

    private static JsonObject Condition()
    {
        var kinds = new JsonArray(new JsonObject { ["required"] = Array("fact") });
        var properties = new JsonObject { ["fact"] = Text("A fact's name, or a path such as fault.damage or plan.lossBytes.") };
        var comparisons = new JsonArray();
        foreach (var word in Runbooks.Words.Comparisons.Keys)
        {
            properties[word] = word == "in" ? List(Ref("text"), "One of these.") : Ref("text");
            comparisons.Add(new JsonObject { ["required"] = Array(word) });
        }
        kinds[0]!["oneOf"] = comparisons;
        foreach (var (word, meaning) in new[] { ("any", "True if one is."), ("all", "False if one is.") })
        {
            properties[word] = List(Ref("condition"), meaning, 1);
            kinds.Add(new JsonObject { ["required"] = Array(word) });
        }
        properties["not"] = Ref("condition");
        properties["otherwise"] = Text("In a guard on a fact: what a person can do where it does not hold.");
        kinds.Add(new JsonObject { ["required"] = Array("not") });
        var condition = Closed("A condition: true, false, or unknown where a fact is.", [], properties);
        condition["oneOf"] = kinds;
        return condition;
    }

    private static JsonObject Step(IReadOnlyList<ActionDescriptor> actions, string[] required, string description)
    {
        var names = new JsonArray();
        var options = new JsonArray();
        foreach (var action in actions)
        {
            names.Add(new JsonObject { ["const"] = action.Name, ["description"] = action.Description });
            var then = new JsonObject { ["properties"] = new JsonObject { ["with"] = Ref("options-" + action.Name) } };
            if (action.Options.Any(o => o.Required))
                then["required"] = Array("with");
            options.Add(new JsonObject { ["if"] = new JsonObject { ["properties"] = new JsonObject { ["action"] = new JsonObject { ["const"] = action.Name } } }, ["then"] = then });
        }
        var step = Closed(description, required, new JsonObject
        {
            ["id"] = Pattern("^[A-Za-z][A-Za-z0-9-]{0,63}$", "The id, unique in the runbook."),
            ["action"] = new JsonObject { ["description"] = "What is done.", ["anyOf"] = names },
            ["when"] = Ref("condition"),
            ["with"] = new JsonObject { ["type"] = "object", ["description"] = "The action's options." },
            ["timeout"] = OrLookUp(Pattern(Duration), "The deadline of one attempt."),
            ["onFailure"] = Words(Runbooks.Words.OnFailure.Keys, "What happens when it fails; stop if nothing is said."),
            ["retry"] = Closed("How often it is tried.", [], new JsonObject
            {
                ["attempts"] = Whole(1, 20, "Tries in all."),
                ["delay"] = Pattern(Duration, "The wait before the second."),
                ["backoff"] = Words(Runbooks.Words.Backoff.Keys, "Whether each further wait is twice the one before."),
            }),
        });
        step["allOf"] = options;
        return step;
    }

    private static JsonObject Check()
    {
        var kinds = new JsonArray();
        foreach (var check in VerifyChecks.All)
        {
            var option = RunbookLinter.OptionOf(check);
            var properties = new JsonObject
            {
                ["check"] = new JsonObject { ["const"] = check },
                ["within"] = Pattern(Duration, "The time in which it must come true."),
                ["holds"] = Pattern(Duration, "The time for which it must stay true."),
            };
            if (option is not null)
                properties[option.Name] = Value(option with { Default = null });
            else if (check == VerifyChecks.Fact)
                properties["condition"] = Ref("condition");
            kinds.Add(Closed(null, check == VerifyChecks.Fact ? ["check", "condition"] : ["check"], properties));
        }
        return new JsonObject { ["description"] = "A check.", ["oneOf"] = kinds };
    }

    private static JsonObject Options(ActionDescriptor action)
    {
        var properties = new JsonObject();
        foreach (var option in action.Options)
            properties[option.Name] = Value(option);
        return Closed(action.Description, [.. action.Options.Where(o => o.Required).Select(o => o.Name)], properties);
    }

    private static JsonObject Value(OptionDescriptor option)
    {
        var description = option.Default is null ? option.Description : $"{option.Description} (default: {option.Default})";
        return option.Type switch
        {
            OptionType.Duration => OrLookUp(Pattern(Duration), description),
            OptionType.Size => OrLookUp(Pattern(Size), description),
            OptionType.Int => OrLookUp(new JsonObject { ["type"] = "integer" }, description),
            OptionType.Bool => OrLookUp(new JsonObject { ["type"] = "boolean" }, description),
            OptionType.Enum => OrLookUp(Words(option.Values), description),
            OptionType.List => OrLookUp(List(Ref("text")), description),
            OptionType.Map => new JsonObject { ["description"] = description, ["type"] = "object", ["additionalProperties"] = Ref("text") },
            _ => Described(Ref("text"), description),
        };
    }

    private static JsonObject Closed(string? description, string[] required, JsonObject properties)
    {
        var schema = new JsonObject { ["type"] = "object" };
        if (description is not null)
            schema["description"] = description;
        if (required.Length > 0)
            schema["required"] = Array(required);
        schema["properties"] = properties;
        schema["additionalProperties"] = false;
        return schema;
    }

    private static JsonObject Ref(string definition) => new() { ["$ref"] = "#/definitions/" + definition };

    // draft-07 ignores what stands beside a $ref
    private static JsonObject Described(JsonObject schema, string description) => new() { ["description"] = description, ["allOf"] = new JsonArray(schema) };

    private static JsonObject OrLookUp(JsonObject schema, string description) => new() { ["description"] = description, ["anyOf"] = new JsonArray(schema, Ref("look-up")) };

    private static JsonObject Text(string description) => new() { ["type"] = "string", ["description"] = description };

    private static JsonObject Pattern(string pattern, string? description = null)
    {
        var schema = new JsonObject { ["type"] = "string", ["pattern"] = pattern };
        if (description is not null)
            schema["description"] = description;
        return schema;
    }

    private static JsonObject Whole(int least, int most, string description) =>
        new() { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most, ["description"] = description };

    private static JsonObject Words(IEnumerable<string> words, string? description = null)
    {
        var schema = new JsonObject { ["enum"] = Array([.. words]) };
        if (description is not null)
            schema["description"] = description;
        return schema;
    }

    private static JsonObject List(JsonObject items, string? description = null, int least = 0)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = items };
        if (description is not null)
            schema["description"] = description;
        if (least > 0)
            schema["minItems"] = least;
        return schema;
    }

    private static JsonArray Array(params string[] texts) => [.. texts.Select(t => (JsonNode)t)];
}

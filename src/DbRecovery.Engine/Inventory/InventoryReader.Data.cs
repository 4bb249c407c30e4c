using System.Text.RegularExpressions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Inventory;

public sealed partial class InventoryReader
{
    private ExpectationSettings Expects(MapReader map)
    {
        var tables = new Dictionary<string, TableExpectation>(StringComparer.Ordinal);
        foreach (var (name, node) in map.Map("tables")?.Entries() ?? [])
        {
            if (MapReader.Over(node, _findings, $"the table '{name.Text}'") is not { } table)
                continue;
            tables[name.Text] = new TableExpectation(table.Int("minRows", 0, int.MaxValue) ?? 0);
            table.End();
        }
        var expects = new ExpectationSettings { Tables = tables, MaxLatency = map.Duration("maxLatency"), MinFreeBytes = map.Size("minFree") };
        map.End();
        return expects;
    }

    private BackupSettings? Backups(MapReader map, IReadOnlyDictionary<string, RepositoryDefinition> repositories)
    {
        var repository = map.Scalar("repository", required: true);
        if (repository is not null && !repositories.ContainsKey(repository.Text))
            _findings.Error(repository.At, "unknown-repository", $"There is no repository '{repository.Text}'.", NearNames.Suggest(repository.Text, [.. repositories.Keys]));
        var defaults = new BackupSettings { Repository = repository?.Text ?? "" };
        var settings = defaults with { MaxAge = map.Duration("maxAge") ?? defaults.MaxAge, MaxProofAge = map.Duration("maxProofAge") ?? defaults.MaxProofAge, Every = Interval(map), Files = [.. (map.Words("files") ?? []).Select(Resolve).OfType<string>()] };
        if (map.Map("keep") is { } keep)
            settings = settings with { Keep = Keep(keep) };
        map.End();
        return repository is null ? null : settings;
    }

    /// <summary>A rule with an error reads as none, which keeps everything.</summary>
    private RetentionRule? Keep(MapReader map)
    {
        var rule = RetentionText.Make(word => map.Int(word, 1, RetentionText.Most));
        map.End();
        if (rule is null)
            _findings.Error(map.PlaceOf("hours"), "wrong-value", "'days' and 'hours' say the same thing.", "Write one of them.");
        if (map.IsEmpty)
            _findings.Error(map.At, "missing-key", "'keep' has no rule.", "Write, for instance, keep: { full: 4, days: 30 }, or leave it out to keep everything.");
        return rule == new RetentionRule() ? null : rule;
    }

    private TimeSpan? Interval(MapReader map)
    {
        var every = map.Wait("every");
        if (every < ContinuousProtection.ShortestEvery)
            _findings.Error(map.PlaceOf("every"), "wrong-value", "'every' is shorter than 100ms.", "Write an interval such as 10s.");
        return every;
    }

    private static readonly IReadOnlyDictionary<string, FaultSeverity> Severities = new Dictionary<string, FaultSeverity>
    {
        ["data-at-risk"] = FaultSeverity.DataAtRisk,
        ["outage"] = FaultSeverity.Outage,
        ["degraded"] = FaultSeverity.Degraded,
        ["notice"] = FaultSeverity.Notice,
    };

    private List<CustomCheck> Checks(MapReader cluster)
    {
        var checks = new List<CustomCheck>();
        foreach (var item in cluster.List("checks") ?? [])
        {
            if (MapReader.Over(item, _findings, "a check") is not { } map)
                continue;
            var (name, fault) = (map.Scalar("name", required: true), map.Scalar("fault", required: true));
            if (fault is not null && !CustomFault().IsMatch(fault.Text))
                _findings.Error(fault.At, "fault-id", $"'{fault.Text}' is no id for a fault of your own.", "Begin it with 'custom.', then small letters, digits, dots and dashes.");
            if (name is not null && checks.Any(c => c.Name == name.Text))
                _findings.Error(name.At, "duplicate-check", $"The check '{name.Text}' is there twice.");
            var check = new CustomCheck
            {
                Name = name?.Text ?? "",
                Query = map.Text("query", required: true) ?? "",
                Fault = fault?.Text ?? "",
                Severity = map.Word("severity", Severities) ?? FaultSeverity.Degraded,
                AtLeast = map.Number("atLeast"),
                AtMost = map.Number("atMost"),
                Is = map.Text("is"),
                Timeout = map.Wait("timeout") ?? TimeSpan.FromSeconds(5),
            };
            map.End();
            if (!map.Has("atLeast") && !map.Has("atMost") && !map.Has("is"))
                _findings.Error(map.At, "no-bound", $"The check '{check.Name}' has no bound.", "Give one of atLeast, atMost, is.");
            else if (check.AtLeast > check.AtMost)
                _findings.Error(map.At, "no-bound", $"No value keeps the bounds of the check '{check.Name}': atLeast is above atMost.");
            checks.Add(check);
        }
        return checks;
    }

    [GeneratedRegex(@"^custom\.[a-z0-9][a-z0-9.-]{0,63}\z")]
    private static partial Regex CustomFault();
}

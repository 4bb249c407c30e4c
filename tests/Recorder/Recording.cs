using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DbRecovery.Engine.Health;
using DbRecovery.PostgresLab;

namespace DbRecovery.Recorder;

/// <summary>A view as test data: what differs from run to run without meaning anything (addresses, folders, the date, process ids, system ids) is made the same.</summary>
internal static partial class Recording
{
    private static readonly DateTimeOffset s_at = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    // what the rules ask for on no occasion, or what tells of the machine
    private static readonly string[] s_left = ["pg.databaseSizes", "control", "inventoryPath", "dataDir", "binDir", "runAs"];
    private static readonly string[] s_epochs = [PostgreSqlFacts.StartedAt.Name, "startedAt"];

    /// <summary>The recording of a view.</summary>
    public static string Of(ClusterView view, IReadOnlyList<PgCluster> clusters)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var number = 0;
        foreach (var node in clusters.SelectMany(c => c.Nodes))
        {
            names[$"{node.Port}"] = $"{5501 + number}";
            if (node.Relay is { } relay)
                names[$"{relay.Port}"] = $"{6501 + number}";
            if (node.UpstreamRelay is { } upstream)
                names[$"{upstream.Port}"] = $"{7501 + number}";
            number++;
        }
        foreach (var id in view.Nodes.Select(n => n.SystemId).OfType<string>().Distinct(StringComparer.Ordinal))
            names.TryAdd(id, $"{7_000_000_000_000_000_001 + names.Keys.Count(k => k.Length > 10)}");
        var folders = clusters.Select((c, i) => (c.Folder, As: i == 0 ? "/srv/lab" : $"/srv/lab{i + 1}")).ToList();
        var json = JsonSerializer.SerializeToNode(view, DbRecoveryJson.Compact)!;
        var text = Walk(json, null, new Map(names, folders, s_at - view.At))!.ToJsonString(DbRecoveryJson.Indented);
        // a fact a line
        return Leaf().Replace(text, m => LineBreak().Replace(m.Value, " ")) + "\n";
    }

    private sealed record Map(Dictionary<string, string> Names, IReadOnlyList<(string Folder, string As)> Folders, TimeSpan Shift)
    {
        public string Text(string text)
        {
            if (DateTimeOffset.TryParseExact(text, ["yyyy-MM-ddTHH:mm:ss.FFFFFFFzzz", "yyyy-MM-ddTHH:mm:ss.FFFFFFFK"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var at))
                return (at + Shift).ToString("O", CultureInfo.InvariantCulture);
            foreach (var (folder, name) in Folders)
                text = text.Replace(folder, name, StringComparison.Ordinal);
            text = Digits().Replace(text, m => Names.GetValueOrDefault(m.Value, m.Value));
            return Process().Replace(text, "pid 100");
        }
    }

    private static JsonNode? Walk(JsonNode? node, string? name, Map map)
    {
        switch (node)
        {
            case JsonObject fact when fact["name"]?.GetValueKind() == JsonValueKind.String && fact["value"] is { } value && fact.Count == 2:
                return new JsonObject { ["name"] = fact["name"]!.DeepClone(), ["value"] = Walk(value, fact["name"]!.GetValue<string>(), map) };
            case JsonObject properties:
                var mapped = new JsonObject();
                foreach (var (key, value) in properties.Where(p => !s_left.Contains(p.Key)))
                    mapped[key] = Walk(value, key, map);
                return mapped;
            case JsonArray items:
                return new JsonArray([.. items.Where(i => i is not JsonObject o || o["name"] is not JsonValue n || !n.TryGetValue<string>(out var fact) || !s_left.Contains(fact)).Select(i => Walk(i, name, map))]);
            case JsonValue value when value.TryGetValue<string>(out var text):
                return map.Text(text);
            case JsonValue value when s_epochs.Contains(name) && value.TryGetValue<double>(out var seconds):
                return Math.Round(seconds + map.Shift.TotalSeconds, 6);
            case JsonValue value when value.TryGetValue<long>(out var number) && map.Names.TryGetValue($"{number}", out var port):
                return long.Parse(port, CultureInfo.InvariantCulture);
            default:
                return node?.DeepClone();
        }
    }

    [GeneratedRegex(@"(?<!\d)\d{4,20}(?!\d)")]
    private static partial Regex Digits();

    [GeneratedRegex(@"\{[^{}]*\}")]
    private static partial Regex Leaf();

    [GeneratedRegex(@"\s*\n\s*")]
    private static partial Regex LineBreak();

    [GeneratedRegex(@"pid \d+")]
    private static partial Regex Process();
}

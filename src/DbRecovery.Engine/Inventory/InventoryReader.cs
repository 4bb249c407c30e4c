using System.Text.RegularExpressions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Inventory;

/// <summary>Reads and checks an inventory. The same code is its linter.</summary>
public sealed partial class InventoryReader
{
    private readonly IReadOnlyDictionary<string, bool> _engines;
    private readonly FindingList _findings;
    private readonly string _path;
    private readonly string _folder;
    private readonly SortedSet<string> _secretVariables = new(StringComparer.Ordinal);

    private InventoryReader(string path, IReadOnlyDictionary<string, bool> engines)
    {
        _path = Path.GetFullPath(path);
        _folder = Path.GetDirectoryName(_path)!;
        _engines = engines;
        _findings = new FindingList(path);
    }

    /// <summary>Reads an inventory's text.</summary>
    /// <param name="path">The file that it is from; relative paths in it are resolved against its folder.</param>
    /// <param name="text">The text.</param>
    /// <param name="engines">The engines that are known, and whether each is embedded (a file rather than an address).</param>
    /// <returns>The inventory, null where there is an error; and every finding.</returns>
    public static (InventoryModel? Inventory, IReadOnlyList<LintFinding> Findings) Read(string path, string text, IReadOnlyDictionary<string, bool> engines)
    {
        var reader = new InventoryReader(path, engines);
        var model = reader.Read(text);
        return (reader._findings.HasErrors ? null : model, reader._findings.InOrder());
    }

    private InventoryModel? Read(string text)
    {
        if (YamlReader.Read(text, _findings) is not { } document || MapReader.Over(document, _findings, "the inventory") is not { } map)
            return null;
        var repositories = Named(map, "repositories", Repository);
        var notifications = Named(map, "notifications", Notification);
        var clusters = Named(map, "clusters", (name, node) => Cluster(name, node, repositories));
        var model = new InventoryModel
        {
            Path = _path,
            Clusters = [.. clusters.Values],
            Repositories = repositories,
            Notifications = notifications,
            SecretVariables = _secretVariables,
            RunbookFolders = [.. (map.Words("runbooks") ?? []).Select(Resolve).OfType<string>()],
            StateFolder = Resolve(map.Scalar("state")),
        };
        map.End();
        return model;
    }

    private Dictionary<string, T> Named<T>(MapReader parent, string key, Func<string, MapReader, T?> read) where T : class
    {
        var result = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (name, node) in parent.Map(key)?.Entries() ?? [])
        {
            CheckName(name, key);
            if (MapReader.Over(node, _findings, $"'{name.Text}' of '{key}'") is { } map && read(name.Text, map) is { } value)
                result[name.Text] = value;
        }
        return result;
    }

    private void CheckName(YamlScalar name, string what)
    {
        if (!NamePattern().IsMatch(name.Text))
            _findings.Error(name.At, "name", $"'{name.Text}' is no name for one of '{what}'.", "Use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first.");
    }

    private ClusterDefinition? Cluster(string name, MapReader map, IReadOnlyDictionary<string, RepositoryDefinition> repositories)
    {
        var engine = map.Scalar("engine", required: true);
        var known = engine is not null && _engines.ContainsKey(engine.Text);
        if (engine is not null && !known)
            _findings.Error(engine.At, "unknown-engine", $"There is no engine '{engine.Text}' in this version.", NearNames.Suggest(engine.Text, [.. _engines.Keys]));
        var cluster = new ClusterDefinition
        {
            Name = name,
            Engine = engine?.Text ?? "",
            Nodes = Nodes(map, known ? _engines[engine!.Text] : null),
            Auth = map.Map("auth") is { } auth ? Auth(auth) : null,
            Policy = map.Map("policy") is { } policy ? Policy(policy) : new PolicySettings(),
            Expects = map.Map("expects") is { } expects ? Expects(expects) : new ExpectationSettings(),
            Backups = map.Map("backups") is { } backups ? Backups(backups, repositories) : null,
            Checks = Checks(map),
            InventoryPath = _path,
        };
        map.End();
        return engine is null ? null : cluster;
    }

    private List<NodeDefinition> Nodes(MapReader cluster, bool? embedded)
    {
        var nodes = new List<NodeDefinition>();
        var items = cluster.List("nodes", required: true);
        if (items is { Count: 0 })
            _findings.Error(cluster.PlaceOf("nodes"), "no-node", "A cluster has at least one node.");
        foreach (var item in items ?? [])
        {
            if (MapReader.Over(item, _findings, "a node") is not { } map)
                continue;
            var name = map.Scalar("name", required: true);
            if (name is not null)
                CheckName(name, "nodes");
            if (name is not null && nodes.Any(n => n.Name == name.Text))
                _findings.Error(name.At, "duplicate-node", $"The node '{name.Text}' is there twice.", "Give each node of a cluster its own name.");
            var node = new NodeDefinition
            {
                Name = name?.Text ?? "",
                Host = map.Text("host"),
                Port = map.Int("port", 1, 65535),
                Path = Resolve(map.Scalar("path")),
                Priority = map.Int("priority", 0, 1000) ?? 100,
                Zone = map.Text("zone"),
            };
            map.End();
            CheckAddress(map, node, embedded);
            nodes.Add(node);
        }
        if (embedded == true && nodes.Count > 1)
            _findings.Error(cluster.PlaceOf("nodes"), "too-many-nodes", "An embedded database has one node: its file.", "Make a cluster of each file.");
        return nodes;
    }

    private void CheckAddress(MapReader map, NodeDefinition node, bool? embedded)
    {
        if (embedded == true && (map.Has("host") || map.Has("port")))
            _findings.Error(map.PlaceOf(map.Has("host") ? "host" : "port"), "wrong-address", $"The node '{node.Name}' is a file: it has a path, no host and no port.");
        if (embedded == true && !map.Has("path"))
            _findings.Error(map.At, "missing-key", $"The node '{node.Name}' needs the key 'path'.");
        if (embedded == false && map.Has("path"))
            _findings.Error(map.PlaceOf("path"), "wrong-address", $"The node '{node.Name}' is a server: it has a host and a port, no path.");
        if (embedded == false && !map.Has("host"))
            _findings.Error(map.At, "missing-key", $"The node '{node.Name}' needs the key 'host'.");
    }

    private AuthSettings Auth(MapReader map)
    {
        var auth = new AuthSettings { User = map.Text("user"), Password = Secret(map.Node("password"), "the password") };
        map.End();
        return auth;
    }

    private PolicySettings Policy(MapReader map)
    {
        var policy = new PolicySettings
        {
            AutoRecover = map.Bool("autoRecover") ?? false,
            MaxDataLossBytes = map.Size("maxDataLoss") ?? 0,
            Cooldown = map.Duration("cooldown"),
        };
        map.End();
        return policy;
    }

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

    private RepositoryDefinition Repository(string name, MapReader map)
    {
        var path = map.Scalar("path", required: true);
        if (path is not null && UrlScheme().IsMatch(path.Text))
        {
            _findings.Error(path.At, "repository-kind", "This version keeps backups in a folder only.", "Give the path of a folder.");
            path = null;
        }
        var encryption = map.Map("encryption") is { } asked ? Encryption(name, asked) : null;
        map.End();
        // one with an error still has its name, so that clusters that use it get no finding for that
        return new RepositoryDefinition { Name = name, Path = Resolve(path) ?? "", Encryption = encryption };
    }

    private RepositoryEncryption Encryption(string name, MapReader map)
    {
        var encryption = new RepositoryEncryption(Secret(map.Node("passphrase"), "the passphrase"), Resolve(map.Scalar("keyFile")));
        map.End();
        if (map.Has("passphrase") == map.Has("keyFile"))
            _findings.Error(map.At, "wrong-value", $"The encryption of '{name}' needs either 'passphrase' or 'keyFile'.", "Write { passphrase: { env: NAME } } or { keyFile: PATH }.");
        return encryption;
    }

    private NotificationChannel Notification(string name, MapReader map)
    {
        Uri? webhook = null;
        if (map.Scalar("webhook") is { } address && (!Uri.TryCreate(address.Text, UriKind.Absolute, out webhook) || webhook.Scheme is not ("http" or "https")))
        {
            _findings.Error(address.At, "wrong-value", "'webhook' must be an http or https address.");
            webhook = null;
        }
        if (webhook is { UserInfo.Length: > 0 })
            _findings.Error(map.PlaceOf("webhook"), "literal-secret", "The address holds a password.", "Put it into a header: headers: { Authorization: { env: NAME } }.");
        var headers = new Dictionary<string, SecretReference>(StringComparer.Ordinal);
        foreach (var (header, node) in map.Map("headers")?.Entries() ?? [])
        {
            if (Secret(node, $"the header '{header.Text}'") is { } secret)
                headers[header.Text] = secret;
        }
        var command = map.Words("command") ?? [];
        map.End();
        if (map.Has("webhook") == map.Has("command"))
            _findings.Error(map.At, "wrong-value", $"The notification '{name}' needs either 'webhook' or 'command'.");
        return new NotificationChannel { Name = name, Webhook = webhook, Headers = headers, Command = [.. command.Select(w => w.Text)] };
    }

    private static readonly IReadOnlyList<(string Key, SecretSource Source)> SecretKeys = [("env", SecretSource.Env), ("file", SecretSource.File), ("secret", SecretSource.Secret)];

    private SecretReference? Secret(YamlNode? node, string what)
    {
        if (node is null)
            return null;
        const string right = "Write { env: NAME }, { file: PATH } or { secret: NAME }.";
        if (node is not YamlMapping)
        {
            // the value is not repeated: it is the secret
            _findings.Error(node.At, "literal-secret", $"{Capital(what)} is written out.", right);
            return null;
        }
        var map = MapReader.Over(node, _findings, what)!;
        var given = SecretKeys.Select(k => (k.Source, Name: map.Scalar(k.Key))).Where(k => k.Name is not null).ToArray();
        // no End: a key that is not known may be the secret itself, as in { hunter2 }
        if (given is not [var (source, name)] || map.Entries().Count() != 1)
        {
            _findings.Error(node.At, "wrong-value", $"{Capital(what)} must name one place.", right);
            return null;
        }
        if (source == SecretSource.Env)
            _secretVariables.Add(name!.Text);
        if (source != SecretSource.File)
            return new SecretReference(source, name!.Text);
        return Resolve(name) is { } file ? new SecretReference(source, file) : null;
    }

    private string? Resolve(YamlScalar? path)
    {
        if (path is null)
            return null;
        if (path.Text.Length > 0 && !path.Text.Contains('\0'))
            return Path.GetFullPath(Expand(path.Text), _folder);
        _findings.Error(path.At, "wrong-value", "This is no path.", "Write the path of a file or folder.");
        return null;
    }

    private static string Expand(string path) =>
        path == "~" || path.StartsWith("~/", StringComparison.Ordinal)
            ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + path[1..]
            : path;

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"^custom\.[a-z0-9][a-z0-9.-]{0,63}\z")]
    private static partial Regex CustomFault();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9+.-]*://")]
    private static partial Regex UrlScheme();
}

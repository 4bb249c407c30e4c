using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Inventory;

public sealed partial class InventoryReader
{
    private ClusterDefinition? Cluster(string name, MapReader map, IReadOnlyDictionary<string, RepositoryDefinition> repositories)
    {
        var engine = map.Scalar("engine", required: true);
        var known = engine is not null && _engines.ContainsKey(engine.Text);
        if (engine is not null && !known)
            _findings.Error(engine.At, "unknown-engine", $"There is no engine '{engine.Text}' in this version.", NearNames.Suggest(engine.Text, [.. _engines.Keys]));
        var traits = known ? _engines[engine!.Text] : null;
        var nodes = Nodes(map, traits);
        var cluster = new ClusterDefinition
        {
            Name = name,
            Engine = engine?.Text ?? "",
            Nodes = nodes,
            Auth = map.Map("auth") is { } auth ? Auth(auth, traits) : null,
            Policy = map.Map("policy") is { } policy ? Policy(policy, nodes.Count, traits) : new PolicySettings(),
            Control = map.Map("control") is { } control ? Control(control, nodes) : null,
            Routes = Routes(map),
            ManagedBy = Manager(map.Scalar("managedBy")),
            Expects = map.Map("expects") is { } expects ? Expects(expects) : new ExpectationSettings(),
            Backups = map.Map("backups") is { } backups ? Backups(backups, repositories) : null,
            Checks = Checks(map),
            InventoryPath = _path,
        };
        RefuseOnFile(map, traits, "control", "routes", "managedBy");
        map.End();
        return engine is null ? null : cluster;
    }

    private List<NodeDefinition> Nodes(MapReader cluster, EngineTraits? engine)
    {
        var nodes = new List<NodeDefinition>();
        var places = new List<MapReader>();
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
            var node = Node(map, name?.Text ?? "", engine);
            map.End();
            CheckAddress(map, node, engine?.Embedded);
            if (node.Host is not null && nodes.FirstOrDefault(n => SameAddress(n, node)) is { } twin)
                _findings.Error(map.PlaceOf("host"), "duplicate-address", $"The nodes '{twin.Name}' and '{node.Name}' have one address: {node.Address}.", "Each node is a server of its own: give it its own host or port.");
            if (name is not null && engine is { Embedded: false } && nodes.FirstOrDefault(n => n.Name != name.Text && n.SlotName == node.SlotName) is { } near)
                _findings.Error(name.At, "shared-slot", $"The nodes '{near.Name}' and '{name.Text}' would share a replication slot: its name has lower-case letters, digits and underscores only.", "Give them names that differ in a letter or digit.");
            nodes.Add(node);
            places.Add(map);
        }
        if (engine?.Embedded == true && nodes.Count > 1)
            _findings.Error(cluster.PlaceOf("nodes"), "too-many-nodes", "An embedded database has one node: its file.", "Make a cluster of each file.");
        CheckUpstreams(nodes, places);
        return nodes;
    }

    private NodeDefinition Node(MapReader map, string name, EngineTraits? engine)
    {
        var node = new NodeDefinition
        {
            Name = name,
            Host = Checked(map, "host", HostPattern(), "a host's name or address, or the folder of its socket"),
            Port = map.Int("port", 1, 65535) ?? (engine is { Embedded: false } ? engine.DefaultPort : null),
            Path = Resolve(map.Scalar("path")),
            Priority = map.Int("priority", 0, 1000) ?? 100,
            Zone = map.Text("zone"),
            Candidate = map.Bool("candidate") ?? true,
            Upstream = map.Text("upstream"),
            DataDir = FarPath(map, "dataDir"),
            BinDir = FarPath(map, "binDir"),
            RunAs = Checked(map, "runAs", UserPattern(), "the name of a user of the operating system"),
        };
        RefuseOnFile(map, engine, "candidate", "upstream", "dataDir", "binDir", "runAs");
        return node;
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

    private PolicySettings Policy(MapReader map, int nodes, EngineTraits? engine)
    {
        var defaults = new PolicySettings();
        var policy = new PolicySettings
        {
            AutoRecover = map.Bool("autoRecover") ?? defaults.AutoRecover,
            MaxDataLossBytes = map.Size("maxDataLoss") ?? defaults.MaxDataLossBytes,
            Cooldown = map.Duration("cooldown"),
            RestartInPlace = map.Bool("restartInPlace") ?? defaults.RestartInPlace,
            DetectWithin = Between(map, "detectWithin", defaults.DetectWithin),
            Poll = Between(map, "poll", defaults.Poll),
            Confirmations = map.Int("confirmations", 1, 10) ?? defaults.Confirmations,
            Synchronous = map.Int("synchronous", 0, 100) ?? defaults.Synchronous,
            MaxLagBytes = map.Size("maxLag"),
        };
        RefuseOnFile(map, engine, "restartInPlace", "synchronous", "maxLag");
        map.End();
        // a round must fit into the time in which a silence is called an outage, or that time is a promise that nobody keeps
        if (policy.Poll > policy.DetectWithin)
            _findings.Error(map.PlaceOf(map.Has("detectWithin") ? "detectWithin" : "poll"), "wrong-value", "'detectWithin' is shorter than 'poll'.", "Make 'poll' the shorter of the two.");
        if (engine is { Embedded: false } && policy.Synchronous > 0 && policy.Synchronous >= nodes)
            _findings.Error(map.PlaceOf("synchronous"), "wrong-value", $"{Counted.Of(nodes, "node has", "nodes have")} at most {Counted.Of(nodes - 1, "replica")}, and 'synchronous' asks for {policy.Synchronous}.",
                nodes > 1 ? $"Write at most {nodes - 1}, or add nodes." : "Add nodes, or leave it out.");
        return policy;
    }

    private static readonly TimeSpan ShortestPoll = TimeSpan.FromMilliseconds(100), LongestPoll = TimeSpan.FromHours(1);

    private TimeSpan Between(MapReader map, string key, TimeSpan otherwise)
    {
        if (map.Duration(key) is not { } given)
            return otherwise;
        if (given >= ShortestPoll && given <= LongestPoll)
            return given;
        _findings.Error(map.PlaceOf(key), "wrong-value", $"'{key}' must be from 100ms to 1h.");
        return otherwise;
    }
}

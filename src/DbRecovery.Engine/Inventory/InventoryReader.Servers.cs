using System.Text.RegularExpressions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Inventory;

public sealed partial class InventoryReader
{
    private static readonly IReadOnlyDictionary<string, TlsMode> TlsModes = new Dictionary<string, TlsMode>
    {
        ["disable"] = TlsMode.Disable,
        ["prefer"] = TlsMode.Prefer,
        ["require"] = TlsMode.Require,
        ["verify-ca"] = TlsMode.VerifyCa,
        ["verify-full"] = TlsMode.VerifyFull,
    };

    private static readonly IReadOnlyDictionary<string, ControlKind> ControlKinds = new Dictionary<string, ControlKind>
    {
        ["systemd"] = ControlKind.Systemd,
        ["pg_ctl"] = ControlKind.PgCtl,
        ["command"] = ControlKind.Command,
    };

    private static readonly string[] Placeholders = ["node", "host", "port", "dataDir"];

    private AuthSettings Auth(MapReader map, EngineTraits? engine)
    {
        var tls = map.Word("tls", TlsModes);
        var auth = new AuthSettings
        {
            User = Filled(map, "user"),
            Password = Secret(map.Node("password"), "the password"),
            Tls = tls ?? TlsMode.Prefer,
            RootCertificate = Resolve(map.Scalar("rootCertificate")),
            Database = Filled(map, "database"),
            Replication = map.Map("replication") is { } replication ? Replication(replication) : null,
        };
        RefuseOnFile(map, engine, "tls", "rootCertificate", "database", "replication");
        map.End();
        if (map.Has("rootCertificate") && (tls is null ? !map.Has("tls") : tls < TlsMode.VerifyCa))
            _findings.Error(map.PlaceOf("rootCertificate"), "wrong-value", "A root certificate is given, and 'tls' does not ask for the server's certificate to be checked.", "Write tls: verify-full (or verify-ca), or leave 'rootCertificate' out.");
        return auth;
    }

    private ReplicationLogin Replication(MapReader map)
    {
        var login = new ReplicationLogin(Filled(map, "user", required: true) ?? "", Secret(map.Node("password"), "the password of replication"));
        map.End();
        return login;
    }

    private ControlSettings? Control(MapReader map, IReadOnlyList<NodeDefinition> nodes)
    {
        if (map.Scalar("kind", required: true) is null)
            return null;
        var kind = map.Word("kind", ControlKinds);
        var unit = Filled(map, "unit", required: kind == ControlKind.Systemd);
        var control = new ControlSettings
        {
            Kind = kind ?? ControlKind.Command,
            Unit = unit,
            Via = Command(map, "via", nodes),
            Start = Command(map, "start", nodes, kind == ControlKind.Command),
            Stop = Command(map, "stop", nodes, kind == ControlKind.Command),
            Kill = Command(map, "kill", nodes),
            Status = Command(map, "status", nodes),
            PowerOff = Command(map, "powerOff", nodes),
        };
        map.End();
        if (kind is not null)
            CheckControl(map, control, nodes);
        return control;
    }

    private void CheckControl(MapReader map, ControlSettings control, IReadOnlyList<NodeDefinition> nodes)
    {
        if (control.Unit is { } unit)
            CheckFilling(map.PlaceOf("unit"), unit, nodes);
        if (control.Kind != ControlKind.Systemd && map.Has("unit"))
            _findings.Error(map.PlaceOf("unit"), "wrong-value", "A unit is systemd's.", "Write kind: systemd, or leave 'unit' out.");
        foreach (var key in control.Kind == ControlKind.Command ? [] : new[] { "start", "stop", "kill", "status" }.Where(map.Has))
            _findings.Error(map.PlaceOf(key), "wrong-value", $"'{key}' is asked of {map.Text("kind")} itself.", $"Write kind: command, or leave '{key}' out.");
        // without a pid file there is no other way to know, or to end, the process
        foreach (var key in control.Kind == ControlKind.Command && nodes.Any(n => n.DataDir is null) ? ["status", "kill"] : Array.Empty<string>())
        {
            if (!map.Has(key))
                _findings.Error(map.At, "missing-key", $"'control' needs the key '{key}': without it the data folder's pid file is looked at, and not every node has 'dataDir'.");
        }
        if (control.Kind != ControlKind.PgCtl)
            return;
        foreach (var (key, missing) in new (string, Func<NodeDefinition, bool>)[] { ("dataDir", n => n.DataDir is null), ("binDir", n => n.BinDir is null) })
        {
            if (nodes.Where(missing).Select(n => n.Name).ToArray() is { Length: > 0 } names)
                _findings.Error(map.PlaceOf("kind"), "missing-key", $"pg_ctl needs the '{key}' of every node: {string.Join(", ", names)} {Counted.Noun(names.Length, "has", "have")} none.", $"Add {key}: /absolute/path to the node.");
        }
    }

    /// <summary>A program and its arguments: a list, or a text that is split at its spaces.</summary>
    private IReadOnlyList<string> Command(MapReader map, string key, IReadOnlyList<NodeDefinition>? nodes, bool required = false)
    {
        IReadOnlyList<string> words = [];
        if (map.Node(key, required) is not { } value)
            return words;
        if (value is YamlSequence)
            words = [.. map.Words(key)!.Select(w => w.Text)];
        else if (map.Scalar(key) is { } text)
        {
            if (text.Text.AsSpan().IndexOfAny('"', '\'', '\\') >= 0)
                _findings.Error(text.At, "wrong-value", $"'{key}' is split at its spaces, and quotes mean nothing in it.", "Write a list: [program, argument, ...].");
            words = text.Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        }
        else
            return words;
        if (words.Count == 0 || words[0].Length == 0 || words.Any(w => w.Contains('\0')))
            _findings.Error(value.At, "wrong-value", $"'{key}' names no program.", "Write a program and its arguments: [program, argument, ...].");
        foreach (var word in nodes is null ? [] : words)
            CheckFilling(value.At, word, nodes!);
        return words;
    }

    /// <summary>Only what looks like a misspelt placeholder is wrong: braces are at home in commands.</summary>
    private void CheckFilling(Runbooks.SourcePosition at, string text, IReadOnlyList<NodeDefinition> nodes)
    {
        foreach (var word in Placeholder().Matches(text).Select(m => m.Groups[1].Value))
        {
            if (word == "dataDir" && nodes.Any(n => n.DataDir is null))
                _findings.Error(at, "missing-key", $"{{dataDir}} is used, and {nodes.First(n => n.DataDir is null).Name} has none.", "Add dataDir: /absolute/path to the node.");
            else if (!Placeholders.Contains(word) && NearNames.Nearest(word, Placeholders) is { } near)
                _findings.Error(at, "wrong-value", $"There is no {{{word}}}.", $"Did you mean {{{near}}}?");
        }
    }

    private List<RouteDefinition> Routes(MapReader cluster)
    {
        var routes = new List<RouteDefinition>();
        foreach (var item in cluster.List("routes") ?? [])
        {
            if (MapReader.Over(item, _findings, "a route") is not { } map)
                continue;
            string[] kinds = [.. new[] { "haproxy", "pgbouncer", "command" }.Where(map.Has)];
            if (kinds.Length != 1)
            {
                _findings.Error(map.At, "wrong-value", "A route is one of haproxy, pgbouncer and command.", "Write { haproxy: /run/haproxy/admin.sock, backend: NAME }, { pgbouncer: HOST:PORT, database: NAME, file: PATH } or { command: [program, ...] }.");
                continue;
            }
            routes.Add(kinds[0] switch { "haproxy" => HaProxy(map), "pgbouncer" => PgBouncer(map), _ => new RouteDefinition { Kind = RouteKind.Command, Command = Command(map, "command", []), Entry = At(map, "entry") } });
            map.End();
        }
        return routes;
    }

    private RouteDefinition HaProxy(MapReader map)
    {
        var isSocket = map.Text("haproxy") is { } address && address.AsSpan().IndexOfAny('/', '~') >= 0;
        return new RouteDefinition
        {
            Kind = RouteKind.HaProxy,
            Address = isSocket ? Resolve(map.Scalar("haproxy")) : At(map, "haproxy"),
            Backend = Checked(map, "backend", HaProxyName(), "a name of HAProxy's configuration", required: true),
            Server = Checked(map, "server", HaProxyName(), "a name of HAProxy's configuration"),
            Entry = At(map, "entry"),
        };
    }

    private RouteDefinition PgBouncer(MapReader map) => new()
    {
        Kind = RouteKind.PgBouncer,
        Address = At(map, "pgbouncer"),
        Database = Filled(map, "database", required: true),
        File = map.Scalar("file", required: true) is { } file ? Resolve(file) : null,
        User = Filled(map, "user"),
        Password = Secret(map.Node("password"), "the password of PgBouncer"),
        Entry = At(map, "entry"),
    };

    private ClusterManager? Manager(YamlScalar? text)
    {
        if (text is null)
            return null;
        const string right = "Write patroni http://HOST:8008, with a comma between several addresses.";
        var words = text.Text.Split([' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries);
        if (words is not ["patroni", _, ..])
        {
            _findings.Error(text.At, "wrong-value", "'managedBy' names no cluster manager and address.", right);
            return null;
        }
        var addresses = new List<Uri>();
        foreach (var word in words[1..])
        {
            if (!Uri.TryCreate(word, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                _findings.Error(text.At, "wrong-value", "An address of 'managedBy' is no http or https address.", right);
            else if (address.UserInfo.Length > 0)
                _findings.Error(text.At, "literal-secret", "An address of 'managedBy' has a password in it.", right);
            else
                addresses.Add(address);
        }
        return new ClusterManager(words[0], addresses);
    }

    private void CheckUpstreams(IReadOnlyList<NodeDefinition> nodes, IReadOnlyList<MapReader> places)
    {
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i].Upstream is not { } upstream)
                continue;
            if (nodes.All(n => n.Name != upstream))
                _findings.Error(places[i].PlaceOf("upstream"), "unknown-node", $"The upstream of '{nodes[i].Name}' is '{upstream}', which is no node of the cluster.", NearNames.Suggest(upstream, [.. nodes.Select(n => n.Name).Where(n => n != nodes[i].Name)]));
            else if (FollowsItself(nodes, nodes[i]))
                _findings.Error(places[i].PlaceOf("upstream"), "wrong-value", $"'{nodes[i].Name}' would follow itself.", "Upstreams lead to the primary: leave 'upstream' out where a node follows it.");
        }
    }

    private static bool FollowsItself(IReadOnlyList<NodeDefinition> nodes, NodeDefinition node)
    {
        var at = node;
        for (var step = 0; step < nodes.Count && at is not null; step++)
        {
            at = nodes.FirstOrDefault(n => n.Name == at.Upstream);
            if (at?.Name == node.Name)
                return true;
        }
        return false;
    }

    private static bool SameAddress(NodeDefinition one, NodeDefinition other) =>
        string.Equals(one.Host, other.Host, StringComparison.OrdinalIgnoreCase) && one.Port == other.Port;

    private void RefuseOnFile(MapReader map, EngineTraits? engine, params string[] keys)
    {
        foreach (var key in engine?.Embedded == true ? keys.Where(map.Has) : [])
            _findings.Error(map.PlaceOf(key), "server-key", $"'{key}' is for servers, and this database is a file.", "Leave it out.");
    }

    /// <summary>A text that is not empty.</summary>
    private string? Filled(MapReader map, string key, bool required = false) => Checked(map, key, FilledPattern(), "a text", required);

    private string? Checked(MapReader map, string key, Regex pattern, string form, bool required = false)
    {
        if (map.Scalar(key, required) is not { } text)
            return null;
        if (pattern.IsMatch(text.Text))
            return text.Text;
        _findings.Error(text.At, "wrong-value", $"'{key}' must be {form}.");
        return null;
    }

    /// <summary>A path on the node's own machine, which is not this one and may have another system.</summary>
    private string? FarPath(MapReader map, string key) => Checked(map, key, FarPathPattern(), "an absolute path on the node's own machine");

    private string? At(MapReader map, string key)
    {
        if (map.Scalar(key) is not { } text)
            return null;
        if (Endpoint.TryParse(text.Text, out _))
            return text.Text;
        _findings.Error(text.At, "wrong-value", $"'{key}' must be {Endpoint.Form}.");
        return null;
    }

    // a host becomes an argument of programs such as ssh: one that begins with a dash would be an option there
    [GeneratedRegex(@"^([\p{L}\p{Nd}_:][\p{L}\p{Nd}._:%-]{0,254}|/[^\p{C},]{1,100})\z")]
    private static partial Regex HostPattern();

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}\$?\z")]
    private static partial Regex UserPattern();

    [GeneratedRegex(@"^(/|[A-Za-z]:[\\/])[^\p{C}]*\z")]
    private static partial Regex FarPathPattern();

    [GeneratedRegex(@"^[^\p{Cc}]*\S[^\p{Cc}]*\z")]
    private static partial Regex FilledPattern();

    // what its commands take without quoting
    [GeneratedRegex(@"^[A-Za-z0-9_.:-]{1,255}\z")]
    private static partial Regex HaProxyName();

    [GeneratedRegex(@"\{([A-Za-z]+)\}")]
    private static partial Regex Placeholder();
}

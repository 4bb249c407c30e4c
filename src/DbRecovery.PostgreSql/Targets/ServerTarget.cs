using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.PostgreSql.Targets;

/// <summary>Makes a cluster of a connection text: each of its hosts is a node.</summary>
internal sealed class ServerTarget : ITargetReader
{
    private const int DefaultPort = 5432;
    private const string PasswordVariable = "PGPASSWORD";

    private static readonly IReadOnlyDictionary<string, TlsMode> Modes = new Dictionary<string, TlsMode>
    {
        ["disable"] = TlsMode.Disable,
        ["allow"] = TlsMode.Prefer,
        ["prefer"] = TlsMode.Prefer,
        ["require"] = TlsMode.Require,
        ["verify-ca"] = TlsMode.VerifyCa,
        ["verify-full"] = TlsMode.VerifyFull,
    };

    // what they ask for is DbRecovery's own to decide, or does not change to whom it talks
    private static readonly string[] Ignored = ["application_name", "fallback_application_name", "connect_timeout", "target_session_attrs", "load_balance_hosts", "client_encoding", "keepalives", "tcp_user_timeout"];

    /// <inheritdoc/>
    public ClusterDefinition Read(string text)
    {
        var pairs = ConnectionText.Read(text);
        Refuse(pairs);
        var hosts = List(pairs, "host", "hostaddr");
        var ports = List(pairs, "port");
        if (hosts.Length == 0)
            throw ConnectionText.Wrong("it names no host", "Write host=NAME, with a comma between several.");
        if (ports.Length > 1 && ports.Length != hosts.Length)
            throw ConnectionText.Wrong($"it names {Counted.Of(hosts.Length, "host")} and {Counted.Of(ports.Length, "port")}", "Name one port for all, or one for each host.");
        var nodes = new List<NodeDefinition>();
        for (var i = 0; i < hosts.Length; i++)
            nodes.Add(Node(hosts[i], ports.Length == 0 ? "" : ports[ports.Length == 1 ? 0 : i], nodes));
        return new ClusterDefinition { Name = Name(nodes), Engine = "postgresql", Nodes = nodes, Auth = Auth(pairs) };
    }

    private static void Refuse(Dictionary<string, string> pairs)
    {
        if (pairs.ContainsKey("password"))
            throw ConnectionText.Wrong("it has a password in it, which a list of processes or a history of commands would show", $"Leave it out and set {PasswordVariable}, or use a password file (PGPASSFILE, ~/.pgpass), or an inventory.");
        if (pairs.ContainsKey("passfile"))
            throw ConnectionText.Wrong("a password file is not named in it", "Set PGPASSFILE, or use ~/.pgpass.");
        string[] known = ["host", "hostaddr", "port", "user", "dbname", "sslmode", "sslrootcert", .. Ignored];
        if (pairs.Keys.FirstOrDefault(k => !known.Contains(k)) is { } other)
            throw ConnectionText.Wrong($"'{other}' means nothing here", $"What counts is: {string.Join(", ", known.Except(Ignored))}.");
    }

    private static AuthSettings Auth(Dictionary<string, string> pairs)
    {
        var tls = TlsMode.Prefer;
        if (pairs.TryGetValue("sslmode", out var mode) && !Modes.TryGetValue(mode, out tls))
            throw ConnectionText.Wrong("its sslmode is none", $"Write one of: {string.Join(", ", Modes.Keys)}.");
        var certificate = pairs.GetValueOrDefault("sslrootcert");
        // libpq checks the certificate as soon as it has one to check it with
        if (certificate is not null && tls == TlsMode.Require)
            tls = TlsMode.VerifyCa;
        return new AuthSettings
        {
            User = Filled(pairs, "user"),
            Database = Filled(pairs, "dbname"),
            Tls = tls,
            RootCertificate = certificate is null or "system" ? null : Path.GetFullPath(certificate),
            Password = Environment.GetEnvironmentVariable(PasswordVariable) is { Length: > 0 } ? new SecretReference(SecretSource.Env, PasswordVariable) : null,
        };
    }

    private static NodeDefinition Node(string host, string port, List<NodeDefinition> before)
    {
        var number = DefaultPort;
        if (port.Length > 0 && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > 65535))
            throw ConnectionText.Wrong("a port is no number from 1 to 65535", "Write port=5432.");
        if (host.Length == 0 || host[0] == '-' || host.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            throw ConnectionText.Wrong("a host is empty, or no host", "Write host=NAME, with a comma between several.");
        if (before.Any(n => string.Equals(n.Host, host, StringComparison.OrdinalIgnoreCase) && n.Port == number))
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.InvalidInput, $"the connection text names {new Endpoint(host, number)} twice", "Name each node once.", host);
        var name = Safe(host);
        if (before.Any(n => n.Name == name) || number != DefaultPort)
            name = string.Create(CultureInfo.InvariantCulture, $"{name}-{number}");
        return new NodeDefinition { Name = name, Host = host, Port = number };
    }

    // the journals of a target are kept under its name: the same nodes have the same one, in whatever order they are given
    private static string Name(IReadOnlyList<NodeDefinition> nodes)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(',', nodes.Select(n => n.Address).Order(StringComparer.Ordinal))));
        return $"{Safe(nodes.MinBy(n => n.Address, StringComparer.Ordinal)!.Host!)}-{Convert.ToHexString(hash)[..8].ToLowerInvariant()}";
    }

    private static string Safe(string host)
    {
        var safe = string.Concat(host.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_')).TrimStart('.', '_', '-');
        return safe.Length == 0 ? "local" : safe.Length > 50 ? safe[..50] : safe;
    }

    private static string[] List(Dictionary<string, string> pairs, params string[] keys) =>
        keys.Select(k => pairs.GetValueOrDefault(k)).FirstOrDefault(v => !string.IsNullOrEmpty(v))?.Split(',') ?? [];

    private static string? Filled(Dictionary<string, string> pairs, string key) => pairs.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;
}

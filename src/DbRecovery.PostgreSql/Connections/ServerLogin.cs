namespace DbRecovery.PostgreSql.Connections;

/// <summary>Where to log in, and as whom. Two equal ones share a data source; the password is only named here.</summary>
internal sealed record ServerLogin
{
    /// <summary>The port of a server whose inventory names none.</summary>
    internal const int DefaultPort = 5432;

    /// <summary>The host name, address (IPv6 without brackets) or folder of the Unix-domain socket.</summary>
    public required string Host { get; init; }
    /// <summary>The port.</summary>
    public required int Port { get; init; }
    /// <summary>The database.</summary>
    public required string Database { get; init; }
    /// <summary>The user.</summary>
    public required string User { get; init; }
    /// <summary>Where the password is kept; null: none is sent, or the driver's own passfile has it.</summary>
    public SecretReference? Password { get; init; }
    /// <summary>How the connection is protected.</summary>
    public TlsMode Tls { get; init; }
    /// <summary>The certificates that are trusted; null: those of the system.</summary>
    public string? RootCertificate { get; init; }
    /// <summary>Whether the session's own settings are sent when it starts. A pooler in between may refuse them.</summary>
    public bool Plain { get; init; }

    /// <summary>The address as people write it.</summary>
    internal string Address => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    /// <summary>The login to a node.</summary>
    internal static ServerLogin Of(ClusterDefinition cluster, NodeDefinition node, string? database = null) =>
        Of(cluster, node.Host ?? node.Name, node.Port ?? DefaultPort, database);

    /// <summary>The login to an address with a cluster's user.</summary>
    internal static ServerLogin Of(ClusterDefinition cluster, string host, int port, string? database = null)
    {
        var auth = cluster.Auth ?? new AuthSettings();
        return new ServerLogin
        {
            Host = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host,
            Port = port,
            Database = database ?? auth.Database ?? "postgres",
            User = auth.User ?? "dbrecovery",
            Password = auth.Password,
            Tls = auth.Tls,
            RootCertificate = auth.RootCertificate,
        };
    }
}

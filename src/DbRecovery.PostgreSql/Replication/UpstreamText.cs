using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Targets;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>A replica's <c>primary_conninfo</c>. What it says beside the upstream's address and the login stays.</summary>
internal static class UpstreamText
{
    private static readonly string[] Logins = ["user", "password", "passfile"];

    /// <summary>The values, with a password where one is needed that is not in a password file.</summary>
    /// <param name="cluster">The cluster, for the login.</param>
    /// <param name="node">The replica, whose name is its application_name.</param>
    /// <param name="upstream">Whom it follows.</param>
    /// <param name="present">Its present text; null where there is none.</param>
    /// <param name="password">The password that the inventory names; null for none.</param>
    internal static Dictionary<string, string> Of(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, string? present, string? password)
    {
        var values = Read(present ?? "");
        var (login, replication) = (ServerLogin.Of(cluster, upstream), cluster.Auth?.Replication);
        var user = replication?.User ?? values.GetValueOrDefault("user") ?? login.User;
        // somebody else's password is of no use; that of the same user is kept where the inventory knows none
        if (values.GetValueOrDefault("user") != user || password is not null && (replication is not null || user == login.User))
        {
            foreach (var key in Logins)
                values.Remove(key);
            if (password is not null)
                values["password"] = password;
        }
        values.Remove("hostaddr");
        values["host"] = login.Host;
        values["port"] = login.Port.ToString(CultureInfo.InvariantCulture);
        values["user"] = user;
        values["application_name"] = node.Name;
        values.TryAdd("sslmode", login.Tls switch { TlsMode.VerifyCa => "verify-ca", TlsMode.VerifyFull => "verify-full", var mode => mode.ToString().ToLowerInvariant() });
        // the path is one of this machine, and elsewhere the best guess only
        if (login.RootCertificate is { } root && values["sslmode"].StartsWith("verify", StringComparison.Ordinal))
            values.TryAdd("sslrootcert", root);
        return values;
    }

    /// <summary>The values as libpq reads them.</summary>
    internal static string Write(IEnumerable<KeyValuePair<string, string>> values) => string.Join(' ', values.Select(v => $"{v.Key}={Quote(v.Value)}"));

    // of a text that cannot be understood nothing can be kept: the server itself cannot use it either
    private static Dictionary<string, string> Read(string text)
    {
        try
        {
            return ConnectionText.Read(text);
        }
        catch (DbRecoveryException)
        {
            return new Dictionary<string, string>(StringComparer.Ordinal);
        }
    }

    private static string Quote(string value) => $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}

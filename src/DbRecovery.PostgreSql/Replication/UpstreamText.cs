using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Targets;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>
/// A replica's <c>primary_conninfo</c>. What it says beside the upstream's address and the login stays. A password is in it where the
/// inventory gives one: the server keeps it in a file of its own (<c>postgresql.auto.conf</c>), as <c>pg_basebackup -R</c> would have written it,
/// and needs no program on its machine for that. A password file would have to lie outside the data folder, which a rewind replaces, at a
/// place that only some machines let us write to.
/// </summary>
internal static class UpstreamText
{
    private static readonly string[] Logins = ["user", "password", "passfile"];

    /// <summary>The text.</summary>
    /// <param name="cluster">The cluster, for the login.</param>
    /// <param name="node">The replica, whose name is its application_name.</param>
    /// <param name="upstream">Whom it follows.</param>
    /// <param name="present">Its present text; null where there is none.</param>
    /// <param name="password">The password that the inventory names; null for none.</param>
    internal static string Of(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, string? present, string? password)
    {
        var values = Read(present ?? "") ?? new Dictionary<string, string>(StringComparer.Ordinal);
        var (login, replication) = (ServerLogin.Of(cluster, upstream), cluster.Auth?.Replication);
        var user = replication?.User ?? values.GetValueOrDefault("user") ?? login.User;
        // the login of somebody else is of no use; the present one's is kept where the inventory does not know better
        if (values.GetValueOrDefault("user") != user || replication?.Password is not null)
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
        // the certificates' path is one of this machine; elsewhere it is the best guess only
        if (login.RootCertificate is { } root && values["sslmode"].StartsWith("verify", StringComparison.Ordinal))
            values.TryAdd("sslrootcert", root);
        return string.Join(' ', values.Select(v => $"{v.Key}={Quote(v.Value)}"));
    }

    /// <summary>Whether a text holds a password.</summary>
    internal static bool HasPassword(string text) => Read(text)?.ContainsKey("password") ?? text.Contains("password", StringComparison.Ordinal);

    // what libpq itself would not understand says nothing
    private static Dictionary<string, string>? Read(string text)
    {
        try
        {
            return ConnectionText.Read(text);
        }
        catch (DbRecoveryException)
        {
            return null;
        }
    }

    private static string Quote(string value) => $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}

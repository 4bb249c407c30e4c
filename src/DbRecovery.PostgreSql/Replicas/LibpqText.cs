using System.Globalization;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>Connection texts for PostgreSQL's own programs. A password is never in them.</summary>
internal static class LibpqText
{
    /// <summary>The text for a program on another machine that connects with this login.</summary>
    internal static string Of(ServerLogin login, string? user, string applicationName, string? database = null)
    {
        var words = new List<(string Key, string? Value)>
        {
            ("host", login.Host), ("port", login.Port.ToString(CultureInfo.InvariantCulture)), ("user", user ?? login.User), ("dbname", database),
            ("sslmode", login.Tls switch { TlsMode.VerifyCa => "verify-ca", TlsMode.VerifyFull => "verify-full", var mode => mode.ToString().ToLowerInvariant() }),
            ("sslrootcert", login.RootCertificate), ("connect_timeout", "10"), ("application_name", applicationName),
        };
        return string.Join(' ', words.Where(w => w.Value is not null).Select(w => $"{w.Key}={Quote(w.Value!)}"));
    }

    /// <summary>A value as libpq reads it: in single quotes, with backslashes before quotes and backslashes.</summary>
    internal static string Quote(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '/' or ':')
            ? value
            : $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}

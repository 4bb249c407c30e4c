using System.Globalization;
using System.Text;

namespace DbRecovery.PostgreSql.Targets;

/// <summary>
/// A connection text as libpq takes it: <c>keyword = value</c> pairs, or a <c>postgresql://</c> address
/// (PostgreSQL manual, "Connection Strings"). No message repeats a value: one of them may be a password.
/// </summary>
internal static class ConnectionText
{
    private static readonly string[] Schemes = ["postgresql://", "postgres://"];

    /// <summary>The keywords with their values, in order; of two that are the same, the later counts, as it does in libpq.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>.</exception>
    public static Dictionary<string, string> Read(string text)
    {
        var trimmed = text.Trim();
        foreach (var scheme in Schemes)
        {
            if (trimmed.StartsWith(scheme, StringComparison.Ordinal))
                return ReadAddress(trimmed[scheme.Length..]);
        }
        if (trimmed.Contains("://", StringComparison.Ordinal))
            throw Wrong("it is an address of something else", "Begin it with postgresql://.");
        return ReadPairs(trimmed);
    }

    private static Dictionary<string, string> ReadPairs(string text)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var at = 0;
        while (SkipSpace(text, ref at))
        {
            var from = at;
            while (at < text.Length && text[at] != '=' && !char.IsWhiteSpace(text[at]))
                at++;
            var key = text[from..at];
            if (!SkipSpace(text, ref at) || text[at] != '=' || key.Length == 0 || !key.All(c => char.IsAsciiLetterLower(c) || c == '_'))
                throw Wrong("it is not made of keyword=value pairs", "Write, for instance: host=10.0.0.1,10.0.0.2 port=5432 user=dbrecovery");
            at++;
            SkipSpace(text, ref at);
            pairs[key] = Value(text, ref at);
        }
        return pairs;
    }

    private static string Value(string text, ref int at)
    {
        var value = new StringBuilder();
        var quoted = at < text.Length && text[at] == '\'';
        if (quoted)
            at++;
        for (; at < text.Length && (quoted ? text[at] != '\'' : !char.IsWhiteSpace(text[at])); at++)
        {
            if (text[at] == '\\' && at + 1 < text.Length)
                at++;
            value.Append(text[at]);
        }
        if (quoted && at++ >= text.Length)
            throw Wrong("a quote is not closed", "End the value with '.");
        return value.ToString();
    }

    private static bool SkipSpace(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        return at < text.Length;
    }

    private static Dictionary<string, string> ReadAddress(string text)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var (rest, query) = Cut(text, '?');
        var (authority, database) = Cut(rest, '/');
        if (authority.LastIndexOf('@') is var sign and >= 0)
        {
            var (user, password) = Cut(authority[..sign], ':');
            if (user.Length > 0)
                pairs["user"] = Decoded(user);
            if (password is not null)
                pairs["password"] = "";
            authority = authority[(sign + 1)..];
        }
        var places = authority.Length == 0 ? [] : authority.Split(',').Select(Place).ToArray();
        if (places.Length > 0)
        {
            pairs["host"] = string.Join(',', places.Select(p => p.Host));
            if (places.Any(p => p.Port.Length > 0))
                pairs["port"] = string.Join(',', places.Select(p => p.Port));
        }
        if (database is { Length: > 0 })
            pairs["dbname"] = Decoded(database);
        foreach (var parameter in query?.Split('&', StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            var (key, value) = Cut(parameter, '=');
            pairs[Decoded(key)] = Decoded(value ?? throw Wrong("a parameter has no value", "Write ?name=value&name=value."));
        }
        return pairs;
    }

    private static (string Host, string Port) Place(string text)
    {
        if (text.StartsWith('['))
        {
            var end = text.IndexOf(']', StringComparison.Ordinal);
            if (end < 0 || (end + 1 < text.Length && text[end + 1] != ':'))
                throw Wrong("an IPv6 address is not closed", "Write [::1]:5432.");
            return (Decoded(text[1..end]), end + 1 < text.Length ? text[(end + 2)..] : "");
        }
        var (host, port) = Cut(text, ':');
        return (Decoded(host), port ?? "");
    }

    private static (string Before, string? After) Cut(string text, char at) => text.IndexOf(at, StringComparison.Ordinal) is var i and >= 0 ? (text[..i], text[(i + 1)..]) : (text, null);

    private static string Decoded(string text)
    {
        for (var i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) || code == 0)
                throw Wrong("a % is not followed by two hexadecimal digits", "Write %25 for a percent sign.");
        }
        return Uri.UnescapeDataString(text);
    }

    /// <summary>The error of a connection text, which is not repeated.</summary>
    public static DbRecoveryException Wrong(string why, string action) =>
        new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the connection text cannot be understood: {why}", action);
}

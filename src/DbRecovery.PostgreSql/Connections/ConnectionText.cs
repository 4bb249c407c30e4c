using System.Text;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>A connection text of libpq, as in <c>primary_conninfo</c>: <c>key = 'value'</c> pairs, or a URI. It may hold a password, so it is never shown.</summary>
/// <remarks>PostgreSQL manual, section 34.1.1, Connection Strings.</remarks>
internal static class ConnectionText
{
    /// <summary>The keys and values; null where the text cannot be understood.</summary>
    internal static IReadOnlyDictionary<string, string>? Parse(string text) =>
        text.StartsWith("postgresql://", StringComparison.Ordinal) || text.StartsWith("postgres://", StringComparison.Ordinal) ? ParseUri(text) : ParsePairs(text);

    private static Dictionary<string, string>? ParsePairs(string text)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var i = 0;
        while (true)
        {
            Skip();
            if (i == text.Length)
                return pairs;
            var start = i;
            while (i < text.Length && text[i] != '=' && !char.IsWhiteSpace(text[i]))
                i++;
            var key = text[start..i];
            Skip();
            if (key.Length == 0 || i == text.Length || text[i++] != '=')
                return null;
            Skip();
            if (Value() is not { } value)
                return null;
            pairs[key] = value;
        }

        void Skip()
        {
            while (i < text.Length && char.IsWhiteSpace(text[i]))
                i++;
        }

        string? Value()
        {
            var value = new StringBuilder();
            var quoted = i < text.Length && text[i] == '\'';
            if (quoted)
                i++;
            while (i < text.Length && (quoted ? text[i] != '\'' : !char.IsWhiteSpace(text[i])))
            {
                if (text[i] == '\\' && ++i == text.Length)
                    break;
                value.Append(text[i++]);
            }
            if (quoted && (i == text.Length || text[i++] != '\''))
                return null;
            return value.ToString();
        }
    }

    private static Dictionary<string, string>? ParseUri(string text)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        var rest = text[(text.IndexOf("//", StringComparison.Ordinal) + 2)..];
        var query = rest.IndexOf('?');
        foreach (var part in query < 0 ? [] : rest[(query + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.IndexOf('=') is var at && at <= 0)
                return null;
            pairs[part[..at]] = Uri.UnescapeDataString(part[(at + 1)..]);
        }
        var authority = (query < 0 ? rest : rest[..query]).Split('/', 2)[0];
        if (authority.LastIndexOf('@') is >= 0 and var user)
            authority = authority[(user + 1)..];
        var hosts = new List<string>();
        var ports = new List<string>();
        foreach (var host in authority.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = host.StartsWith('[') ? host.IndexOf(':', host.IndexOf(']') is >= 0 and var end ? end : 0) : host.IndexOf(':');
            hosts.Add(Uri.UnescapeDataString(colon < 0 ? host : host[..colon]).Trim('[', ']'));
            ports.Add(colon < 0 ? "" : host[(colon + 1)..]);
        }
        if (hosts.Count > 0)
        {
            pairs["host"] = string.Join(',', hosts);
            pairs["port"] = string.Join(',', ports);
        }
        return pairs;
    }
}

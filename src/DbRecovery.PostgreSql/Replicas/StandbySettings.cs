namespace DbRecovery.PostgreSql.Replicas;

/// <summary>Edits the text of <c>postgresql.auto.conf</c> of a stopped server as ALTER SYSTEM would do of a running one.</summary>
internal static class StandbySettings
{
    /// <summary>Sets values; every earlier line of the same names is gone, all else stays.</summary>
    internal static string Set(string text, IEnumerable<KeyValuePair<string, string>> settings)
    {
        var wanted = settings.ToList();
        var names = wanted.Select(s => s.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var lines = text.Split('\n').Where(l => l.Trim().Length > 0 && !names.Contains(NameOf(l)));
        return string.Join('\n', [.. lines, .. wanted.Select(s => $"{s.Key} = {Quote(s.Value)}"), ""]);
    }

    /// <summary>A value, as the last line with its name has it; null where there is none.</summary>
    internal static string? Get(string text, string name)
    {
        if (text.Split('\n').LastOrDefault(l => NameOf(l).Equals(name, StringComparison.OrdinalIgnoreCase)) is not { } line)
            return null;
        var value = line.TrimStart()[NameOf(line).Length..].Trim().TrimStart('=').Trim();
        return value.Length < 2 || value[0] != '\'' ? value : Unquote(value[1..(value.LastIndexOf('\'') is var end and > 0 ? end : value.Length)]);
    }

    private static string Unquote(string value)
    {
        var read = new System.Text.StringBuilder();
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] is '\'' or '\\' && i + 1 < value.Length)
                i++;
            read.Append(value[i]);
        }
        return read.ToString();
    }

    private static string NameOf(string line)
    {
        var trimmed = line.TrimStart();
        var end = trimmed.AsSpan().IndexOfAny(" \t='");
        return end < 0 ? trimmed : trimmed[..end];
    }

    // the file's reader takes a backslash as an escape, too
    private static string Quote(string value) =>
        value.AsSpan().IndexOfAny('\n', '\r') >= 0
            ? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a setting cannot hold a line break")
            : $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}'";
}

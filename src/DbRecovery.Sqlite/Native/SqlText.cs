namespace DbRecovery.Sqlite.Native;

/// <summary>SQL as text.</summary>
internal static class SqlText
{
    /// <summary>Quotes an identifier.</summary>
    internal static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}

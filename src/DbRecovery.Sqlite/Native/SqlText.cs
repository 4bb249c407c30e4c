using SQLitePCL;

namespace DbRecovery.Sqlite.Native;

/// <summary>SQL as text, and text in SQL.</summary>
internal static class SqlText
{
    /// <summary>Quotes an identifier.</summary>
    internal static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Gives a text to a statement; SQLite's result code comes back.</summary>
    internal static int Bind(sqlite3_stmt statement, int parameter, ReadOnlySpan<byte> utf8) =>
        // no bytes have no address, and a text without an address is NULL
        utf8.IsEmpty ? raw.sqlite3_bind_text(statement, parameter, "") : raw.sqlite3_bind_text(statement, parameter, utf8);
}

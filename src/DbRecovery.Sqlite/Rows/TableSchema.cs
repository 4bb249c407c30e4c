using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>A column that holds a value of its own: generated ones are worked out from these.</summary>
internal sealed record TableColumn(string Name, string DeclaredType, bool NotNull);

/// <summary>An index or trigger, with its definition word for word.</summary>
internal sealed record TableObject(string Name, string Sql);

/// <summary>How a table is made, and by what its rows are told apart.</summary>
internal sealed record TableSchema
{
    internal required string Name { get; init; }
    /// <summary>The definition word for word.</summary>
    internal required string Sql { get; init; }
    internal required uint RootPage { get; init; }
    internal required IReadOnlyList<TableColumn> Columns { get; init; }
    internal required bool HasGenerated { get; init; }
    /// <summary>The primary key's columns in its order; empty for none.</summary>
    internal required IReadOnlyList<string> PrimaryKey { get; init; }
    /// <summary>The name under which a row's number can be had; null where the table has none, or columns hide it.</summary>
    internal required string? RowId { get; init; }
    /// <summary>Whether the primary key is the row's number.</summary>
    internal required bool KeyIsRowId { get; init; }
    internal required bool AutoIncrement { get; init; }
    internal required IReadOnlyList<TableObject> Indexes { get; init; }
    internal required IReadOnlyList<TableObject> Triggers { get; init; }
    /// <summary>The encoding of the database's text.</summary>
    internal required System.Text.Encoding Encoding { get; init; }

    /// <summary>The columns that tell rows apart where the primary key cannot: the row's number.</summary>
    internal IReadOnlyList<string> RowIdKey => RowId is null ? [] : [RowId];

    /// <summary>What must be copied to make the same row: a row's number that is no column comes first.</summary>
    internal IReadOnlyList<string> Stored => RowId is not null && !KeyIsRowId ? [RowId, .. Columns.Select(c => c.Name)] : [.. Columns.Select(c => c.Name)];

    internal bool Has(string column) => Columns.Any(c => SameName(c.Name, column));

    /// <summary>A list of columns as SQL, each with a prefix.</summary>
    internal static string List(IEnumerable<string> columns, string prefix = "") => string.Join(", ", columns.Select(c => prefix + SqlText.Quote(c)));

    internal static bool SameName(string first, string second) => string.Equals(first, second, StringComparison.OrdinalIgnoreCase);

    /// <summary>The definition of the same object in another schema of a connection. SQLite keeps every definition beginning with these words and the name.</summary>
    internal static string In(string schema, string sql)
    {
        foreach (var begin in new[] { "CREATE TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX " })
            if (sql.StartsWith(begin, StringComparison.OrdinalIgnoreCase))
                return $"{begin}{SqlText.Quote(schema)}.{sql[begin.Length..].TrimStart()}";
        throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported, $"the definition '{sql}' is none that can be repeated", "Restore the whole backup to another path.");
    }

    /// <summary>Reads a table of the main database; null where there is none of that name.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ObjectNotFound"/>: the name is that of something that has no rows of its own.</exception>
    internal static TableSchema? Read(SqliteConnection connection, string table, string where)
    {
        using var statement = new Statement(connection, "SELECT type, name, rootpage, sql FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')");
        statement.Bind(RowValue.Of(table));
        if (!statement.Step())
            return null;
        var (type, name, root, sql) = (Text(statement, 0), Text(statement, 1), statement.Value(2).ToObject() is long page and > 0 and <= uint.MaxValue ? (uint)page : 0, Text(statement, 3));
        statement.Reset();
        Refuse(type, name, sql, where);
        return Describe(connection, name, sql, root);
    }

    /// <summary>The names of tables whose rows can be restored.</summary>
    internal static IReadOnlyList<string> Names(SqliteConnection connection)
    {
        using var statement = new Statement(connection, "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name");
        var names = new List<string>();
        while (statement.Step())
            names.Add(Text(statement, 0));
        return names;
    }

    private static void Refuse(string type, string name, string sql, string where)
    {
        var (what, action) = type == "view" ? ("a view: it has no rows of its own", "Restore the tables that it reads.")
            : sql.StartsWith("CREATE VIRTUAL", StringComparison.OrdinalIgnoreCase)
                ? ("a virtual table: its rows are kept by its module in tables of their own (a full-text index in NAME_content, NAME_data and others), which only fit together as a whole", "Restore the whole backup to another path and read it there; a full-text index can be rebuilt from its source table.")
            : ObjectCatalog.IsInternal(name) ? ("one of SQLite's own tables", "Restore the tables that are meant; what SQLite keeps about them follows.")
            : (null, null);
        if (what is not null)
            throw new DbRecoveryException(ErrorIds.ObjectNotFound, ErrorKind.NotSupported, $"'{name}' in {where} is {what}", action, name);
    }

    private static TableSchema Describe(SqliteConnection connection, string name, string sql, uint root)
    {
        var columns = new List<TableColumn>();
        var key = new SortedDictionary<long, string>();
        var generated = false;
        using (var info = new Statement(connection, "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid"))
        {
            info.Bind(RowValue.Of(name));
            while (info.Step())
            {
                var hidden = (long)info.Value(4).ToObject()!;
                generated |= hidden != 0;
                if (hidden == 0)
                    columns.Add(new TableColumn(Text(info, 0), Text(info, 1), (long)info.Value(2).ToObject()! != 0));
                if ((long)info.Value(3).ToObject()! is > 0 and var place)
                    key.Add(place, Text(info, 0));
            }
        }
        var rowId = RowIdName(connection, name, columns);
        var keyIndex = (long)Statement.Scalar(connection, "SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'", RowValue.Of(name))! > 0;
        var alias = rowId is not null && !keyIndex && key.Count == 1;
        return new TableSchema
        {
            Name = name,
            Sql = sql,
            RootPage = root,
            Columns = columns,
            HasGenerated = generated,
            PrimaryKey = [.. key.Values],
            RowId = rowId,
            KeyIsRowId = alias,
            AutoIncrement = alias && sql.Contains("AUTOINCREMENT", StringComparison.OrdinalIgnoreCase) && HasSequences(connection),
            Indexes = Objects(connection, name, "index"),
            Triggers = Objects(connection, name, "trigger"),
            Encoding = Statement.Scalar(connection, "PRAGMA encoding") switch
            {
                "UTF-16le" => System.Text.Encoding.Unicode,
                "UTF-16be" => System.Text.Encoding.BigEndianUnicode,
                _ => System.Text.Encoding.UTF8,
            },
        };
    }

    private static string? RowIdName(SqliteConnection connection, string table, List<TableColumn> columns)
    {
        foreach (var name in new[] { "rowid", "_rowid_", "oid" }.Where(n => !columns.Any(c => SameName(c.Name, n))))
        {
            try
            {
                using var statement = new Statement(connection, $"SELECT {name} FROM main.{SqlText.Quote(table)}");
                return name;
            }
            catch (SqliteException e) when (e.SqliteErrorCode == raw.SQLITE_ERROR)
            {
                return null; // WITHOUT ROWID
            }
        }
        return null;
    }

    // the word may stand in a comment or a default, too: then there is no row of that table in it, which does no harm
    private static bool HasSequences(SqliteConnection connection) => Statement.Scalar(connection, "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'") is not null;

    private static List<TableObject> Objects(SqliteConnection connection, string table, string type)
    {
        var found = new List<TableObject>();
        using var statement = new Statement(connection, "SELECT name, sql FROM main.sqlite_master WHERE type = ?1 AND tbl_name = ?2 COLLATE NOCASE AND sql IS NOT NULL ORDER BY rowid");
        statement.Bind(RowValue.Of(type), RowValue.Of(table));
        while (statement.Step())
            found.Add(new TableObject(Text(statement, 0), Text(statement, 1)));
        return found;
    }

    private static string Text(Statement statement, int column) => statement.Value(column).ToObject() as string ?? "";
}

/// <summary>Finds what somebody may have meant among the names of tables.</summary>
internal static class TableNames
{
    /// <summary>An error that names what there is.</summary>
    internal static DbRecoveryException NotFound(string table, string where, IReadOnlyList<string> names)
    {
        var near = names.FirstOrDefault(n => TableSchema.SameName(n, table))
            ?? names.Take(300).Select(n => (Name: n, Distance: Distance(n, table))).Where(n => n.Distance <= Math.Max(1, table.Length / 3)).OrderBy(n => n.Distance).Select(n => n.Name).FirstOrDefault();
        return new DbRecoveryException(ErrorIds.ObjectNotFound, ErrorKind.NotFound, $"{where} has no table '{table}'",
            near is not null ? $"Did you mean '{near}'?" : names.Count == 0 ? "It has no tables." : $"It has: {string.Join(", ", names.Take(30))}{(names.Count > 30 ? " and others" : "")}.", table);
    }

    private static int Distance(string a, string b)
    {
        if (Math.Abs(a.Length - b.Length) > 20 || a.Length > 100)
            return int.MaxValue;
        var last = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var row = new int[b.Length + 1];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                row[j] = Math.Min(Math.Min(row[j - 1], last[j]) + 1, last[j - 1] + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1));
            last = row;
        }
        return last[b.Length];
    }
}

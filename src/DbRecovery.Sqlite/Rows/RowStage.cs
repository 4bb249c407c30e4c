using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Rows;

/// <summary>
/// The selected rows of a backup in a file of their own, with the table's own definition: what is compared and written then depends
/// neither on the repository's speed nor on the order in which its pages lie.
/// </summary>
internal sealed class RowStage
{
    /// <summary>The name under which connections attach the file.</summary>
    internal const string Schema = "dbrecovery_rows";
    /// <summary>The table of the keys that were asked for.</summary>
    internal const string Keys = "dbrecovery_keys";

    private const int NamedKeys = 5;

    internal required TableSchema Table { get; init; }
    internal required long Rows { get; init; }
    internal required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Copies the rows out of a backup.</summary>
    /// <param name="source">The backup, opened so that attached files may be written.</param>
    /// <param name="image">Its bytes.</param>
    /// <param name="selection">Which rows.</param>
    /// <param name="file">The new file.</param>
    /// <param name="complete">Whether it is the result, which has the table's indexes, rather than a stage.</param>
    internal static RowStage Fill(SqliteConnection source, BackupImage image, RowSelection selection, string file, bool complete)
    {
        const string where = "the backup";
        var table = TableSchema.Read(source, selection.Table, where) ?? throw TableNames.NotFound(selection.Table, where, TableSchema.Names(source));
        if (selection.Where is not null && selection.Keys is not null)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "rows were chosen by a condition and by keys", "Give one of the two.", selection.Table);
        if (selection.Where is not null)
            RowCondition.Check(source, table.Name, selection.Where, where);
        Attach(source, file, "rwc", Schema);
        var pageSize = Statement.Scalar(source, "PRAGMA main.page_size");
        Statement.Run(source, $"PRAGMA {Schema}.page_size = {pageSize}; PRAGMA {Schema}.journal_mode = OFF; PRAGMA {Schema}.synchronous = OFF; PRAGMA {Schema}.cache_size = -32000; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
        Statement.Run(source, "BEGIN");
        Statement.Run(source, TableSchema.In(Schema, table.Sql));
        var keys = complete ? "temp" : Schema;
        if (selection.Keys is { } chosen)
            AddKeys(source, table, chosen, keys);
        var rows = Copy(source, image, table, selection, keys);
        if (complete)
            foreach (var index in table.Indexes)
                Statement.Run(source, TableSchema.In(Schema, index.Sql));
        if (table.AutoIncrement)
            KeepSequence(source, table);
        var notes = selection.Keys is null ? [] : Absent(source, table, keys);
        Statement.Run(source, "COMMIT");
        return new RowStage { Table = table, Rows = rows, Notes = notes };
    }

    /// <summary>Attaches a file to a connection.</summary>
    internal static void Attach(SqliteConnection connection, string file, string mode, string schema) => AttachUri(connection, $"{ImageVfs.UriOf(file)}&mode={mode}", schema);

    /// <summary>Attaches what a URI names.</summary>
    internal static void AttachUri(SqliteConnection connection, string uri, string schema)
    {
        using var statement = new Statement(connection, $"ATTACH ?1 AS {schema}");
        statement.Execute(RowValue.Of(uri));
    }

    /// <summary>The columns by which a table's rows are named: its primary key, else the row's number.</summary>
    internal static IReadOnlyList<string> KeyOf(TableSchema table) => table.PrimaryKey.Count > 0 ? table.PrimaryKey : table.RowId is not null ? table.RowIdKey
        : throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported, $"the rows of '{table.Name}' cannot be told apart: it has no primary key, and columns hide the row's number",
            "Restore the table into a file of its own.", table.Name);

    private static long Copy(SqliteConnection source, BackupImage image, TableSchema table, RowSelection selection, string keys)
    {
        var (to, from) = ($"{Schema}.{SqlText.Quote(table.Name)}", $"main.{SqlText.Quote(table.Name)}");
        var columns = TableSchema.List(table.Stored);
        // this form lets SQLite copy records without taking them apart, and only for tables whose rows keep their numbers with it
        var whole = selection is { Where: null, Keys: null } && !table.HasGenerated && (table.KeyIsRowId || table.RowId is null);
        var sql = whole ? $"INSERT INTO {to} SELECT * FROM {from}"
            : selection.Keys is not null ? $"INSERT OR IGNORE INTO {to} ({columns}) SELECT {TableSchema.List(table.Stored, "t.")} FROM {keys}.{Keys} k CROSS JOIN {from} t ON {KeyMatch(table, "t.", "k.")}"
            : $"INSERT INTO {to} ({columns}) SELECT {columns} FROM {from}{(selection.Where is null ? "" : $" WHERE ({selection.Where}\n)")}";
        if (selection.Keys is null && Scans(source, sql))
            image.Prefetch(table.RootPage);
        using var statement = new Statement(source, sql);
        return statement.Execute();
    }

    private static bool Scans(SqliteConnection source, string sql)
    {
        using var plan = new Statement(source, "EXPLAIN QUERY PLAN " + sql);
        // "SCAN orders"; before 3.36 "SCAN TABLE orders". With an index it reads on
        return !plan.Step() || plan.Value(3).ToObject() is string detail && detail.StartsWith("SCAN ", StringComparison.Ordinal) && !detail.Contains(" USING ", StringComparison.Ordinal);
    }

    // keys are compared as SQLite compares: a text that looks like a number finds it where the column is one of numbers
    private static void AddKeys(SqliteConnection source, TableSchema table, IReadOnlyList<IReadOnlyList<string>> keys, string schema)
    {
        var columns = KeyOf(table);
        Statement.Run(source, $"CREATE {(schema == "temp" ? "TEMP " : "")}TABLE {schema}.{Keys} ({string.Join(", ", columns.Select((_, i) => $"k{i}"))})");
        using var insert = new Statement(source, $"INSERT INTO {schema}.{Keys} VALUES ({string.Join(", ", columns.Select((_, i) => $"?{i + 1}"))})");
        foreach (var key in keys)
        {
            var values = key.Count == 1 && columns.Count > 1 ? key[0].Split(',') : key;
            if (values.Count != columns.Count)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the key '{string.Join(",", key)}' has {Counted.Of(values.Count, "value")}, and the key of '{table.Name}' has {columns.Count}: {string.Join(", ", columns)}",
                    columns.Count == 1 ? "Give one value." : "Give them in this order, with commas between.", string.Join(",", key));
            insert.Execute([.. values.Select((v, i) => KeyValue(v, Untyped(table, columns[i])))]);
        }
    }

    private static bool Untyped(TableSchema table, string column) =>
        table.Columns.FirstOrDefault(c => TableSchema.SameName(c.Name, column)) is { } found && (found.DeclaredType.Length == 0 || found.DeclaredType.Contains("BLOB", StringComparison.OrdinalIgnoreCase) || TableSchema.SameName(found.DeclaredType, "ANY"));

    private static RowValue KeyValue(string text, bool untyped)
    {
        if (text.Length >= 3 && text.Length % 2 == 1 && text[0] is 'x' or 'X' && text[1] == '\'' && text[^1] == '\'' && text[2..^1].All(char.IsAsciiHexDigit))
            return RowValue.OfBlob(Convert.FromHexString(text[2..^1]));
        return untyped && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? RowValue.Of(number) : RowValue.Of(text);
    }

    private static List<string> Absent(SqliteConnection source, TableSchema table, string keys)
    {
        var absent = new List<string>();
        using var statement = new Statement(source, $"SELECT * FROM {keys}.{Keys} k WHERE NOT EXISTS (SELECT 1 FROM {Schema}.{SqlText.Quote(table.Name)} t WHERE {KeyMatch(table, "t.", "k.")})");
        while (absent.Count < NamedKeys && statement.Step())
            absent.Add($"the backup has no row of '{table.Name}' with the key {string.Join(",", statement.Values(0, statement.Columns).Select(v => v.ToObject() is byte[] bytes ? $"X'{Convert.ToHexString(bytes)}'" : v.ToObject()))}");
        return absent;
    }

    /// <summary>That a row of the table has a key which was asked for.</summary>
    internal static string KeyMatch(TableSchema table, string row, string key) =>
        string.Join(" AND ", KeyOf(table).Select((c, i) => $"{row}{SqlText.Quote(c)} = {key}k{i}"));

    // numbers that were given out and deleted must not come again
    private static void KeepSequence(SqliteConnection source, TableSchema table)
    {
        using var forget = new Statement(source, $"DELETE FROM {Schema}.sqlite_sequence WHERE name = ?1");
        forget.Execute(RowValue.Of(table.Name));
        using var keep = new Statement(source, $"INSERT INTO {Schema}.sqlite_sequence (name, seq) SELECT name, seq FROM main.sqlite_sequence WHERE name = ?1");
        keep.Execute(RowValue.Of(table.Name));
    }
}

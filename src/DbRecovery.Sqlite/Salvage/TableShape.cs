using System.Globalization;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>The rules by which SQLite changes values as it stores them (https://www.sqlite.org/datatype3.html, section 3).</summary>
internal enum Affinity
{
    /// <summary>Stored as it comes.</summary>
    Blob,
    /// <summary>Numbers become text.</summary>
    Text,
    /// <summary>Text that looks like a number becomes one.</summary>
    Numeric,
    /// <summary>As numeric, and whole numbers become floating point ones when read.</summary>
    Real,
}

/// <summary>A column.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Affinity">Its affinity.</param>
/// <param name="NotNull">Whether it is declared NOT NULL.</param>
/// <param name="Generated">Whether its value is computed.</param>
/// <param name="Virtual">Whether its value is computed and not stored.</param>
internal sealed record ShapeColumn(string Name, Affinity Affinity, bool NotNull, bool Generated, bool Virtual);

/// <summary>An index: which table column each field of its entries holds; -1 the rowid, -2 an expression.</summary>
internal sealed record IndexShape(string Name, IReadOnlyList<int> Columns, IReadOnlyList<KeyPart> Key, bool Partial);

/// <summary>How one field of a key is ordered.</summary>
internal sealed record KeyPart(bool Descending, string Collation);

/// <summary>How the rows of a table lie in its pages, as SQLite itself understands the table's definition.</summary>
internal sealed record TableShape
{
    /// <summary>The table.</summary>
    internal required string Name { get; init; }
    /// <summary>The columns as declared.</summary>
    internal required IReadOnlyList<ShapeColumn> Columns { get; init; }
    /// <summary>The column of each stored field.</summary>
    internal required IReadOnlyList<int> Stored { get; init; }
    /// <summary>The columns of the declared primary key, in its order; empty where there is none.</summary>
    internal required IReadOnlyList<int> PrimaryKey { get; init; }
    /// <summary>The column that is another name of the rowid; null for none.</summary>
    internal int? RowIdColumn { get; init; }
    /// <summary>Whether it has no rowid: its rows are the entries of an index.</summary>
    internal bool WithoutRowId { get; init; }
    /// <summary>How the key of a WITHOUT ROWID table is ordered.</summary>
    internal IReadOnlyList<KeyPart> Key { get; init; } = [];
    /// <summary>The indexes.</summary>
    internal IReadOnlyList<IndexShape> Indexes { get; init; } = [];

    /// <summary>Whether a stored record can be a row of this table. A record with fewer fields is from before a column was added.</summary>
    internal bool Fits(object?[] record)
    {
        if (record.Length == 0 || record.Length > Stored.Count || WithoutRowId && record.Length < PrimaryKey.Count)
            return false;
        for (var i = 0; i < record.Length; i++)
        {
            if (RowIdColumn == Stored[i])
            {
                if (record[i] is not null)
                    return false;
                continue;
            }
            if (!Fits(Columns[Stored[i]], record[i]))
                return false;
        }
        return true;
    }

    private static bool Fits(ShapeColumn column, object? value) => value switch
    {
        null => !column.NotNull,
        long or double => column.Affinity != Affinity.Text,
        RawText text => column.Affinity is not (Affinity.Numeric or Affinity.Real) || !LooksLikeNumber(text.Utf8),
        _ => true,
    };

    // what is certainly one; more cannot be said without SQLite's own rules
    private static bool LooksLikeNumber(byte[] text) =>
        text.Length is > 0 and < 18 && !text.AsSpan(text[0] == (byte)'-' && text.Length > 1 ? 1 : 0).ContainsAnyExceptInRange((byte)'0', (byte)'9');
}

/// <summary>Asks SQLite what definitions mean, by carrying them out in an empty database in memory.</summary>
internal sealed class ShapeReader : IDisposable
{
    private const int RowId = -1;

    private readonly SqliteConnection _connection;

    /// <summary>Makes one.</summary>
    internal ShapeReader()
    {
        SqliteLibrary.EnsureLoaded();
        _connection = new SqliteConnection("Data Source=:memory:");
        _connection.Open();
        raw.sqlite3_exec(_connection.Handle, "PRAGMA foreign_keys = OFF");
    }

    /// <summary>The shapes of the tables whose definitions SQLite understands.</summary>
    internal IReadOnlyDictionary<string, TableShape> Read(IReadOnlyList<SchemaRow> schema, ICollection<string> problems)
    {
        var shapes = new Dictionary<string, TableShape>(StringComparer.OrdinalIgnoreCase);
        foreach (var row in schema.Where(r => r is { Type: "table", Sql: not null } && !ObjectCatalog.IsVirtual(r)).OrderBy(r => ObjectCatalog.IsInternal(r.Name)))
        {
            // sqlite_sequence comes into being with the first AUTOINCREMENT
            if (!ObjectCatalog.IsInternal(row.Name) && RawStatement.TryDefine(_connection, row.Sql!) is { } why)
                problems.Add($"the definition of table {row.Name} is not understood: {why}");
        }
        foreach (var row in schema.Where(r => r is { Type: "index", Sql: not null }))
        {
            if (RawStatement.TryDefine(_connection, row.Sql!) is { } why)
                problems.Add($"the definition of index {row.Name} is not understood: {why}");
        }
        foreach (var row in schema.Where(r => r.Type == "table"))
        {
            if (!shapes.ContainsKey(row.Name) && TryShape(row.Name) is { } shape)
                shapes.Add(row.Name, shape);
        }
        return shapes;
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private TableShape? TryShape(string table)
    {
        var info = Rows($"PRAGMA table_xinfo({SqlText.Quote(table)})");
        if (info.Count == 0)
            return null;
        var columns = info.Select(r => new ShapeColumn(Text(r[1]), AffinityOf(Text(r[2])), Number(r[3]) != 0, Number(r[6]) is 2 or 3, Number(r[6]) == 2)).ToList();
        var key = info.Where(r => Number(r[5]) > 0).OrderBy(r => Number(r[5])).Select(r => (int)Number(r[0])).ToList();
        var indexes = new List<IndexShape>();
        IndexShape? primary = null;
        var list = Rows($"PRAGMA index_list({SqlText.Quote(table)})");
        foreach (var row in list)
        {
            var index = Index(Text(row[1]), Number(row[4]) != 0);
            // every other index ends with the rowid that it leads to
            if (Text(row[3]) == "pk" && !index.Columns.Contains(RowId))
                primary = index;
            else
                indexes.Add(index);
        }
        var withoutRowId = primary is not null;
        var hasKeyIndex = list.Exists(r => Text(r[3]) == "pk");
        var stored = primary?.Columns ?? [.. Enumerable.Range(0, columns.Count).Where(i => !columns[i].Virtual)];
        return new TableShape
        {
            Name = table,
            Columns = columns,
            Stored = stored,
            PrimaryKey = key,
            RowIdColumn = !withoutRowId && key.Count == 1 && !hasKeyIndex ? key[0] : null,
            WithoutRowId = withoutRowId,
            Key = primary is null ? [] : [.. primary.Key.Take(key.Count)],
            Indexes = indexes,
        };
    }

    private IndexShape Index(string name, bool partial)
    {
        var fields = Rows($"PRAGMA index_xinfo({SqlText.Quote(name)})");
        return new IndexShape(name, [.. fields.Select(f => (int)Number(f[1]))], [.. fields.Select(f => new KeyPart(Number(f[3]) != 0, Text(f[4]).ToUpperInvariant()))], partial);
    }

    /// <summary>A name of the rowid that no column has taken; null where every one is.</summary>
    internal static string? RowIdName(IReadOnlyList<ShapeColumn> columns) =>
        new[] { "rowid", "_rowid_", "oid" }.FirstOrDefault(n => !columns.Any(c => c.Name.Equals(n, StringComparison.OrdinalIgnoreCase)));

    private List<object?[]> Rows(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<object?[]>();
        while (reader.Read())
        {
            var row = new object?[reader.FieldCount];
            reader.GetValues(row!);
            rows.Add(row);
        }
        return rows;
    }

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    private static long Number(object? value) => value is long number ? number : 0;

    private static Affinity AffinityOf(string type)
    {
        var upper = type.ToUpperInvariant();
        bool Has(string word) => upper.Contains(word, StringComparison.Ordinal);
        return Has("INT") ? Affinity.Numeric
            : Has("CHAR") || Has("CLOB") || Has("TEXT") ? Affinity.Text
            : upper.Length == 0 || Has("BLOB") ? Affinity.Blob
            : Has("REAL") || Has("FLOA") || Has("DOUB") ? Affinity.Real
            : upper == "ANY" ? Affinity.Blob : Affinity.Numeric;
    }
}

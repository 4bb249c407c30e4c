using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>Writes rows into one table: as they were stored, columns that a row does not have yet with their defaults.</summary>
internal sealed class RowInserter(SqliteConnection connection, TableShape shape, bool keepRowId = true) : IDisposable
{
    private readonly Dictionary<int, RawStatement> _statements = [];
    private readonly string? _rowId = !keepRowId || shape.WithoutRowId || shape.RowIdColumn is not null ? null : ShapeReader.RowIdName(shape.Columns);

    /// <summary>Writes a row. Null, or why the database refuses it.</summary>
    /// <exception cref="SqliteException">The database cannot be written.</exception>
    internal string? TryInsert(FoundRow row)
    {
        if (!_statements.TryGetValue(row.Fields.Length, out var statement))
            _statements[row.Fields.Length] = statement = new RawStatement(connection, Sql(row.Fields.Length));
        var code = statement.Run(Values(row));
        // before the statement is reset: that clears the message
        var why = code == raw.SQLITE_DONE ? null : raw.sqlite3_errmsg(connection.Handle).utf8_to_string();
        statement.Reset();
        if (code is raw.SQLITE_DONE || (code & 0xff) is raw.SQLITE_CONSTRAINT or raw.SQLITE_MISMATCH or raw.SQLITE_TOOBIG)
            return why;
        throw new SqliteException($"'{why}'", code & 0xff, code);
    }

    /// <summary>The row's value of each of its columns; computed ones are left out.</summary>
    internal static IEnumerable<(int Column, object? Value)> Columns(TableShape shape, FoundRow row)
    {
        for (var i = 0; i < row.Fields.Length; i++)
        {
            var column = shape.Stored[i];
            if (!shape.Columns[column].Generated)
                yield return (column, column == shape.RowIdColumn ? row.RowId : row.Fields[i]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var statement in _statements.Values)
            statement.Dispose();
    }

    private IEnumerable<object?> Values(FoundRow row)
    {
        var values = Columns(shape, row).Select(c => c.Value);
        return _rowId is null ? values : values.Prepend(row.RowId);
    }

    private string Sql(int fields)
    {
        var names = shape.Stored.Take(fields).Where(c => !shape.Columns[c].Generated).Select(c => SqlText.Quote(shape.Columns[c].Name));
        if (_rowId is not null)
            names = names.Prepend(_rowId);
        var list = names.ToList();
        // a constraint may be declared "on conflict replace": a row that is there would go without a word
        return $"insert or abort into main.{SqlText.Quote(shape.Name)} ({string.Join(", ", list)}) values ({string.Join(", ", list.Select(_ => "?"))})";
    }
}

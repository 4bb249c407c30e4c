using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>A prepared statement that takes values as they are stored: text keeps bytes that are no valid UTF-8.</summary>
internal sealed class RawStatement : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;

    /// <summary>Prepares one statement.</summary>
    /// <exception cref="SqliteException">It is not understood.</exception>
    internal RawStatement(SqliteConnection connection, string sql)
    {
        _database = connection.Handle!;
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(_database, sql, out _statement, out var tail), _database);
        if (string.IsNullOrWhiteSpace(tail?.TrimEnd(';')))
            return;
        _statement.Dispose();
        throw new SqliteException("'more than one statement'", raw.SQLITE_ERROR);
    }

    /// <summary>Carries out one statement of a schema that was read from a file: a definition and nothing beside it. Null, or why it cannot be.</summary>
    internal static string? TryDefine(SqliteConnection connection, string sql)
    {
        if (!sql.TrimStart().StartsWith("CREATE ", StringComparison.OrdinalIgnoreCase))
            return "it is no definition";
        try
        {
            using var statement = new RawStatement(connection, sql);
            return statement.Step() == raw.SQLITE_DONE ? null : raw.sqlite3_errmsg(connection.Handle).utf8_to_string();
        }
        catch (SqliteException e)
        {
            return SqliteConnections.Message(e);
        }
    }

    /// <summary>Whether a database has a table of that name.</summary>
    internal static bool HasTable(SqliteConnection connection, string name)
    {
        using var statement = new RawStatement(connection, "select 1 from sqlite_master where type = 'table' and name = ?1 collate nocase");
        return statement.Finds(name);
    }

    /// <summary>Runs with these values: SQLITE_ROW, SQLITE_DONE, or an error's code.</summary>
    internal int Run(params IEnumerable<object?> values)
    {
        raw.sqlite3_reset(_statement);
        var at = 0;
        foreach (var value in values)
            Bind(++at, value);
        return Step();
    }

    /// <summary>Carries it out with these values.</summary>
    /// <exception cref="SqliteException">It was not carried out.</exception>
    internal void Execute(params IEnumerable<object?> values)
    {
        Demand(Run(values), raw.SQLITE_DONE);
        Reset();
    }

    /// <summary>Whether it gives a row with these values; it stands on that row then.</summary>
    /// <exception cref="SqliteException">That cannot be told.</exception>
    internal bool Finds(params IEnumerable<object?> values)
    {
        var code = Run(values);
        if (code != raw.SQLITE_ROW)
            Demand(code, raw.SQLITE_DONE);
        return code == raw.SQLITE_ROW;
    }

    /// <summary>The next row.</summary>
    internal int Step() => raw.sqlite3_step(_statement);

    /// <summary>Ends what runs, so that its locks are let go.</summary>
    internal void Reset() => raw.sqlite3_reset(_statement);

    /// <summary>A column of the present row: null, long, double, <see cref="RawText"/> or byte[].</summary>
    internal object? Value(int column) => raw.sqlite3_column_type(_statement, column) switch
    {
        raw.SQLITE_NULL => null,
        raw.SQLITE_INTEGER => raw.sqlite3_column_int64(_statement, column),
        raw.SQLITE_FLOAT => raw.sqlite3_column_double(_statement, column),
        raw.SQLITE_TEXT => Text(column),
        _ => raw.sqlite3_column_blob(_statement, column).ToArray(),
    };

    // after it was asked for as text the blob is its UTF-8, with any zero bytes in it
    private RawText Text(int column)
    {
        raw.sqlite3_column_text(_statement, column);
        return new RawText(raw.sqlite3_column_blob(_statement, column).ToArray());
    }

    /// <inheritdoc/>
    public void Dispose() => _statement.Dispose();

    private void Demand(int code, int wanted)
    {
        if (code != wanted)
            SqliteException.ThrowExceptionForRC(code, _database);
    }

    private void Bind(int at, object? value)
    {
        _ = value switch
        {
            null => raw.sqlite3_bind_null(_statement, at),
            long number => raw.sqlite3_bind_int64(_statement, at, number),
            double number => raw.sqlite3_bind_double(_statement, at, number),
            // SQLite takes a mark of the byte order off, and this one instead of the text's own
            RawText { Units: { } units } => raw.sqlite3_bind_text16(_statement, at, "\ufeff" + units),
            RawText text => SqlText.Bind(_statement, at, text.Utf8),
            byte[] { Length: 0 } => raw.sqlite3_bind_zeroblob(_statement, at, 0),
            byte[] bytes => raw.sqlite3_bind_blob(_statement, at, bytes),
            string text => raw.sqlite3_bind_text(_statement, at, text),
            _ => throw new InvalidOperationException($"a {value.GetType().Name} is no value of a row"),
        };
    }
}

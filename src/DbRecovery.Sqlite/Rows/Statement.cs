using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>A prepared statement whose values come and go exactly as SQLite has them, which the driver's types do not allow.</summary>
internal sealed class Statement : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;

    internal Statement(SqliteConnection connection, string sql)
    {
        _database = connection.Handle!;
        Check(raw.sqlite3_prepare_v2(_database, sql, out _statement));
    }

    /// <summary>The columns of a row.</summary>
    internal int Columns => raw.sqlite3_column_count(_statement);

    /// <summary>Runs statements whose rows nobody needs.</summary>
    internal static void Run(SqliteConnection connection, string sql) => connection.Run(sql);

    /// <summary>The first value of the first row; null where there is no row.</summary>
    internal static object? Scalar(SqliteConnection connection, string sql, params RowValue[] values)
    {
        using var statement = new Statement(connection, sql);
        statement.Bind(values);
        return statement.Step() ? statement.Value(0).ToObject() : null;
    }

    /// <summary>Goes to the next row; false at the end.</summary>
    internal bool Step()
    {
        var code = raw.sqlite3_step(_statement);
        if (code == raw.SQLITE_ROW)
            return true;
        if (code != raw.SQLITE_DONE)
            Check(code);
        return false;
    }

    /// <summary>Carries the statement out with values, and gives how many rows it changed.</summary>
    internal int Execute(params ReadOnlySpan<RowValue> values)
    {
        Bind(values);
        try
        {
            while (Step())
            {
            }
            return raw.sqlite3_changes(_database);
        }
        finally
        {
            raw.sqlite3_reset(_statement);
        }
    }

    /// <summary>Starts again with other values.</summary>
    internal void Bind(params ReadOnlySpan<RowValue> values)
    {
        raw.sqlite3_reset(_statement);
        for (var i = 0; i < values.Length; i++)
            Check(values[i].Bind(_statement, i + 1));
    }

    /// <summary>Gives up the row that it stands on, and with it the reader's lock.</summary>
    internal void Reset() => raw.sqlite3_reset(_statement);

    /// <summary>A value of the row.</summary>
    internal RowValue Value(int column) => RowValue.Of(_statement, column);

    /// <summary>Values of the row.</summary>
    internal RowValue[] Values(int first, int count)
    {
        var values = new RowValue[count];
        for (var i = 0; i < count; i++)
            values[i] = Value(first + i);
        return values;
    }

    /// <summary>Whether two columns of the row hold the same value of the same type.</summary>
    internal bool Same(int first, int second) => RowValue.Same(_statement, first, second);

    /// <inheritdoc/>
    public void Dispose() => _statement.Dispose();

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
            SqliteException.ThrowExceptionForRC(code, _database);
    }
}

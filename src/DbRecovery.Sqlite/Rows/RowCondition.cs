using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>A condition that a person wrote, checked to be one expression that only reads.</summary>
internal static class RowCondition
{
    // the acts that a reading expression needs (https://www.sqlite.org/c3ref/c_alter_table.html); every other is denied
    private const int Read = 20, Select = 21, Function = 31, Recursive = 33;
    private static readonly HashSet<string> DeniedFunctions = new(StringComparer.OrdinalIgnoreCase) { "load_extension", "fts3_tokenizer", "readfile", "writefile", "edit" };

    /// <summary>Demands that a text is a condition on a table of a connection's main database.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>; <see cref="ErrorIds.ObjectNotFound"/>: it names a column that is not there.</exception>
    internal static void Check(SqliteConnection connection, string table, string condition, string where)
    {
        if (string.IsNullOrWhiteSpace(condition) || condition.Contains('\0'))
            throw Invalid(condition, where, "it is empty or holds a NUL");
        var from = $"SELECT 1 FROM main.{SqlText.Quote(table)} WHERE ";
        raw.sqlite3_set_authorizer(connection.Handle, Authorize, null);
        try
        {
            // alone, a closing bracket that belongs to nothing does not fit; in brackets, another clause does not
            Prepare(connection, from + condition + "\n", condition, where);
            Prepare(connection, $"{from}({condition}\n)", condition, where);
        }
        finally
        {
            raw.sqlite3_set_authorizer(connection.Handle, (delegate_authorizer)null!, null);
        }
    }

    private static void Prepare(SqliteConnection connection, string sql, string condition, string where)
    {
        var code = raw.sqlite3_prepare_v2(connection.Handle, sql, out var statement, out var tail);
        using (statement)
        {
            if (code == raw.SQLITE_AUTH)
                throw Invalid(condition, where, "it would do more than read tables and call functions");
            var message = code == raw.SQLITE_OK ? null : raw.sqlite3_errmsg(connection.Handle).utf8_to_string();
            if (message is not null && message.StartsWith("no such ", StringComparison.Ordinal))
                throw new DbRecoveryException(ErrorIds.ObjectNotFound, ErrorKind.NotFound, $"the condition '{condition}' does not fit {where}: {message}", "Name columns of the table; a text stands in single quotes.", condition);
            if (message is not null)
                throw Invalid(condition, where, message);
            if (!string.IsNullOrWhiteSpace(tail))
                throw Invalid(condition, where, "it is more than one statement");
            if (raw.sqlite3_bind_parameter_count(statement) > 0)
                throw Invalid(condition, where, "it has parameters, and nobody gives them values");
        }
    }

    private static int Authorize(object data, int action, utf8z first, utf8z second, utf8z database, utf8z trigger) => action switch
    {
        Read or Select or Recursive => raw.SQLITE_OK,
        Function when !DeniedFunctions.Contains(second.utf8_to_string() ?? "") => raw.SQLITE_OK,
        _ => raw.SQLITE_DENY,
    };

    private static DbRecoveryException Invalid(string condition, string where, string why) =>
        new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{condition}' is no condition for {where}: {why}", "Write one expression, as after WHERE, such as: id IN (1, 2)", condition);
}

using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>The databases of a server.</summary>
internal static class Databases
{
    /// <summary>Those that take connections and that the role may connect to; templates are not looked at.</summary>
    internal static Task<List<string>> ReadAsync(NpgsqlConnection connection, bool prepared, CancellationToken cancellationToken) => connection.RowsAsync(
        "select datname from pg_database where datallowconn and not datistemplate and has_database_privilege(oid, 'connect') order by datname",
        r => r.GetString(0), prepared, cancellationToken);
}

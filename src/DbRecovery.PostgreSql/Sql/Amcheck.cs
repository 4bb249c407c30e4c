using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>A table or index that can be checked.</summary>
/// <param name="Oid">Its object id.</param>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
internal sealed record CheckedObject(uint Oid, string Schema, string Name);

/// <summary>The extension amcheck of one database: whether it is there, what the role may use of it, and what it finds.</summary>
internal sealed class Amcheck
{
    /// <summary>The most messages kept of one table.</summary>
    private const int MostMessages = 5;

    private readonly string _schema;

    private Amcheck(string schema, bool indexes, bool tables)
    {
        _schema = schema;
        MayCheckIndexes = indexes;
        MayCheckTables = tables;
    }

    /// <summary>The role may check B-tree indexes.</summary>
    internal bool MayCheckIndexes { get; }

    /// <summary>The role may check tables, which PostgreSQL 14 and later can.</summary>
    internal bool MayCheckTables { get; }

    /// <summary>The extension of the session's database; null where it is not installed there.</summary>
    internal static async Task<Amcheck?> OfAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var rows = await connection.RowsAsync("""
            select n.nspname,
              bool_or(p.proname = 'bt_index_check' and has_function_privilege(p.oid, 'execute')), bool_or(p.proname = 'verify_heapam' and has_function_privilege(p.oid, 'execute')),
              has_schema_privilege(n.oid, 'usage')
            from pg_extension e join pg_namespace n on n.oid = e.extnamespace join pg_proc p on p.pronamespace = n.oid and p.proname in ('bt_index_check', 'verify_heapam')
            where e.extname = 'amcheck' group by n.oid, n.nspname
            """, r => new Amcheck(r.GetString(0), r.GetBoolean(1) && r.GetBoolean(3), r.GetBoolean(2) && r.GetBoolean(3)), cancellationToken).ConfigureAwait(false);
        return rows.FirstOrDefault();
    }

    /// <summary>The B-tree indexes, the small ones first.</summary>
    internal Task<List<CheckedObject>> IndexesAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => ObjectsAsync(connection, """
        from pg_index x join pg_class c on c.oid = x.indexrelid join pg_am m on m.oid = c.relam
        where x.indisvalid and x.indisready and c.relkind = 'i' and m.amname = 'btree'
        """, cancellationToken);

    /// <summary>The tables, the small ones first.</summary>
    internal Task<List<CheckedObject>> TablesAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => ObjectsAsync(connection, """
        from pg_class c join pg_am m on m.oid = c.relam where c.relkind in ('r', 'm', 't') and m.amname = 'heap'
        """, cancellationToken);

    /// <summary>Checks an index; gives what is wrong with it, or null.</summary>
    internal async Task<string?> CheckIndexAsync(NpgsqlConnection connection, CheckedObject index, CancellationToken cancellationToken)
    {
        try
        {
            await connection.ScalarAsync($"select {SqlText.Identifier(_schema)}.bt_index_check({index.Oid.ToString(CultureInfo.InvariantCulture)}::regclass)", cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (PostgresException e) when (IsDamage(e))
        {
            return e.MessageText;
        }
        catch (PostgresException e) when (IsGone(e))
        {
            return null;
        }
    }

    /// <summary>Checks a table; gives what is wrong with it.</summary>
    internal async Task<IReadOnlyList<string>> CheckTableAsync(NpgsqlConnection connection, CheckedObject table, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.RowsAsync(
                $"select blkno, offnum, msg from {SqlText.Identifier(_schema)}.verify_heapam({table.Oid.ToString(CultureInfo.InvariantCulture)}::regclass) limit {MostMessages}",
                r => string.Create(CultureInfo.InvariantCulture, $"block {r.Int(0)}{(r.IsDBNull(1) ? "" : $" line {r.GetInt32(1)}")}: {r.GetString(2)}"), cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e) when (IsDamage(e))
        {
            return [e.MessageText];
        }
        catch (PostgresException e) when (IsGone(e))
        {
            return [];
        }
    }

    // XX001 data_corrupted, XX002 index_corrupted, 58030 a read that failed
    private static bool IsDamage(PostgresException e) => e.SqlState is "XX001" or "XX002" or "58030";

    // dropped, or locked by one who is about to, since the list was made
    private static bool IsGone(PostgresException e) => e.SqlState is "42P01" or "42704" or "55P03" or "XX000" && e.MessageText.Contains("could not open relation", StringComparison.Ordinal);

    private static Task<List<CheckedObject>> ObjectsAsync(NpgsqlConnection connection, string from, CancellationToken cancellationToken) => connection.RowsAsync(
        $"select c.oid, (select nspname from pg_namespace n where n.oid = c.relnamespace), c.relname {from} and c.relpersistence <> 't' and (c.relpersistence = 'p' or not pg_is_in_recovery()) order by c.relpages, c.oid",
        r => new CheckedObject(r.GetFieldValue<uint>(0), r.GetString(1), r.GetString(2)), cancellationToken);
}

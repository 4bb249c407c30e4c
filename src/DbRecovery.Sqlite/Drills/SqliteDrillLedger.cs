using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Drills;

/// <summary>A drill's own rows, and the account of every row after a recovery.</summary>
internal sealed class SqliteDrillLedger(TimeProvider time) : IDrillLedger
{
    internal const string TableName = "dbrecovery_drill";
    internal const string IndexName = "dbrecovery_drill_written";
    internal const string IndexSql = $"CREATE INDEX {IndexName} ON {TableName}(written)";

    /// <summary>A transaction that writes every row's page and leaves the rows as they are. SQLite would not write what is equal at once.</summary>
    internal const string WriteAgain = $"BEGIN IMMEDIATE; UPDATE {TableName} SET content = content || '.'; UPDATE {TableName} SET content = substr(content, 1, length(content) - 1); COMMIT";

    private static readonly TimeSpan Busy = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public string Table => TableName;

    /// <inheritdoc/>
    public Task BeginAsync(NodeDefinition node, CancellationToken cancellationToken) => OnAsync(node, "making the drill's table", connection =>
    {
        connection.Run($"DROP TABLE IF EXISTS {TableName}; CREATE TABLE {TableName} (id INTEGER PRIMARY KEY, written TEXT NOT NULL, content TEXT NOT NULL); {IndexSql}");
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<DrillRow>> WriteAsync(NodeDefinition node, long firstId, int rows, CancellationToken cancellationToken) =>
        OnAsync<IReadOnlyList<DrillRow>>(node, "writing the drill's rows", connection =>
        {
            connection.Run("PRAGMA synchronous = FULL");
            var acknowledged = new List<DrillRow>(rows);
            using var insert = connection.CreateCommand();
            insert.CommandText = $"INSERT INTO {TableName} VALUES ($id, $written, $content)";
            insert.Parameters.AddRange([new SqliteParameter("$id", 0L), new SqliteParameter("$written", ""), new SqliteParameter("$content", "")]);
            for (var id = firstId; id < firstId + rows; id++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                insert.Parameters[0].Value = id;
                insert.Parameters[1].Value = time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture);
                insert.Parameters[2].Value = $"row {id} of a drill {Guid.NewGuid():N}{Guid.NewGuid():N}{Guid.NewGuid():N}";
                insert.ExecuteNonQuery();
                // outside the database: what it says of itself later proves nothing
                acknowledged.Add(new DrillRow(id, time.GetUtcNow()));
            }
            return acknowledged;
        }, cancellationToken);

    /// <inheritdoc/>
    public Task<RowAccount> CompareAsync(NodeDefinition node, string intactCopy, CancellationToken cancellationToken) =>
        OnAsync(node, "comparing rows", connection =>
        {
            using (var attach = connection.CreateCommand())
            {
                attach.CommandText = "ATTACH $path AS intact";
                attach.Parameters.AddWithValue("$path", Path.GetFullPath(intactCopy));
                attach.ExecuteNonQuery();
            }
            var tables = Sql.Words(connection, "SELECT name FROM intact.sqlite_master WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
            long lost = 0, wrong = 0;
            foreach (var table in tables)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (missing, different) = Compare(connection, table);
                (lost, wrong) = (lost + missing, wrong + different);
            }
            return new RowAccount(lost, wrong, Surviving(connection));
        }, cancellationToken);

    private static (long Lost, long Wrong) Compare(SqliteConnection connection, string table)
    {
        var name = SqlText.Quote(table);
        var columns = Columns(connection, "intact", table);
        var present = Columns(connection, "main", table);
        if (present.Count == 0)
            return (Sql.Number(connection, $"SELECT count(*) FROM intact.{name}"), 0);
        if (!columns.Select(c => c.Name).SequenceEqual(present.Select(c => c.Name)))
            return (0, Sql.Number(connection, $"SELECT count(*) FROM intact.{name}"));
        var key = Key(connection, table, columns);
        if (key.Count == 0)
            return (Sql.Number(connection, $"SELECT count(*) FROM (SELECT * FROM intact.{name} EXCEPT SELECT * FROM main.{name})"), 0); // columns hide the rowid, and there is no other key
        var same = string.Join(" AND ", key.Select(k => $"b.{k} = a.{k}"));
        // a lower case in the place of an upper one is another content, whatever the column's collation
        var differs = string.Join(" OR ", columns.Select(c => $"a.{SqlText.Quote(c.Name)} IS NOT b.{SqlText.Quote(c.Name)} COLLATE BINARY"));
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT coalesce(sum(b.{key[0]} IS NULL), 0), coalesce(sum(b.{key[0]} IS NOT NULL AND ({differs})), 0) FROM intact.{name} a LEFT JOIN main.{name} b ON {same}";
        using var reader = command.ExecuteReader();
        return reader.Read() ? (reader.GetInt64(0), reader.GetInt64(1)) : (0, 0);
    }

    private static List<(string Name, long Key)> Columns(SqliteConnection connection, string schema, string table)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT name, pk FROM pragma_table_info($table, $schema)";
        command.Parameters.AddWithValue("$table", table);
        command.Parameters.AddWithValue("$schema", schema);
        using var reader = command.ExecuteReader();
        var columns = new List<(string, long)>();
        while (reader.Read())
            columns.Add((reader.GetString(0), reader.GetInt64(1)));
        return columns;
    }

    // rows are told by their rowid; a table without one has a primary key that is never null
    private static List<string> Key(SqliteConnection connection, string table, List<(string Name, long Key)> columns)
    {
        var free = new[] { "rowid", "_rowid_", "oid" }.FirstOrDefault(n => !columns.Exists(c => string.Equals(c.Name, n, StringComparison.OrdinalIgnoreCase)));
        try
        {
            if (free is not null)
            {
                Sql.Number(connection, $"SELECT {free} FROM intact.{SqlText.Quote(table)} LIMIT 1");
                return [free];
            }
        }
        catch (SqliteException)
        {
            // WITHOUT ROWID
        }
        var key = columns.Where(c => c.Key > 0).OrderBy(c => c.Key).Select(c => SqlText.Quote(c.Name)).ToList();
        return key;
    }

    private static HashSet<long> Surviving(SqliteConnection connection)
    {
        var surviving = new HashSet<long>();
        if (Columns(connection, "main", TableName).Count == 0 || Columns(connection, "intact", TableName).Count == 0)
            return surviving;
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT a.id FROM intact.{TableName} a JOIN main.{TableName} b ON a.id = b.id AND a.content IS b.content";
        using var reader = command.ExecuteReader();
        while (reader.Read())
            surviving.Add(reader.GetInt64(0));
        return surviving;
    }

    private static async Task<T> OnAsync<T>(NodeDefinition node, string during, Func<SqliteConnection, T> work, CancellationToken cancellationToken)
    {
        var path = DatabasePath.Of(node);
        // the drill writes into copies only
        DrillSandbox.Require(path);
        try
        {
            return await Task.Run(() =>
            {
                using var connection = SqliteConnections.OpenReadWrite(path, Busy);
                return work(connection);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, during);
        }
    }
}

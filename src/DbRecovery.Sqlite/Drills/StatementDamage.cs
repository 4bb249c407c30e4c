using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Drills;

/// <summary>Damage that is done through SQLite.</summary>
internal static class StatementDamage
{
    private const int MostCommits = 100_000;
    private static readonly TimeSpan Busy = TimeSpan.FromSeconds(10);

    /// <summary>Makes an index disagree with its table: it is built while it is declared as a partial one.</summary>
    internal static string LoseIndexEntries(string path)
    {
        Declare(path, SqliteDrillLedger.IndexSql + " WHERE id > 5");
        using (var connection = SqliteConnections.OpenReadWrite(path, Busy))
            connection.Run($"REINDEX {SqliteDrillLedger.IndexName}");
        Declare(path, SqliteDrillLedger.IndexSql);
        return $"the index {SqliteDrillLedger.IndexName} lacks the entries of five rows";
    }

    /// <summary>Drops a declared table.</summary>
    internal static string DropTable(string path, ClusterDefinition cluster, int seed)
    {
        using var connection = SqliteConnections.OpenReadWrite(path, Busy);
        var there = Sql.Words(connection, "SELECT name FROM sqlite_master WHERE type = 'table'");
        var declared = cluster.Expects.Tables.Keys.Where(t => there.Contains(t, StringComparer.OrdinalIgnoreCase)).Order(StringComparer.Ordinal).ToList();
        if (declared.Count == 0)
            throw PageDamage.Impossible(path, "none of the tables that the inventory declares is in the database");
        var table = declared[seed % declared.Count];
        var rows = Sql.Number(connection, $"SELECT count(*) FROM {SqlText.Quote(table)}");
        connection.Run($"PRAGMA foreign_keys = OFF; DROP TABLE {SqlText.Quote(table)}");
        return string.Create(CultureInfo.InvariantCulture, $"the table {table} with {Counted.Of(rows, "row")} was dropped");
    }

    /// <summary>Commits into the WAL until the disk is full. No row changes: each commit writes what is there once more.</summary>
    internal static IInflictedDamage FillDisk(string path, CancellationToken cancellationToken)
    {
        var connection = SqliteConnections.OpenReadWrite(path, Busy);
        try
        {
            connection.Run("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF");
            // an application that ends would make a checkpoint; this one is left with its disk full
            raw.sqlite3_db_config(connection.Handle, raw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, out _);
            for (var commit = 0; commit < MostCommits; commit++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                connection.Run(SqliteDrillLedger.WriteAgain);
            }
            throw PageDamage.Impossible(path, "the disk could not be filled");
        }
        catch (SqliteException e) when (e.SqliteErrorCode is raw.SQLITE_FULL or raw.SQLITE_IOERR)
        {
            var size = new FileInfo(path + "-wal").Length;
            return new Inflicted(string.Create(CultureInfo.InvariantCulture, $"a WAL of {size} bytes fills the disk"), connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Declare(string path, string index)
    {
        using var connection = SqliteConnections.OpenReadWrite(path, Busy);
        connection.Run($"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = '{index}' WHERE name = '{SqliteDrillLedger.IndexName}'; PRAGMA writable_schema = RESET");
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Drills;

/// <summary>
/// What a writer leaves that dies in the middle: the files are copied while its transaction is under way, and put back after it has
/// ended as if it had never got there.
/// </summary>
internal static class CutOffTransaction
{
    private const string Kept = ".cut-off";

    internal static string Leave(string path)
    {
        string journal;
        using (var connection = SqliteConnections.OpenReadWrite(path, TimeSpan.FromSeconds(10)))
        {
            journal = Sql.IsWal(connection) ? CommitWithoutCheckpoint(connection) : WriteHalf(connection);
            foreach (var suffix in new[] { "", journal })
                File.Copy(path + suffix, path + suffix + Kept, overwrite: true);
        }
        foreach (var suffix in new[] { "-shm", "-wal", "-journal" })
            File.Delete(path + suffix);
        foreach (var suffix in new[] { "", journal })
            File.Move(path + suffix + Kept, path + suffix, overwrite: true);
        return string.Create(CultureInfo.InvariantCulture, $"a writer died and left a {journal[1..]} of {new FileInfo(path + journal).Length} bytes");
    }

    // the cache holds so little that pages reach the file before the commit, and the journal has what they were
    private static string WriteHalf(SqliteConnection connection)
    {
        connection.Run($"""
            PRAGMA journal_mode = DELETE; PRAGMA cache_size = 10; PRAGMA synchronous = FULL;
            BEGIN IMMEDIATE;
            UPDATE {SqliteDrillLedger.TableName} SET content = 'never committed ' || content;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
            INSERT INTO {SqliteDrillLedger.TableName} (written, content) SELECT 'never', hex(zeroblob(1000)) FROM n;
            """);
        return "-journal";
    }

    private static string CommitWithoutCheckpoint(SqliteConnection connection)
    {
        connection.Run("PRAGMA wal_autocheckpoint = 0");
        connection.Run(SqliteDrillLedger.WriteAgain);
        return "-wal";
    }
}

using System.Security.Cryptography;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests;

/// <summary>A folder for one test, removed with all that is in it.</summary>
internal sealed class Sandbox : IDisposable
{
    public Sandbox() => SqliteLibrary.EnsureLoaded();

    public string Folder { get; } = Directory.CreateTempSubdirectory("dbrecovery-sqlite-").FullName;

    public string File(string name) => Path.Combine(Folder, name);

    public static NodeDefinition Node(string path) => new() { Name = "app-db", Path = path };

    public static ClusterDefinition Cluster(string path) => new() { Name = "app", Engine = "sqlite", Nodes = [Node(path)] };

    /// <summary>Makes a database with a table <c>t(id, v)</c>; its rows carry the label.</summary>
    public string Create(string name, string label, string journalMode = "delete", int rows = 100, int pageSize = 4096)
    {
        var path = File(name);
        Execute(path, $"PRAGMA page_size={pageSize}; PRAGMA journal_mode={journalMode}; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX t_v ON t(v);" +
            $"WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<{rows}) INSERT INTO t SELECT i, '{label} ' || i || hex(zeroblob(20)) FROM n;", create: true);
        return path;
    }

    public static object? Execute(string path, string sql, bool create = false)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, Mode = create ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    /// <summary>Every file of the folder with a hash of its content.</summary>
    public IReadOnlyDictionary<string, string> Snapshot() =>
        Directory.GetFiles(Folder, "*", SearchOption.AllDirectories).ToDictionary(f => Path.GetRelativePath(Folder, f), f => Convert.ToHexString(SHA256.HashData(System.IO.File.ReadAllBytes(f))));

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

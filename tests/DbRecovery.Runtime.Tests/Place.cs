using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Runtime.Tests;

/// <summary>A folder of its own with an inventory and a small database.</summary>
internal sealed class Place : IDisposable
{
    public Place(string? inventory = null)
    {
        if (inventory != "")
            File.WriteAllText(At("dbrecovery.yml"), inventory ?? Inventory("shop"));
        _ = Make(); // maps SQLite to the system's library
        using var connection = new SqliteConnection($"Data Source={Database};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO customers SELECT i, 'customer number ' || i FROM n;";
        command.ExecuteNonQuery();
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("dbrecovery-rt-").FullName;
    public string Database => At("shop.db");
    public MovedTime Clock { get; } = new();

    public string At(string name) => Path.Combine(Folder, name);

    public static string Inventory(params string[] clusters) => $$"""
        clusters:
        {{string.Join('\n', clusters.Select(c => $"  {c}: {{ engine: sqlite, nodes: [ {{ name: {c}-db, path: shop.db }} ], backups: {{ repository: main }} }}"))}}
        repositories:
          main: { path: repository }
        state: state
        """;

    public RecoveryRuntime Make(Func<RuntimeOptions, RuntimeOptions>? with = null)
    {
        var options = new RuntimeOptions { WorkingFolder = Folder, Clock = Clock };
        return new RecoveryRuntime(with is null ? options : with(options));
    }

    /// <summary>Destroys the header.</summary>
    public void Damage()
    {
        using var file = File.OpenWrite(Database);
        file.Write(new byte[100]);
    }

    public async Task ProvedBackupAsync(RecoveryRuntime runtime)
    {
        var cluster = runtime.GetCluster("shop");
        var backup = await runtime.NewBackupAsync(cluster, null, BackupKind.Full, portable: false, null, default);
        Assert.True((await runtime.TestBackupAsync(backup, null, default)).Passed);
    }

    public async Task<Fault> FaultAsync(RecoveryRuntime runtime) =>
        (await runtime.TestHealthAsync(runtime.GetCluster("shop"), ObservationLevel.Standard, null, default)).Faults[0];

    public IReadOnlyList<string> Tree() => [.. Directory.GetFileSystemEntries(Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        .Select(p => File.Exists(p) ? $"{p} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(p)))}" : p)];

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

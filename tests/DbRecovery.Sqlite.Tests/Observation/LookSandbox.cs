using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests.Observation;

/// <summary>A folder with a database that is observed and inspected.</summary>
internal sealed class LookSandbox : IDisposable
{
    private readonly Sandbox _box = new();

    public LookSandbox(string name = "app.db") => Database = _box.File(name);

    public string Folder => _box.Folder;
    public string Database { get; }

    public SqliteConnection Open()
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false }.ToString());
        connection.Open();
        return connection;
    }

    public void Create(string journal = "delete", int rows = 2000)
    {
        using var connection = Open();
        Run(connection, $"""
            PRAGMA journal_mode = {journal};
            CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
            CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;
            CREATE INDEX people_by_name ON people(name);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO people SELECT i, 'somebody whose name is long enough ' || i FROM n;
            INSERT INTO pairs SELECT id, id + 1 FROM people;
            """);
    }

    public static void Run(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public Task<NodeObservation> Observe(ObservationLevel level = ObservationLevel.Standard, IBackupContent? backup = null, string? path = null, CancellationToken token = default,
        TimeSpan? timeout = null, IProgress<OperationProgress>? progress = null, TimeProvider? time = null)
    {
        var node = new NodeDefinition { Name = "db", Path = path ?? Database };
        Assert.True(new SqliteProvider(time ?? TimeProvider.System).TryGet<INodeObserver>(out var observer));
        return observer.ObserveAsync(new ObservationRequest
        {
            Node = node,
            Cluster = new ClusterDefinition
            {
                Name = "c",
                Engine = "sqlite",
                Nodes = [node],
                Expects = new ExpectationSettings { Tables = new Dictionary<string, TableExpectation> { ["people"] = new(10) } },
            },
            Level = level,
            LastBackup = backup,
            Timeout = timeout ?? Wait.Limit,
        }, progress, token);
    }

    public void Overwrite(long offset, byte[] bytes)
    {
        using var file = new FileStream(Database, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        file.Write(bytes);
    }

    /// <summary>Every file with the hash of its content.</summary>
    public IReadOnlyDictionary<string, string> Tree() => _box.Snapshot();

    public void Dispose() => _box.Dispose();
}

using System.Diagnostics;
using DbRecovery.Sqlite.Rows;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests;

/// <summary>A database, a backup of it, and what is restored of one into the other.</summary>
internal sealed class RowsSandbox : IDisposable
{
    private readonly Sandbox _sandbox = new();
    private byte[] _backup = [];
    private int _scripts;

    public RowsSandbox(string sql, string before = "")
    {
        Database = _sandbox.File("app.db");
        Sandbox.Execute(Database, before + sql, create: true);
        Backup();
    }

    public string Database { get; }

    public string File(string name) => _sandbox.File(name);

    public void Backup() => _backup = System.IO.File.ReadAllBytes(Database);

    public object? Sql(string sql) => Sandbox.Execute(Database, sql);

    /// <summary>The last result's script.</summary>
    public string Script => _sandbox.File($"undo-{_scripts}.sql");

    public (RowRestoreResult Result, List<RowDifference> Differences) Restore(string table = "t", string? where = null, string[][]? keys = null, RowRestoreOptions? options = null, CancellationToken cancellationToken = default)
    {
        var found = new List<RowDifference>();
        options ??= new();
        if (options.Apply.Count > 0 && options.UndoScript is null)
        {
            _scripts++;
            options = options with { UndoScript = Script };
        }
        var order = new RowRestoreOrder
        {
            Backup = new BackupOf(_backup.Length, new BackupEntry { Path = "database" }, _backup),
            Node = Sandbox.Node(Database),
            Selection = new RowSelection { Table = table, Where = where, Keys = keys },
            Options = options,
        };
        var result = new SqliteRowRestore().RestoreRowsAsync(order, found.Add, null, cancellationToken).GetAwaiter().GetResult();
        return (result, found);
    }

    public static RowRestoreOptions Apply(params RowDifferenceKind[] kinds) => new() { Apply = kinds, Force = true };

    public static RowRestoreOptions Everything { get; } = Apply(RowDifferenceKind.Missing, RowDifferenceKind.Changed, RowDifferenceKind.Added);

    /// <summary>The rows of a table with their types, as text in an order of their own.</summary>
    public IReadOnlyList<string> Rows(string table, byte[]? of = null)
    {
        var path = Database;
        if (of is not null)
            System.IO.File.WriteAllBytes(path = _sandbox.File("other.db"), of);
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        connection.Open();
        var columns = new List<string>();
        using (var info = new Statement(connection, $"SELECT name FROM pragma_table_xinfo({Literal(table)})"))
            while (info.Step())
                columns.Add((string)info.Value(0).ToObject()!);
        var rows = new List<string>();
        using var statement = new Statement(connection, $"SELECT {TableSchema.List(columns)} FROM {Native.SqlText.Quote(table)}");
        while (statement.Step())
            rows.Add(string.Join(" | ", statement.Values(0, columns.Count).Select(v => v.TypeName + ":" + v.ToSql(System.Text.Encoding.UTF8))));
        rows.Sort(StringComparer.Ordinal);
        return rows;
    }

    public IReadOnlyList<string> BackupRows(string table) => Rows(table, _backup);

    /// <summary>Runs a script with the sqlite3 shell and gives its exit code and errors.</summary>
    public (int ExitCode, string Error) Shell(string script)
    {
        using var process = Process.Start(new ProcessStartInfo("sqlite3", [Database]) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.StandardInput.Write(System.IO.File.ReadAllText(script));
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEnd();
        Assert.True(process.WaitForExit(Wait.Limit));
        return (process.ExitCode, error);
    }

    public static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    public void Dispose() => _sandbox.Dispose();
}

/// <summary>A test that needs the sqlite3 shell.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ShellFactAttribute : FactAttribute
{
    public ShellFactAttribute() => Skip = ShellTheoryAttribute.Missing;
}

/// <summary>Tests that need the sqlite3 shell.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ShellTheoryAttribute : TheoryAttribute
{
    public ShellTheoryAttribute() => Skip = Missing;

    internal static string? Missing { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(p => System.IO.File.Exists(Path.Combine(p, "sqlite3"))) ? null : "needs the sqlite3 shell";
}

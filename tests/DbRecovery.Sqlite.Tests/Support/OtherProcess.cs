using System.Diagnostics;
using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests;

/// <summary>A connection to a database in a process of its own, as an application has it: statements in, answers out.</summary>
internal sealed class OtherProcess : IDisposable
{
    private readonly Process _process;

    private bool _disposed;

    private OtherProcess(Process process) => _process = process;

    public static OtherProcess Open(string path)
    {
        var start = new ProcessStartInfo(Host)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in new[] { "exec", typeof(OtherProcess).Assembly.Location, "--sql", path })
            start.ArgumentList.Add(argument);
        var other = new OtherProcess(Process.Start(start)!);
        Assert.Equal("ready", other.ReadLine());
        return other;
    }

    /// <summary>Observes a database from a process that another program starts: the facts as <c>name=value</c>, <c>?</c> where unknown.</summary>
    public static IReadOnlyList<string> Observe(string path, params string[] wrapper)
    {
        var start = new ProcessStartInfo(wrapper[0]) { RedirectStandardOutput = true };
        foreach (var argument in wrapper.Skip(1).Concat([Host, "exec", typeof(OtherProcess).Assembly.Location, "--observe", path]))
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var lines = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line)
            lines.Add(line);
        Assert.True(process.WaitForExit(Wait.Limit));
        Assert.Equal(0, process.ExitCode);
        return lines;
    }

    private static string Host => Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";

    public int Id => _process.Id;

    public bool HasEnded => _disposed || _process.HasExited;

    /// <summary>Runs a statement: the first value, or <c>error CODE</c>.</summary>
    public string Run(string sql)
    {
        _process.StandardInput.WriteLine(sql);
        _process.StandardInput.Flush();
        return ReadLine();
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    private string ReadLine()
    {
        var line = _process.StandardOutput.ReadLineAsync();
        Assert.True(line.Wait(Wait.Limit), "the other process does not answer");
        return line.Result ?? throw new InvalidOperationException("the other process has ended");
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(Wait.Limit))
                _process.Kill();
        }
        _process.Dispose();
    }

    public static int Main(string[] args)
    {
        if (args is ["--observe", var observed])
            return Observe(observed);
        if (args is not ["--sql", var path])
            return 2;
        SqliteLibrary.EnsureLoaded();
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 0 }.ToString());
        connection.Open();
        Console.WriteLine("ready");
        while (Console.ReadLine() is { } sql)
            Console.WriteLine(Answer(connection, sql));
        return 0;
    }

    private static int Observe(string path)
    {
        if (!new SqliteProvider().TryGet<INodeObserver>(out var observer))
            return 3;
        var request = new ObservationRequest { Node = Sandbox.Node(path), Cluster = Sandbox.Cluster(path), Level = ObservationLevel.Standard, Timeout = Wait.Limit };
        foreach (var fact in observer.ObserveAsync(request, null, CancellationToken.None).GetAwaiter().GetResult().Facts)
            Console.WriteLine($"{fact.Name}={(fact.Value is { } value ? value.ToString().ReplaceLineEndings(" ") : "?")}");
        return 0;
    }

    private static string Answer(SqliteConnection connection, string sql)
    {
        // the driver would wait and try again by itself
        var code = SQLitePCL.raw.sqlite3_prepare_v2(connection.Handle, sql, out var statement);
        if (code != SQLitePCL.raw.SQLITE_OK)
            return "error " + SQLitePCL.raw.sqlite3_extended_errcode(connection.Handle).ToString(CultureInfo.InvariantCulture);
        using (statement)
        {
            code = SQLitePCL.raw.sqlite3_step(statement);
            return code switch
            {
                SQLitePCL.raw.SQLITE_ROW => SQLitePCL.raw.sqlite3_column_text(statement, 0).utf8_to_string(),
                SQLitePCL.raw.SQLITE_DONE => "done",
                _ => "error " + SQLitePCL.raw.sqlite3_extended_errcode(connection.Handle).ToString(CultureInfo.InvariantCulture),
            };
        }
    }
}

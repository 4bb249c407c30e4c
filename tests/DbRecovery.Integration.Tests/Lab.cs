using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace DbRecovery.Integration.Tests;

/// <summary>A folder of its own with an inventory, a shop's database and a repository; the executable and the application run as processes.</summary>
internal sealed class Lab : IDisposable
{
    // a whole drill is one run, and a busy machine is ten times slower than an idle one
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);
    private readonly List<Process> _started = [];

    public Lab(int megabytes = 2, string journal = "delete", string folderName = "lab", string extraInventory = "", string repository = "repository", string state = "state")
    {
        Folder = Path.Combine(Path.GetTempPath(), $"dbrecovery-it-{Guid.NewGuid():N}", folderName);
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(Temp);
        Database = Path.Combine(Folder, "shop.db");
        File.WriteAllText(Inventory, $$"""
            clusters:
              shop:
                engine: sqlite
                nodes: [ { name: shop-db, path: shop.db } ]
                expects: { tables: { customers: { minRows: 100 }, orders: {}, items: {} } }
                backups: { repository: main }
            {{extraInventory}}
            repositories:
              main: { path: {{repository}} }
            state: {{state}}
            """);
        if (megabytes > 0)
            Workload("create", Database, "--megabytes", $"{megabytes}", "--journal", journal);
    }

    public string Folder { get; }
    public string Database { get; }
    public string Inventory => Path.Combine(Folder, "dbrecovery.yml");
    public string Acknowledged => Path.Combine(Folder, "acknowledged.txt");
    /// <summary>The temporary folder of the processes.</summary>
    public string Temp => Path.Combine(Path.GetDirectoryName(Folder)!, "tmp");
    public string Repository => Path.Combine(Folder, "repository");
    public string State => Path.Combine(Folder, "state", "shop");

    /// <summary>What every process of this folder finds in its environment.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    public sealed record Run(int ExitCode, string Out, string Err)
    {
        /// <summary>The objects printed, one a line.</summary>
        public IReadOnlyList<JsonElement> Objects => [.. Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
        public JsonElement Object => Objects.Single();
        /// <summary>The id of the first error on the error stream.</summary>
        public string? ErrorId => Err.Split('\n').FirstOrDefault(l => l.StartsWith("error ", StringComparison.Ordinal))?.Split(' ', ':')[1];
        public override string ToString() => $"exit code {ExitCode}\n{Out}\n{Err}";
    }

    /// <summary>Runs the executable and demands an exit code.</summary>
    public Run DbRecovery(int expected, params string[] arguments)
    {
        var run = Try(arguments);
        Assert.True(run.ExitCode == expected, $"dbrecovery {string.Join(' ', arguments)}: {run}");
        return run;
    }

    /// <summary>Runs the executable, whatever comes of it.</summary>
    public Run Try(params string[] arguments) => Execute(Executable(arguments));

    /// <summary>Runs the executable with an environment of its own.</summary>
    public Run DbRecovery(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        Execute(Executable(arguments, hooked: environment.ContainsKey("DOTNET_STARTUP_HOOKS")), environment);

    /// <summary>Runs the executable as a user who owns nothing.</summary>
    public Run AsNobody(params string[] arguments) =>
        Execute(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", .. Executable(arguments)],
            new Dictionary<string, string> { ["HOME"] = Folder, ["DOTNET_CLI_HOME"] = Folder });

    /// <summary>Runs the executable, sends it a signal when a condition holds, and gives its end and the time from signal to end.</summary>
    public (Run Run, TimeSpan ToEnd) Signalled(string signal, Func<TimeSpan, bool> when, params string[] arguments)
    {
        var process = StartDbRecovery(arguments);
        process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        var clock = Stopwatch.StartNew();
        while (!process.HasExited && !when(clock.Elapsed))
        {
            Assert.True(clock.Elapsed < Limit, $"{string.Join(' ', arguments)} never came to the moment of the signal");
            Thread.Sleep(1);
        }
        clock.Restart();
        if (!process.HasExited && signal == "KILL")
            process.Kill();
        else if (!process.HasExited)
            Send(signal, process.Id);
        Assert.True(process.WaitForExit(Limit), $"{string.Join(' ', arguments)} did not end after {signal}");
        var took = clock.Elapsed;
        return (new Run(process.ExitCode, output.Result.Trim(), error.Result.Trim()), took);
    }

    private static void Send(string signal, int process)
    {
        using var kill = Process.Start("kill", ["-s", signal, $"{process}"]);
        kill.WaitForExit();
    }

    public string Workload(params string[] arguments)
    {
        var run = Execute(["dotnet", "exec", Program("workload"), .. arguments]);
        Assert.True(run.ExitCode == 0, $"workload {string.Join(' ', arguments)}: {run}");
        return run.Out;
    }

    /// <summary>Starts the application; it writes until <see cref="Stop"/>.</summary>
    public Process StartWriter() => Start(["dotnet", "exec", Program("workload"), "write", Database, "--ack", Acknowledged, "--pause", "2"]);

    /// <summary>Starts the executable without waiting for it.</summary>
    public Process StartDbRecovery(params string[] arguments) => Start(Executable(arguments));

    public static void Stop(Process writer)
    {
        writer.StandardInput.Close();
        Assert.True(writer.WaitForExit(Limit), "the application did not stop");
    }

    public IReadOnlyList<string> AcknowledgedIds()
    {
        if (!File.Exists(Acknowledged))
            return [];
        using var reader = new StreamReader(new FileStream(Acknowledged, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Takes and proves a backup.</summary>
    public string ProvedBackup()
    {
        var backup = DbRecovery(0, "backup", "new", "shop").Object.GetProperty("id").GetString()!;
        Assert.True(DbRecovery(0, "backup", "test", "shop", backup).Object.GetProperty("passed").GetBoolean());
        return backup;
    }

    /// <summary>
    /// What a process that was interrupted could have left: staging and scratch folders, temporary objects, sessions. A kill leaves the
    /// last two in the repository: they cost nothing to readers, and a later backup removes them when they are old enough to be nobody's.
    /// </summary>
    public IReadOnlyList<string> Leftovers(bool killed = false) =>
    [
        .. Directory.GetFileSystemEntries(Folder, ".*").Where(e => Path.GetFileName(e) != ".dbrecovery-kept"),
        .. Directory.GetFileSystemEntries(Temp, "dbrecovery*"),
        .. (killed ? [] : new[] { "tmp", "sessions" }).Select(f => Path.Combine(Repository, f)).Where(Directory.Exists).SelectMany(f => Directory.GetFiles(f, "*", SearchOption.AllDirectories)),
    ];

    /// <summary>Runs SQL in the tool that everybody has, and gives what it printed.</summary>
    public static string Sqlite(string database, string input)
    {
        using var process = Process.Start(new ProcessStartInfo("sqlite3", ["-bail", "-cmd", ".timeout 60000", database]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        Assert.True(process.WaitForExit(Limit) && process.ExitCode == 0, error.Result);
        return output.Result.Trim();
    }

    /// <summary>Makes this folder the same as another lab's, which has no process running.</summary>
    public void CopyFrom(Lab other)
    {
        Folders.Copy(other.Folder, Folder);
        foreach (var (name, value) in other.Variables)
            Variables[name] = value;
    }

    /// <summary>Moves the database into another folder, says so in the inventory, and gives its path.</summary>
    public string MoveDatabaseTo(string folder)
    {
        var there = Path.Combine(folder, Path.GetFileName(Database));
        File.WriteAllText(Inventory, File.ReadAllText(Inventory).Replace("path: shop.db", $"path: {there}", StringComparison.Ordinal));
        File.Move(Database, there);
        return there;
    }

    public static void Until(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Wait.Limit, $"waited in vain for {what}");
            Thread.Sleep(5);
        }
    }

    /// <summary>A program of the tests, or the executable with its IL.</summary>
    public static string Program(string name) => Path.Combine(AppContext.BaseDirectory, name + ".dll");

    /// <summary>The command of the executable: the native one where the run of all tests names it. A startup hook needs the IL.</summary>
    internal static string[] Executable(IEnumerable<string> arguments, bool hooked = false) =>
        !hooked && Environment.GetEnvironmentVariable("DBRECOVERY_PROGRAM") is { Length: > 0 } native
            ? [native, .. arguments]
            : ["dotnet", "exec", Program("dbrecovery"), .. arguments];

    private Process Start(string[] command, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = Folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("DBRECOVERY_INVENTORY");
        start.Environment.Remove("DBRECOVERY_STATE");
        start.Environment["TMPDIR"] = Temp;
        foreach (var (name, value) in Variables.Concat(environment ?? new Dictionary<string, string>()))
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        _started.Add(process);
        return process;
    }

    private Run Execute(string[] command, IReadOnlyDictionary<string, string>? environment = null)
    {
        var process = Start(command, environment);
        process.StandardInput.Close();
        var (output, error) = (new StringBuilder(), new StringBuilder());
        process.OutputDataReceived += (_, e) => output.AppendLine(e.Data);
        process.ErrorDataReceived += (_, e) => error.AppendLine(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{string.Join(' ', command)} did not end: {output}{error}");
        }
        process.WaitForExit();
        return new Run(process.ExitCode, output.ToString().Trim(), error.ToString().Trim());
    }

    public void Dispose()
    {
        foreach (var process in _started)
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                // what still runs may write into the folder that is taken away
                process.WaitForExit(Limit);
            }
            process.Dispose();
        }
        Directory.Delete(Path.GetDirectoryName(Folder)!, recursive: true);
    }
}

using DbRecovery.Build;
using DbRecovery.Build.Tasks;

// The build program: every task of the project in one place, so that a developer, CI and build.ps1 do the same.
var tasks = new Dictionary<string, (string Help, Func<Workspace, string[], int> Run)>(StringComparer.OrdinalIgnoreCase)
{
    ["build"] = ("build everything; the module goes to bin/, the executable to bin/cli/dbrecovery", BuildTask.Run),
    ["demo"] = ("the main job on real input: a live SQLite database is damaged and recovered", DemoTask.Run),
    ["test"] = ("every test; installs what is missing when it is root on Debian; 'test --critical 20': the critical situations of real clusters, that many times", TestTask.Run),
    ["bench"] = ("the benchmarks, side by side with their peers; 'bench quick' for small sizes", BenchTask.Run),
    ["package"] = ("out/DbRecovery.zip, the module for a gallery or Azure Automation; out/dbrecovery-<platform>/, the executable that needs no runtime", PackageTask.Run),
};

if (args.Length == 0 || !tasks.TryGetValue(args[0], out var task))
{
    Console.Error.WriteLine(args.Length == 0 ? "Which task?" : $"There is no task '{args[0]}'.");
    foreach (var (name, (help, _)) in tasks)
        Console.Error.WriteLine($"  dotnet run --project build -- {name,-8} {help}");
    return 2;
}

try
{
    return task.Run(Workspace.Find(), args[1..]);
}
catch (BuildException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

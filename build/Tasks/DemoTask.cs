using System.Diagnostics;

namespace DbRecovery.Build.Tasks;

/// <summary>
/// The main job on real input: a database of about 50 MB, in use by another process, is backed up, drilled, damaged on disk,
/// diagnosed, recovered and verified, all by the executable as a user would call it.
/// </summary>
internal static class DemoTask
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public static int Run(Workspace workspace, string[] arguments)
    {
        SystemPackages.Ensure(SystemPackages.Sqlite, SystemPackages.Zstd);
        BuildTask.Run(workspace, []);
        var workload = WorkloadProgram.Build(workspace);

        var folder = Path.Combine(workspace.Artifacts, "demo");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        var database = Path.Combine(folder, "shop.db");
        File.WriteAllText(Path.Combine(folder, "dbrecovery.yml"), """
            clusters:
              shop:
                engine: sqlite
                nodes: [ { name: shop-db, path: shop.db } ]
                expects: { tables: { customers: { minRows: 1000 }, orders: { minRows: 1000 }, items: {} } }
                backups: { repository: main, maxAge: 1d }
            repositories:
              main: { path: repository }
            state: state
            """);

        Say("A shop's database of about 50 MB, and an application that places orders in it");
        Shell.Run(workload, ["create", database, "--megabytes", "50"], folder, Limit);
        using var application = Start(workload, ["write", database, "--ack", "acknowledged.txt"], folder);
        var acknowledged = Path.Combine(folder, "acknowledged.txt");
        try
        {
            Wait(() => Lines(acknowledged) >= 50, "the application's first orders");

            Say("A full backup, taken while the application writes");
            DbRecovery(workspace, folder, 0, "backup", "new", "shop");
            More(acknowledged, "orders after the full backup");

            Say("An increment: the pages that changed, kept as a backup that needs no other; and its proof, a restore of it");
            DbRecovery(workspace, folder, 0, "backup", "new", "shop", "--kind", "incremental");
            DbRecovery(workspace, folder, 0, "backup", "test", "shop");
            More(acknowledged, "orders after the increment");

            Say("A drill: a copy is damaged in three ways and recovered. The original is only read, and the application goes on");
            DbRecovery(workspace, folder, 0, "drill", "shop", "--damage", "header,index-entries,missing-file");

            Say("The disk damages eight pages, while the application goes on");
            Shell.Run(workload, ["damage", database, "data", "--pages", "8"], folder, Limit);

            Say("What is wrong, and how it is known");
            DbRecovery(workspace, folder, 1, "faults", "shop");

            Say("What would be done: the plan, which changes nothing");
            DbRecovery(workspace, folder, 1, "recover", "shop", "--plan");

            Say("The recovery. Changes since the backup can be lost, so it must be told to accept that; orders that the damaged file still shows come along");
            DbRecovery(workspace, folder, 0, "recover", "shop", "--yes", "--allow-data-loss", "any");
            var recovered = Lines(acknowledged);
            Wait(() => Lines(acknowledged) > recovered, "the application's first order after the recovery");
        }
        finally
        {
            application.StandardInput.Close();
            if (!application.WaitForExit(TimeSpan.FromSeconds(30)))
                application.Kill(entireProcessTree: true);
        }

        Say("Afterwards: healthy, and every acknowledged order accounted for by the application's own record");
        DbRecovery(workspace, folder, 0, "health", "shop");
        Shell.Run(workload, ["account", database, acknowledged], folder, Limit);

        Say("Somebody forgets half of a condition. The rows alone come back from the backup, with a script that undoes it");
        Shell.Run(workload, ["mistake", database], folder, Limit);
        DbRecovery(workspace, folder, 0, "backup", "restore", "shop", "--table", "customers", "--where", "id between 101 and 103", "--apply", "changed", "--undo", "undo.sql", "--yes");

        Say("The repository, read and checked");
        DbRecovery(workspace, folder, 0, "repository", "test", "main");

        Say("The record");
        DbRecovery(workspace, folder, 0, "incident", "show", "latest", "--cluster", "shop");

        Say("The report for people: one page, to be opened in a browser");
        DbRecovery(workspace, folder, 0, "report", "shop", "--to", "report.html", "--force");
        Console.WriteLine();
        Console.WriteLine($"The report is {Path.Combine(folder, "report.html")}");
        Console.WriteLine($"Look around in {Path.GetRelativePath(Environment.CurrentDirectory, folder)}: the database, the repository, the journal, the evidence.");
        return 0;
    }

    private static void DbRecovery(Workspace workspace, string folder, int expected, params string[] arguments)
    {
        Console.WriteLine($"> dbrecovery {string.Join(' ', arguments)}");
        var run = Shell.Execute(workspace.CliExecutable, [.. arguments, "--output", "table"], folder, Limit, echo: true);
        if (run.ExitCode != expected)
            throw new BuildException($"dbrecovery {arguments[0]} ended with exit code {run.ExitCode}; {expected} was expected.");
    }

    private static Process Start(string program, IEnumerable<string> arguments, string folder)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        var process = Process.Start(start) ?? throw new BuildException($"{program} cannot be started.");
        process.OutputDataReceived += (_, e) =>
        {
            if (e.Data is not null)
                Console.WriteLine($"  [application] {e.Data}");
        };
        process.BeginOutputReadLine();
        return process;
    }

    private static int Lines(string file)
    {
        if (!File.Exists(file))
            return 0;
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var lines = 0;
        while (reader.ReadLine() is not null)
            lines++;
        return lines;
    }

    private static void More(string acknowledged, string what)
    {
        var before = Lines(acknowledged);
        Wait(() => Lines(acknowledged) >= before + 50, what);
    }

    private static void Wait(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > TimeSpan.FromSeconds(60))
                throw new BuildException($"Waited 60 s in vain for {what}.");
            Thread.Sleep(20);
        }
    }

    private static void Say(string text)
    {
        Console.WriteLine();
        Console.WriteLine($"== {text}");
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Xml.Linq;

namespace DbRecovery.Build.Tasks;

/// <summary>
/// Runs every test. Its last line counts them over all runners. With <c>--critical N</c> it runs the tests of the critical situations (those of the
/// kind <c>critical</c>) N times: what fails once in many times has to fail here.
/// </summary>
internal static class TestTask
{
    private const string Critical = "--critical";
    // for what hangs: no machine that is only busy comes to it
    private static readonly TimeSpan Limit = TimeSpan.FromHours(1);

    private sealed record Counts(string Runner, int Passed, int Failed, int Skipped, IReadOnlyList<string> Failures, IReadOnlyList<string> Skips);

    public static int Run(Workspace workspace, string[] arguments)
    {
        if (arguments.Length == 0)
            return All(workspace);
        if (arguments is [Critical, var number] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) && rounds > 0)
            return Rounds(workspace, rounds);
        throw new BuildException($"'test' takes nothing, or {Critical} and a number of rounds.");
    }

    private static string Prepare(Workspace workspace)
    {
        SystemPackages.Ensure([SystemPackages.Sqlite, SystemPackages.Zstd, SystemPackages.Chromium, SystemPackages.Jq, .. SystemPackages.PostgreSql]);
        BuildTask.Run(workspace, []);
        BuildTask.Native(workspace);
        WorkloadProgram.Build(workspace);
        WorkloadProgram.BuildLab(workspace);
        var results = Path.Combine(workspace.Artifacts, "tests");
        if (Directory.Exists(results))
            Directory.Delete(results, recursive: true);
        Directory.CreateDirectory(results);
        Shell.Run("dotnet", ["build", Path.Combine(workspace.Root, "DbRecovery.sln"), "-c", "Release", "-v", "quiet"], workspace.Root, Limit);
        return results;
    }

    /// <summary>Each round runs to its end, whatever failed before; a failed one is told with what failed.</summary>
    private static int Rounds(Workspace workspace, int rounds)
    {
        var results = Prepare(workspace);
        var project = Path.Combine(workspace.Root, "tests", "DbRecovery.Integration.Tests", "DbRecovery.Integration.Tests.csproj");
        var (passed, failed, skipped, bad) = (0, 0, 0, 0);
        for (var round = 1; round <= rounds; round++)
        {
            var count = Round(workspace, project, results, round);
            (passed, failed, skipped, bad) = (passed + count.Passed, failed + count.Failed, skipped + count.Skipped, bad + (count.Failed > 0 ? 1 : 0));
            Console.WriteLine($"round {round} of {rounds}: {count.Passed} passed, {count.Failed} failed, {count.Skipped} skipped.");
            foreach (var failure in count.Failures)
                Console.WriteLine($"FAILED in round {round}: {failure}");
        }
        Console.WriteLine($"{bad} of {rounds} rounds failed: {passed} passed, {failed} failed, {skipped} skipped");
        return failed == 0 ? 0 : 1;
    }

    private static Counts Round(Workspace workspace, string project, string results, int round)
    {
        try
        {
            return Xunit(workspace, project, results, round);
        }
        catch (BuildException e)
        {
            // it hung, or the test host died: the next round may tell more
            return new Counts(Critical, 0, 1, 0, [e.Message], []);
        }
    }

    private static int All(Workspace workspace)
    {
        var results = Prepare(workspace);
        var projects = Directory.GetFiles(Path.Combine(workspace.Root, "tests"), "*.Tests.csproj", SearchOption.AllDirectories).Order().ToArray();
        var jobs = projects.Select(p => (Func<Counts>)(() => Xunit(workspace, p, results))).ToList();
        jobs.Add(() => Pester(workspace, results));

        var counts = new ConcurrentBag<Counts>();
        var errors = new ConcurrentBag<string>();
        Parallel.ForEach(jobs, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(2, Environment.ProcessorCount) }, job =>
        {
            try
            {
                var count = job();
                counts.Add(count);
                Console.WriteLine($"{count.Runner}: {count.Passed} passed, {count.Failed} failed, {count.Skipped} skipped.");
            }
            catch (BuildException e)
            {
                errors.Add(e.Message);
            }
        });

        foreach (var skip in counts.SelectMany(c => c.Skips).Order())
            Console.WriteLine($"skipped: {skip}");
        foreach (var failure in counts.SelectMany(c => c.Failures))
            Console.WriteLine($"FAILED: {failure}");
        foreach (var error in errors)
            Console.WriteLine($"ERROR: {error}");
        var failed = counts.Sum(c => c.Failed) + errors.Count;
        Console.WriteLine($"{counts.Sum(c => c.Passed)} passed, {failed} failed, {counts.Sum(c => c.Skipped)} skipped");
        return failed == 0 ? 0 : 1;
    }

    private static Counts Xunit(Workspace workspace, string project, string results, int? round = null)
    {
        var name = Path.GetFileNameWithoutExtension(project);
        var trx = Path.Combine(results, $"{name}{round}.trx");
        string[] filter = round is null ? [] : ["--filter", "Kind=critical"];
        var run = Shell.Execute("dotnet",
            ["test", project, "-c", "Release", "--no-build", "--logger", $"trx;LogFileName={trx}", "-v", "quiet", "--blame-hang-timeout", "10m", "--blame-hang-dump-type", "none", .. filter],
            workspace.Root, Limit, new Dictionary<string, string> { ["DBRECOVERY_PROGRAM"] = workspace.NativeExecutable });
        if (!File.Exists(trx))
            throw new BuildException($"{name} gave no results:{Environment.NewLine}{run.Output}");
        var document = XDocument.Load(trx);
        XNamespace ns = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
        var outcomes = document.Descendants(ns + "UnitTestResult").Select(r => (
            Name: (string?)r.Attribute("testName") ?? "?",
            Outcome: (string?)r.Attribute("outcome") ?? "?",
            Message: r.Descendants(ns + "Message").FirstOrDefault()?.Value ?? "",
            Output: r.Descendants(ns + "StdOut").FirstOrDefault()?.Value ?? "",
            Stack: r.Descendants(ns + "StackTrace").FirstOrDefault()?.Value ?? "")).ToList();
        var failures = outcomes.Where(o => o.Outcome is not ("Passed" or "NotExecuted"))
            .Select(o => $"{name}: {o.Name}{Environment.NewLine}{o.Message}{Environment.NewLine}{o.Stack}").ToList();
        // a crash of the test host leaves results behind that look fine
        if (run.ExitCode != 0 && failures.Count == 0)
            failures.Add($"{name}: the test run ended with exit code {run.ExitCode}{Environment.NewLine}{run.Output}");
        if (outcomes.Count == 0 && failures.Count == 0)
            failures.Add($"{name}: no test ran");
        return new Counts(name, outcomes.Count(o => o.Outcome == "Passed"), failures.Count, outcomes.Count(o => o.Outcome == "NotExecuted"), failures,
            [.. outcomes.Where(o => o.Outcome == "NotExecuted").Select(o => $"{name}: {o.Name}: {(o.Output.Length > 0 ? o.Output : o.Message).Trim()}")]);
    }

    /// <summary>The module's tests run in a real PowerShell; where there is none, that is said and counted as one skip.</summary>
    private static Counts Pester(Workspace workspace, string results)
    {
        const string runner = "Module (Pester)";
        var tests = Path.Combine(workspace.Root, "tests", "Module");
        if (Shell.Find("pwsh") is not { } pwsh)
            return new Counts(runner, 0, 0, 1, [], [$"{runner}: the module's tests need PowerShell 7.4 or later: no 'pwsh' is on PATH"]);
        if (Shell.Execute(pwsh, ["-NoProfile", "-NonInteractive", "-Command", "if (Get-Module -ListAvailable Pester | Where-Object { $_.Version -ge [version]'5.0' }) { exit 0 } else { exit 1 }"], workspace.Root, TimeSpan.FromMinutes(1)).ExitCode != 0)
            return new Counts(runner, 0, 0, 1, [], [$"{runner}: the module's tests need Pester 5: Install-Module Pester"]);

        var report = Path.Combine(results, "pester.json");
        var environment = new Dictionary<string, string> { ["NO_COLOR"] = "1", ["LANG"] = "en_US.UTF-8" };
        var run = Shell.Execute(pwsh, ["-NoProfile", "-NonInteractive", "-File", Path.Combine(tests, "Run.ps1"), "-Report", report], workspace.Root, Limit, environment);
        if (!File.Exists(report))
            throw new BuildException($"{runner} gave no results:{Environment.NewLine}{run.Output}");
        using var json = JsonDocument.Parse(File.ReadAllText(report));
        int Count(string key) => json.RootElement.GetProperty(key).GetInt32();
        string[] List(string key) => [.. json.RootElement.GetProperty(key).EnumerateArray().Select(e => string.Create(CultureInfo.InvariantCulture, $"{runner}: {e.GetString()}"))];
        return new Counts(runner, Count("passed"), Count("failed"), Count("skipped"), List("failures"), List("skips"));
    }
}

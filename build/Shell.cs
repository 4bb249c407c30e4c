using System.Diagnostics;
using System.Text;

namespace DbRecovery.Build;

/// <summary>Runs programs with an argument list and a deadline.</summary>
internal static class Shell
{
    /// <summary>What a program printed and how it ended.</summary>
    public sealed record Result(int ExitCode, string Output);

    /// <summary>Runs a program whose output goes to the terminal; any exit code but 0 ends the task.</summary>
    public static void Run(string program, IEnumerable<string> arguments, string folder, TimeSpan timeout, IReadOnlyDictionary<string, string>? environment = null)
    {
        var result = Execute(program, arguments, folder, timeout, environment, echo: true);
        if (result.ExitCode != 0)
            throw new BuildException($"{Path.GetFileName(program)} {string.Join(' ', arguments.Take(3))} ... ended with exit code {result.ExitCode}.");
    }

    /// <summary>Runs a program and gives what it printed, standard error included.</summary>
    public static Result Execute(string program, IEnumerable<string> arguments, string folder, TimeSpan timeout,
        IReadOnlyDictionary<string, string>? environment = null, bool echo = false)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        // build servers would outlive the task and hold files in the checkout
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        using var process = Process.Start(start) ?? throw new BuildException($"{program} cannot be started.");
        process.StandardInput.Close();
        var text = new StringBuilder();
        void Take(string? line)
        {
            if (line is null)
                return;
            lock (text)
                text.AppendLine(line);
            if (echo)
                Console.WriteLine(line);
        }
        process.OutputDataReceived += (_, e) => Take(e.Data);
        process.ErrorDataReceived += (_, e) => Take(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(timeout))
        {
            process.Kill(entireProcessTree: true);
            throw new BuildException($"{Path.GetFileName(program)} did not end within {timeout.TotalMinutes:0} minutes and was stopped.");
        }
        process.WaitForExit(); // the readers end after the process
        lock (text)
            return new Result(process.ExitCode, text.ToString());
    }

    /// <summary>The full path of a program on PATH; null where there is none.</summary>
    public static string? Find(string program)
    {
        var names = OperatingSystem.IsWindows() ? new[] { program + ".exe", program + ".cmd" } : [program];
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => names.Select(name => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
    }
}

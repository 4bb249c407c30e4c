using System.Diagnostics;

namespace DbRecovery.Sqlite.Tests;

/// <summary>A test of what only Linux tells.</summary>
public sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = Requirements.Linux;
}

/// <summary>Tests of what only Linux tells.</summary>
public sealed class LinuxTheoryAttribute : TheoryAttribute
{
    public LinuxTheoryAttribute() => Skip = Requirements.Linux;
}

/// <summary>A test that needs root's rights: to be another user, or to mount.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Requirements.Root;
}

/// <summary>Why a test cannot run here; null where it can.</summary>
internal static class Requirements
{
    public static string? Linux => OperatingSystem.IsLinux() ? null : "needs Linux: /proc tells who uses a file";

    public static string? Root => Linux
        ?? (Environment.UserName != "root" ? "needs root, to become another user and to mount" : null)
        ?? (Try("unshare", "-m", "mount", "--bind", "/tmp", "/tmp") ? null : "needs the right to mount, which this container does not give")
        ?? (Try("setpriv", "--reuid=65534", "--clear-groups", "test", "-r", typeof(Requirements).Assembly.Location) ? null : "needs setpriv, and a test assembly that others may read");

    private static bool Try(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            return process.WaitForExit(Wait.Limit) && process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

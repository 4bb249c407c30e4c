using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Which machine this is, and which run of it: what tells whether a process id means anything here. Two containers on one machine
/// have the same ids of machine and run, so the namespace of process ids belongs to it.
/// </summary>
/// <param name="Name">Its name, for people.</param>
/// <param name="Machine">An id that no other machine has.</param>
/// <param name="Boot">The run of the machine since it was started, and the namespace of process ids.</param>
internal sealed record MachineIdentity(string Name, string Machine, string Boot)
{
    /// <summary>A name of the runtime's AppContext: a host that knows the machine's identity better than its files do gives it there.</summary>
    public const string Override = "DbRecovery.MachineId";

    public static MachineIdentity Current { get; } = AppContext.GetData(Override) is string given
        ? new MachineIdentity(given, given, given)
        : new MachineIdentity(Environment.MachineName, ReadText("/etc/machine-id") ?? Environment.MachineName, $"{ReadText("/proc/sys/kernel/random/boot_id") ?? ""}{Namespace()}");

    /// <summary>When a process of this machine began: the same number for the same process, another for a later one with its id; null where there is none.</summary>
    public static string? StartOf(int process)
    {
        if (OperatingSystem.IsLinux())
        {
            // the name in brackets may hold spaces and brackets; the start in ticks since boot is the 20th word after it
            return ReadText($"/proc/{process}/stat") is { } stat && stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > 19 } words
                && words[0] is not ("Z" or "X") ? words[19] : null;
        }
        try
        {
            using var found = Process.GetProcessById(process);
            return found.StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return null;
        }
        catch (Win32Exception)
        {
            // there is one, and we may not look at it: not dead
            return "?";
        }
    }

    private static string Namespace() => OperatingSystem.IsLinux() && new FileInfo("/proc/self/ns/pid").LinkTarget is { } target ? $" {target}" : "";

    private static string? ReadText(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

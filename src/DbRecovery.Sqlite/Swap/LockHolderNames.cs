using System.Globalization;
using DbRecovery.Sqlite.Vfs;

namespace DbRecovery.Sqlite.Swap;

/// <summary>Names the processes that hold locks on a database or its shared memory, by /proc/locks.</summary>
internal static class LockHolderNames
{
    /// <summary>The holders other than this process, as <c>pid 123 (name)</c>; empty where the system does not tell.</summary>
    internal static IReadOnlyList<string> Of(string path)
    {
        try
        {
            return File.Exists("/proc/locks") ? Read(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Whether any process holds a lock on a file; true where the system does not tell.</summary>
    internal static bool AnyOn(string path)
    {
        if (PosixFile.Identify(path) is not { } file || !File.Exists("/proc/locks"))
            return true;
        var ending = $":{file.Inode.ToString(CultureInfo.InvariantCulture)}";
        return File.ReadLines("/proc/locks").Any(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, not "->", _, _, _, var where, ..] && where.EndsWith(ending, StringComparison.Ordinal));
    }

    private static List<string> Read(string path)
    {
        var inodes = new[] { path, path + "-shm" }.Select(PosixFile.Identify).OfType<FileIdentity>().Select(i => i.Inode).ToHashSet();
        return File.ReadAllLines("/proc/locks")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            // 1: POSIX  ADVISORY  WRITE 123 08:01:4711 0 EOF; a waiter has '->' after the number
            .Where(parts => parts.Length >= 8 && parts[1] != "->" && parts[3] == "WRITE")
            .Where(parts => ulong.TryParse(parts[5].Split(':')[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var inode) && inodes.Contains(inode))
            .Select(parts => int.Parse(parts[4], CultureInfo.InvariantCulture))
            .Where(pid => pid != Environment.ProcessId)
            .Distinct()
            .Select(pid => $"pid {pid}{Name(pid)}")
            .ToList();
    }

    private static string Name(int pid)
    {
        try
        {
            return $" ({File.ReadAllText($"/proc/{pid}/comm").Trim()})";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

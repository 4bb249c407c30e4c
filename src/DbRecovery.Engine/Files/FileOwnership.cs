using System.Globalization;

namespace DbRecovery.Engine.Files;

/// <summary>Gives restored paths the mode and, where this process may, the owner that they had.</summary>
internal static class FileOwnership
{
    private const int PermissionBits = 0xFFF;

    public static void Apply(string path, BackupEntry entry)
    {
        if (OperatingSystem.IsWindows())
            return;
        if (Environment.IsPrivilegedProcess)
        {
            var (user, group) = (Number(entry.Owner, "/etc/passwd"), Number(entry.Group, "/etc/group"));
            if (user >= 0 || group >= 0)
                DurableFile.ChangeOwner(path, user, group);
        }
        // after the owner: changing that clears the set-id bits
        if (entry.Mode is { } mode && entry.Type != BackupEntryType.SymbolicLink)
            File.SetUnixFileMode(path, (UnixFileMode)(mode & PermissionBits));
    }

    /// <summary>The owner and the group of a file as numbers; null where the system does not tell.</summary>
    public static (string? Owner, string? Group) Of(string path)
    {
        try
        {
            return OperatingSystem.IsLinux() && FileStat.Of(path) is { } stat
                ? (stat.User.ToString(CultureInfo.InvariantCulture), stat.Group.ToString(CultureInfo.InvariantCulture))
                : (null, null);
        }
        catch (EntryPointNotFoundException)
        {
            return (null, null);
        }
    }

    /// <summary>The number of a name; -1 where this machine does not know it, which leaves the owner as it is.</summary>
    private static int Number(string? nameOrNumber, string table)
    {
        if (string.IsNullOrEmpty(nameOrNumber))
            return -1;
        if (int.TryParse(nameOrNumber, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return number;
        if (!File.Exists(table))
            return -1;
        var fields = File.ReadLines(table).Select(line => line.Split(':')).FirstOrDefault(f => f.Length > 2 && f[0] == nameOrNumber);
        return fields is not null && int.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out number) ? number : -1;
    }
}

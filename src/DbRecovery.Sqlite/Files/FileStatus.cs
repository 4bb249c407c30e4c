namespace DbRecovery.Sqlite.Files;

/// <summary>What is at a path.</summary>
internal enum FileType
{
    /// <summary>A regular file.</summary>
    File,
    /// <summary>A folder.</summary>
    Folder,
    /// <summary>A device, pipe or socket.</summary>
    Device,
}

/// <summary>Whose a file is.</summary>
/// <param name="User">The owner's id.</param>
/// <param name="Group">The group's id.</param>
/// <param name="Mode">The rights and the set-id bits.</param>
internal sealed record FileOwner(uint User, uint Group, int Mode);

/// <summary>What a file system says of a file without opening it.</summary>
/// <param name="Device">The device as /proc/locks writes it (major:minor, hexadecimal); null where unknown.</param>
/// <param name="Inode">The inode; 0 where unknown.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedTicks">The last change of the content, UTC ticks.</param>
/// <param name="ChangedTicks">The last change of content or attributes, UTC ticks; 0 where unknown.</param>
/// <param name="Type">What it is.</param>
/// <param name="Owner">Whose it is; null where unknown.</param>
internal sealed record FileStatus(string? Device, ulong Inode, long Size, long ModifiedTicks, long ChangedTicks, FileType Type, FileOwner? Owner)
{
    /// <summary>Looks at a file; null where there is none or it may not be looked at.</summary>
    internal static FileStatus? Of(string path)
    {
        if (OperatingSystem.IsLinux() && Statx(path) is { } status)
            return status;
        try
        {
            var file = new FileInfo(path);
            if (Directory.Exists(path))
                return new FileStatus(null, 0, 0, 0, 0, FileType.Folder, null);
            return file.Exists ? new FileStatus(null, 0, file.Length, file.LastWriteTimeUtc.Ticks, 0, FileType.File, null) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether both are the same file under whatever names; false where the system does not tell.</summary>
    internal bool IsSameFile(FileStatus other) => Inode > 0 && (Inode, Device) == (other.Inode, other.Device);

    private static FileStatus? Statx(string path)
    {
        try
        {
            return FileStat.Of(path) is not { } stat ? null : new FileStatus($"{stat.DeviceMajor:x2}:{stat.DeviceMinor:x2}", stat.Inode, stat.Size, stat.ModifiedTicks, stat.ChangedTicks,
                stat.IsPlainFile ? FileType.File : stat.IsFolder ? FileType.Folder : FileType.Device, new FileOwner(stat.User, stat.Group, stat.Mode & 0xfff));
        }
        catch (EntryPointNotFoundException)
        {
            return null; // an old C library: the portable way answers
        }
    }
}

using System.Runtime.InteropServices;

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
    private const int CurrentFolder = -100;
    private const uint BasicStats = 0x7ff;

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

    private static unsafe FileStatus? Statx(string path)
    {
        try
        {
            // struct statx is the same on every architecture (linux/stat.h)
            var buffer = stackalloc byte[256];
            if (statx(CurrentFolder, path, 0, BasicStats, buffer) != 0)
                return null;
            var device = $"{*(uint*)(buffer + 0x88):x2}:{*(uint*)(buffer + 0x8c):x2}";
            var mode = *(ushort*)(buffer + 0x1c);
            return new FileStatus(device, *(ulong*)(buffer + 0x20), *(long*)(buffer + 0x28), Ticks(buffer + 0x70), Ticks(buffer + 0x60), TypeOf(mode),
                new FileOwner(*(uint*)(buffer + 0x14), *(uint*)(buffer + 0x18), mode & 0xfff));
        }
        catch (EntryPointNotFoundException)
        {
            return null; // an old C library: the portable way answers
        }
    }

    private static FileType TypeOf(ushort mode) => (mode & 0xf000) switch
    {
        0x8000 => FileType.File,
        0x4000 => FileType.Folder,
        _ => FileType.Device,
    };

    private static unsafe long Ticks(byte* time) =>
        DateTime.UnixEpoch.Ticks + *(long*)time * TimeSpan.TicksPerSecond + *(uint*)(time + 8) / 100;

    [DllImport("libc", SetLastError = true)]
    private static extern unsafe int statx(int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, byte* buffer);
}

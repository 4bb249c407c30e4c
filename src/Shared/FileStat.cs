using System.Runtime.InteropServices;

namespace DbRecovery;

/// <summary>What statx(2) tells of a file and the runtime does not: times are UTC ticks.</summary>
internal readonly partial record struct FileStat(
    uint DeviceMajor, uint DeviceMinor, ulong Inode, uint User, uint Group, ushort Mode, long Size, long ModifiedTicks, long ChangedTicks)
{
    private const int CurrentFolder = -100;
    private const uint BasicStats = 0x7ff;
    private const int TypeBits = 0xf000;
    private const int PlainFile = 0x8000;
    private const int Folder = 0x4000;

    /// <summary>Whether it is a plain file: to open a pipe waits for whoever writes to it, and a device has no end.</summary>
    public bool IsPlainFile => (Mode & TypeBits) == PlainFile;

    /// <summary>Whether it is a folder.</summary>
    public bool IsFolder => (Mode & TypeBits) == Folder;

    /// <summary>Looks at a file on Linux, and follows a link; null where that fails: the runtime then has the system's error.</summary>
    /// <exception cref="EntryPointNotFoundException">The C library is too old to have the call.</exception>
    public static FileStat? Of(string path)
    {
        // struct statx is the same on every architecture (linux/stat.h)
        var buffer = new byte[256];
        return Statx(CurrentFolder, path, 0, BasicStats, buffer) != 0 ? null
            : new FileStat(BitConverter.ToUInt32(buffer, 0x88), BitConverter.ToUInt32(buffer, 0x8c), BitConverter.ToUInt64(buffer, 0x20),
                BitConverter.ToUInt32(buffer, 0x14), BitConverter.ToUInt32(buffer, 0x18), BitConverter.ToUInt16(buffer, 0x1c),
                BitConverter.ToInt64(buffer, 0x28), Ticks(buffer, 0x70), Ticks(buffer, 0x60));
    }

    private static long Ticks(byte[] buffer, int at) =>
        DateTime.UnixEpoch.Ticks + BitConverter.ToInt64(buffer, at) * TimeSpan.TicksPerSecond + BitConverter.ToUInt32(buffer, at + 8) / 100;

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] buffer);
}

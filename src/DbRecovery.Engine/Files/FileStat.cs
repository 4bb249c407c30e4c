using System.Runtime.InteropServices;

namespace DbRecovery.Engine.Files;

/// <summary>What statx(2) tells of a file and the runtime does not.</summary>
internal readonly partial record struct FileStat(uint DeviceMajor, uint DeviceMinor, ulong Inode, uint User, uint Group, ushort Mode)
{
    private const int CurrentFolder = -100;
    private const uint BasicStats = 0x7ff;
    private const int TypeBits = 0xF000;
    private const int PlainFile = 0x8000;

    /// <summary>Whether it is a plain file: to open a pipe waits for whoever writes to it, and a device has no end.</summary>
    public bool IsPlainFile => (Mode & TypeBits) == PlainFile;

    /// <summary>Looks at a file on Linux, and follows a link; null where that fails: the runtime then has the system's error.</summary>
    /// <exception cref="EntryPointNotFoundException">The C library is too old to have the call.</exception>
    public static FileStat? Of(string path)
    {
        // struct statx is the same on every architecture (linux/stat.h)
        var buffer = new byte[256];
        return Statx(CurrentFolder, path, 0, BasicStats, buffer) != 0 ? null
            : new FileStat(BitConverter.ToUInt32(buffer, 0x88), BitConverter.ToUInt32(buffer, 0x8c), BitConverter.ToUInt64(buffer, 0x20), BitConverter.ToUInt32(buffer, 0x14), BitConverter.ToUInt32(buffer, 0x18), BitConverter.ToUInt16(buffer, 0x1c));
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] buffer);
}

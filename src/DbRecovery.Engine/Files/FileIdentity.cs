using System.Globalization;
using System.Runtime.InteropServices;

namespace DbRecovery.Engine.Files;

/// <summary>Which file it is, whatever its name: the device, the inode, and the size that it had when it was looked at.</summary>
internal sealed partial record FileIdentity(string Device, string Inode, long Size)
{
    private const int AtCurrentFolder = -100;

    /// <summary>Which file a path is now; null where there is none.</summary>
    public static FileIdentity? Of(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists)
            return null;
        if (!OperatingSystem.IsLinux())
            return new FileIdentity("time", info.CreationTimeUtc.Ticks.ToString(CultureInfo.InvariantCulture), info.Length);
        var buffer = new byte[256];
        if (Statx(AtCurrentFolder, path, 0, 0x7ff, buffer) != 0)
            throw new IOException($"'{path}' cannot be examined: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        // struct statx of statx(2): inode at 32, device major and minor at 136 and 140; the same on every architecture
        return new FileIdentity(
            $"{BitConverter.ToUInt32(buffer, 136)}:{BitConverter.ToUInt32(buffer, 140)}",
            BitConverter.ToUInt64(buffer, 32).ToString(CultureInfo.InvariantCulture),
            info.Length);
    }

    /// <summary>Whether both are one file; the size may have changed by writing.</summary>
    public bool SameFile(FileIdentity? other) => other is not null && Device == other.Device && Inode == other.Inode;

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] buffer);
}

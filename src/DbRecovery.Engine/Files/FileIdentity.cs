using System.Globalization;
using System.Runtime.InteropServices;

namespace DbRecovery.Engine.Files;

/// <summary>Which file it is, whatever its name: the device, the inode, and the size that it had when it was looked at.</summary>
internal sealed record FileIdentity(string Device, string Inode, long Size)
{
    /// <summary>Which file a path is now; null where there is none.</summary>
    public static FileIdentity? Of(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists)
            return null;
        if (!OperatingSystem.IsLinux())
            return new FileIdentity("time", info.CreationTimeUtc.Ticks.ToString(CultureInfo.InvariantCulture), info.Length);
        var stat = FileStat.Of(path)
            ?? throw new IOException($"'{path}' cannot be examined: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        return new FileIdentity($"{stat.DeviceMajor}:{stat.DeviceMinor}", stat.Inode.ToString(CultureInfo.InvariantCulture), info.Length);
    }

    /// <summary>Whether both are one file; the size may have changed by writing.</summary>
    public bool SameFile(FileIdentity? other) => other is not null && Device == other.Device && Inode == other.Inode;
}

using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Actions;

/// <summary>Files that survive a power cut, and what the runtime lacks for them: folder sync, clone, identity.</summary>
internal static partial class DurableFile
{
    private const int OpenReadOnly = 0;
    private const int AtCurrentFolder = -100;
    private const uint CloneFile = 0x40049409;

    /// <summary>Writes a small file so that a reader sees the old content or the new, never a part.</summary>
    public static void WriteAllText(string path, string text)
    {
        var temporary = path + ".tmp";
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes a folder and its missing parents, each synced into the one above.</summary>
    public static void CreateFolder(string path)
    {
        if (Directory.Exists(path))
            return;
        var parent = Path.GetDirectoryName(path);
        if (!string.IsNullOrEmpty(parent))
            CreateFolder(parent);
        Directory.CreateDirectory(path);
        if (!string.IsNullOrEmpty(parent))
            SyncFolder(parent);
    }

    /// <summary>Makes renames and new names in a folder durable. Windows does so by itself.</summary>
    public static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(path, OpenReadOnly);
        if (descriptor < 0)
            throw new IOException($"the folder '{path}' cannot be opened to sync it (errno {Marshal.GetLastPInvokeError()})");
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Fsync(handle) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            // some file systems have no folder sync and say EINVAL: their renames are ordered otherwise
            if (error != 22)
                throw new IOException($"the folder '{path}' cannot be synced (errno {error})");
        }
    }

    /// <summary>Shares the blocks of one file with another where the file system can; otherwise gives false and changes nothing.</summary>
    public static bool TryClone(SafeFileHandle source, SafeFileHandle destination) =>
        OperatingSystem.IsLinux() && Ioctl(destination, CloneFile, source) == 0;

    /// <summary>Which file a path is now; null where there is none.</summary>
    public static FileIdentity? Identify(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists)
            return null;
        if (!OperatingSystem.IsLinux())
            return new FileIdentity("time", info.CreationTimeUtc.Ticks.ToString(System.Globalization.CultureInfo.InvariantCulture), info.Length);
        var buffer = new byte[256];
        if (Statx(AtCurrentFolder, path, 0, 0x7ff, buffer) != 0)
            throw new IOException($"'{path}' cannot be examined (errno {Marshal.GetLastPInvokeError()})");
        // struct statx of statx(2): inode at 32, device major and minor at 136 and 140; the same on every architecture
        return new FileIdentity(
            $"{BitConverter.ToUInt32(buffer, 136)}:{BitConverter.ToUInt32(buffer, 140)}",
            BitConverter.ToUInt64(buffer, 32).ToString(System.Globalization.CultureInfo.InvariantCulture),
            info.Length);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle file, nuint request, SafeFileHandle source);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, [Out] byte[] buffer);
}

/// <summary>Which file it is, whatever its name: the device, the inode, and the size that it had when it was looked at.</summary>
internal sealed record FileIdentity(string Device, string Inode, long Size)
{
    /// <summary>Whether both are one file; the size may have changed by writing.</summary>
    public bool SameFile(FileIdentity? other) => other is not null && Device == other.Device && Inode == other.Inode;
}

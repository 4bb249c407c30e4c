using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Backups;

/// <summary>What .NET has no call for: making a folder's entries durable, linking, starting write-back early.</summary>
internal static partial class FileSystemSync
{
    private const int Eexist = 17;
    private const int Einval = 22;
    private const uint SyncFileRangeWrite = 2;

    /// <summary>Makes the names in a folder durable. Windows does so by itself with the file's own flush.</summary>
    public static void Folder(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var fd = OpenFile(path, 0);
        if (fd < 0)
            throw Failed("open", path);
        try
        {
            // some network file systems have no sync for folders and say EINVAL: they are durable on rename or not at all
            if (FSync(fd) != 0 && Marshal.GetLastPInvokeError() != Einval)
                throw Failed("fsync", path);
        }
        finally
        {
            _ = Close(fd);
        }
    }

    /// <summary>Creates a folder and makes every new link of the way to it durable.</summary>
    public static void CreateFolder(string path)
    {
        if (Directory.Exists(path))
            return;
        var parent = Path.GetDirectoryName(path);
        if (!string.IsNullOrEmpty(parent))
            CreateFolder(parent);
        Directory.CreateDirectory(path);
        if (!string.IsNullOrEmpty(parent))
            Folder(parent);
    }

    /// <summary>Moves a file to a name that nobody has, in one step. False: the name is taken.</summary>
    public static bool MoveIfAbsent(string from, string to)
    {
        if (!OperatingSystem.IsWindows())
        {
            // rename() replaces; link() is the one call that fails on a taken name everywhere
            if (Link(from, to) == 0)
            {
                File.Delete(from);
                return true;
            }
            if (Marshal.GetLastPInvokeError() == Eexist)
                return false;
        }
        try
        {
            File.Move(from, to, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(to))
        {
            return false;
        }
    }

    /// <summary>Asks the kernel to begin writing a range, so that the flush at the end has little left to wait for. A hint: errors do not matter.</summary>
    public static void StartWriteback(SafeFileHandle handle, long offset, long length)
    {
        if (OperatingSystem.IsLinux())
            _ = SyncFileRange(handle, offset, length, SyncFileRangeWrite);
    }

    /// <summary>Gives a path to a user and a group; -1 leaves one as it is. Does not follow a link.</summary>
    public static void ChangeOwner(string path, int user, int group)
    {
        if (LChown(path, user, group) != 0)
            throw Failed("chown", path);
    }

    private static IOException Failed(string call, string path)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{call} of '{path}' failed: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int fd);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LChown(string path, int user, int group);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle fd, long offset, long length, uint flags);
}

using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Files;

/// <summary>Files and names that survive a power cut, and what the runtime has no call for: folder sync, link, early write-back, owner, clone.</summary>
internal static partial class DurableFile
{
    private const int OpenReadOnly = 0;
    private const int Exists = 17;
    private const int Invalid = 22;
    private const uint CloneFile = 0x40049409;
    private const uint SyncFileRangeWrite = 2;

    /// <summary>Writes a small file so that a reader sees the old content or the new, never a part.</summary>
    public static void WriteAllText(string path, string text)
    {
        // the name is this writer's own: two at once must not write into one file
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                stream.Write(Encoding.UTF8.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            Discard(temporary);
            throw;
        }
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Deletes a file that is of no use any more; one that cannot be deleted must not hide the error that led here.</summary>
    public static void Discard(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // nobody reads it
        }
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

    /// <summary>Makes renames and new names in a folder durable. Windows does so by itself with the file's own flush.</summary>
    public static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(path, OpenReadOnly);
        if (descriptor < 0)
            throw Failed("open", path);
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        // some network file systems have no sync for folders and say EINVAL: they are durable on rename or not at all
        if (Fsync(handle) != 0 && Marshal.GetLastPInvokeError() != Invalid)
            throw Failed("fsync", path);
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
            if (Marshal.GetLastPInvokeError() == Exists)
            {
                // a network file system that lost its answer asks again, and is told that the name which it just made is taken
                if (!IsSame(from, to))
                    return false;
                File.Delete(from);
                return true;
            }
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

    /// <summary>Whether two names are of one file, and neither is a link to it: known on Linux alone.</summary>
    private static bool IsSame(string one, string other)
    {
        try
        {
            return OperatingSystem.IsLinux() && new FileInfo(one).LinkTarget is null && new FileInfo(other).LinkTarget is null
                && FileIdentity.Of(one) is { } identity && identity.SameFile(FileIdentity.Of(other));
        }
        catch (Exception e) when (e is IOException or EntryPointNotFoundException)
        {
            return false; // gone this moment, or an old C library
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
        if (ChangeLinkOwner(path, user, group) != 0)
            throw Failed("chown", path);
    }

    /// <summary>Shares the blocks of one file with another where the file system can; otherwise gives false and changes nothing.</summary>
    public static bool TryClone(SafeFileHandle source, SafeFileHandle destination) =>
        OperatingSystem.IsLinux() && Ioctl(destination, CloneFile, source) == 0;

    private static IOException Failed(string call, string path)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{call} of '{path}' failed: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeLinkOwner(string path, int user, int group);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle file, nuint request, SafeFileHandle source);
}

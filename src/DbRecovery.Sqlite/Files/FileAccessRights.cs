using System.Runtime.InteropServices;

namespace DbRecovery.Sqlite.Files;

/// <summary>What this user may do with a path, asked without opening anything.</summary>
internal static class FileAccessRights
{
    private const int MayExecute = 1, MayWrite = 2, MayRead = 4;
    private const int ReadOnlyFileSystem = 30; // EROFS

    /// <summary>Whether the file may be read.</summary>
    internal static bool CanRead(string path) => Ask(path, MayRead) == 0;

    /// <summary>Whether the file may be written.</summary>
    internal static bool CanWrite(string path) => Ask(path, MayWrite) == 0;

    /// <summary>Whether files may be made in the folder.</summary>
    internal static bool CanWriteFolder(string path) => Ask(path, MayWrite | MayExecute) == 0;

    /// <summary>Whether the file system is mounted read-only.</summary>
    internal static bool IsReadOnlyFileSystem(string path) => Ask(path, MayWrite) == ReadOnlyFileSystem;

    private static int Ask(string path, int rights)
    {
        if (OperatingSystem.IsWindows())
            return (rights & MayWrite) != 0 && File.Exists(path) && (File.GetAttributes(path) & FileAttributes.ReadOnly) != 0 ? 13 : 0;
        return access(path, rights) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int access([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int mode);
}

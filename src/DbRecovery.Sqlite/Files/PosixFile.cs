using System.Runtime.InteropServices;

namespace DbRecovery.Sqlite.Files;

/// <summary>What .NET has no call for. Each call does nothing, or says that it cannot, on systems without it.</summary>
internal static partial class PosixFile
{
    private const int Eperm = 1, Eexist = 17, Exdev = 18, Emlink = 31, Enosys = 38, Eopnotsupp = 95;

    /// <summary>Makes what was written to a file, or renamed in a folder, outlive a power failure.</summary>
    internal static void Sync(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            if (!File.Exists(path))
                return; // Windows journals its folders
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            file.Flush(flushToDisk: true);
            return;
        }
        var fd = open(path, 0, 0);
        if (fd < 0)
            throw Error(path, "open");
        try
        {
            // a file system without fsync on folders says EINVAL (22)
            if (fsync(fd) != 0 && Marshal.GetLastPInvokeError() != 22)
                throw Error(path, "sync");
        }
        finally
        {
            _ = close(fd);
        }
    }

    /// <summary>Gives a file a second name. False where the file system cannot.</summary>
    internal static bool TryLink(string existing, string name)
    {
        if (OperatingSystem.IsWindows())
            return false;
        if (link(existing, name) == 0)
            return true;
        return Marshal.GetLastPInvokeError() switch
        {
            Eperm or Exdev or Emlink or Enosys or Eopnotsupp => false,
            Eexist => throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{name} exists", "Choose another folder to keep the old file in.", name),
            _ => throw Error(name, "link"),
        };
    }

    /// <summary>Gives a file an owner and a mode. Without the right to, its owner stays.</summary>
    internal static void Give(string path, FileOwner owner)
    {
        if (!OperatingSystem.IsLinux())
            return;
        File.SetUnixFileMode(path, (UnixFileMode)owner.Mode);
        if (FileStatus.Of(path)?.Owner is { } now && (now.User, now.Group) != (owner.User, owner.Group) && chown(path, owner.User, owner.Group) == 0)
            File.SetUnixFileMode(path, (UnixFileMode)owner.Mode); // chown may clear bits
    }

    /// <summary>Gives a file to an owner, where this process has the right to; its mode stays.</summary>
    internal static void GiveTo(string path, uint user, uint group)
    {
        if (FileStatus.Of(path)?.Owner is { } now)
            Give(path, now with { User = user, Group = group });
    }

    private static DbRecoveryException Error(string path, string what)
    {
        var code = Marshal.GetLastPInvokeError();
        var (id, kind) = code switch
        {
            1 or 13 or 30 => (ErrorIds.AccessDenied, ErrorKind.PermissionDenied),
            2 => (ErrorIds.DatabaseNotFound, ErrorKind.NotFound),
            28 or 122 => (ErrorIds.OutOfSpace, ErrorKind.OutOfSpace),
            _ => (ErrorIds.RestoreFailed, ErrorKind.Failed),
        };
        return new DbRecoveryException(id, kind, $"{path}: cannot {what}: {Marshal.GetPInvokeErrorMessage(code)}", target: path);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string existing, string name);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint uid, uint gid);
}

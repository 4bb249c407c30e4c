using System.Runtime.InteropServices;

namespace DbRecovery.Sqlite.Files;

/// <summary>The file that a path means. Links are followed, as SQLite does: the journals are beside what they name.</summary>
internal static class DatabasePath
{
    /// <summary>The absolute path of a node's file, without links.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: the node has no path.</exception>
    internal static string Of(NodeDefinition node) => string.IsNullOrEmpty(node.Path)
        ? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the node '{node.Name}' has no path", "Give the path of its database file in the inventory.", node.Name)
        : Of(node.Path);

    /// <summary>The absolute path without links; of a file that is not there, as far as it can be told.</summary>
    internal static unsafe string Of(string path)
    {
        path = Path.GetFullPath(path);
        if (!OperatingSystem.IsWindows())
        {
            var buffer = stackalloc byte[4097];
            if (realpath(path, buffer) != 0)
                return Marshal.PtrToStringUTF8((nint)buffer)!;
        }
        try
        {
            var file = new FileInfo(path);
            return file.LinkTarget is null ? path : file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return path; // links in a circle
        }
    }

    [DllImport("libc", SetLastError = true)]
    private static extern unsafe nint realpath([MarshalAs(UnmanagedType.LPUTF8Str)] string path, byte* resolved);
}

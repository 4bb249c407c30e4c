namespace DbRecovery.Sqlite.Format;

/// <summary>Reads what lies beside a database while others may write it, rename it or delete it.</summary>
internal static class SideFile
{
    /// <summary>Reads a file; null where there is none or it may not be read.</summary>
    internal static T? TryRead<T>(string path, Func<string, FileStream, T> read) where T : class
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 16);
            return read(path, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

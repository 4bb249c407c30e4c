namespace DbRecovery.Engine.Backups;

/// <summary>The messages about repositories, in one place.</summary>
internal static class RepositoryErrors
{
    private const int Enospc = 28;
    private const int Edquot = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    public static DbRecoveryException Corrupt(IRepositoryStorage storage, string key, string what, Exception? inner = null) =>
        new(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, $"'{key}' in the repository '{storage.Location}' is damaged: {what}",
            "Restore from another backup, check the disk, and take a new backup.", key, inner);

    public static DbRecoveryException Invalid(IRepositoryStorage storage, string what, string? action = null) =>
        new(ErrorIds.RepositoryInvalid, ErrorKind.InvalidInput, $"the repository '{storage.Location}' cannot be used: {what}", action, storage.Location);

    public static bool IsDiskFull(Exception exception) =>
        exception is IOException && exception.HResult is Enospc or Edquot or WindowsDiskFull or WindowsHandleDiskFull;

    /// <summary>An error of the operating system in the words of the domain.</summary>
    public static Exception Translate(Exception exception, string path, string otherwiseId) => exception switch
    {
        DbRecoveryException or OperationCanceledException => exception,
        _ when IsDiskFull(exception) => new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace,
            $"no space left while writing to '{path}'", "Free space there or use another place, then try again; what was there before is untouched.", path, exception),
        UnauthorizedAccessException => new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.PermissionDenied,
            $"access to '{path}' is denied: {exception.Message}", "Give this user the right to read and write there.", path, exception),
        IOException => new DbRecoveryException(otherwiseId, ErrorKind.Failed, $"'{path}' cannot be read or written: {exception.Message}",
            "Check that the disk is mounted, writable and healthy.", path, exception),
        _ => exception,
    };
}

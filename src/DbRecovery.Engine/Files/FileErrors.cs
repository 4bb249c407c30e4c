namespace DbRecovery.Engine.Files;

/// <summary>Errors of the operating system in the words of the domain.</summary>
internal static class FileErrors
{
    private const int Enospc = 28;
    private const int Edquot = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    public static bool IsDiskFull(Exception exception) =>
        exception is IOException && exception.HResult is Enospc or Edquot or WindowsDiskFull or WindowsHandleDiskFull;

    /// <summary>Whether a disk, or the checksums of a file system, say that bytes cannot be had: EIO, EBADMSG, EUCLEAN; on Windows CRC and device errors.</summary>
    public static bool IsUnreadable(Exception exception) =>
        exception is IOException && exception.HResult is 5 or 74 or 117 or unchecked((int)0x80070017) or unchecked((int)0x8007045D);

    /// <summary>Gives the error that a caller may see for one that the runtime threw.</summary>
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

    /// <summary>Does work on a path with every error translated.</summary>
    public static T Guarded<T>(string path, string otherwiseId, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Translate(e, path, otherwiseId);
        }
    }
}

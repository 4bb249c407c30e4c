using System.Text;

namespace DbRecovery.Report;

/// <summary>Puts a page where it was asked for: whole or not at all.</summary>
public static class ReportFile
{
    /// <summary>Makes sure, before any work is done, that the page can be put there.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.TargetExists"/>: a file is there and may not be replaced; <see cref="ErrorIds.ParameterInvalid"/>: it is a folder, or its folder does not exist.</exception>
    public static void Check(string path, bool replace)
    {
        if (Directory.Exists(path))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{path}' is a folder; the report is one file", $"Name a file in it, such as {Path.Combine(path, "report.html")}.", path);
        if (Path.GetDirectoryName(path) is not { Length: > 0 } folder || !Directory.Exists(folder))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.NotFound, $"there is no folder '{Path.GetDirectoryName(path)}' to put the report in", "Make the folder, or name another file.", path);
        if (!replace && File.Exists(path))
            throw Exists(path);
    }

    /// <summary>Writes the page. A reader sees the old file or the new one, never a part.</summary>
    /// <exception cref="DbRecoveryException">As <see cref="Check"/>; <see cref="ErrorIds.AccessDenied"/>; <see cref="ErrorIds.OutOfSpace"/>.</exception>
    public static async Task SaveAsync(string path, string page, bool replace, CancellationToken cancellationToken)
    {
        Check(path, replace);
        try
        {
            // a place of this writer's own: two at once must not write into one file, and what a killed one left goes with the next
            using var place = OwnedFolder.CreateBeside(path);
            var temporary = Path.Combine(place.Path, Path.GetFileName(path));
            var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 65536, useAsync: true);
            await using (stream.ConfigureAwait(false))
            {
                await stream.WriteAsync(Encoding.UTF8.GetBytes(page), cancellationToken).ConfigureAwait(false);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, replace);
        }
        catch (IOException e) when (!replace && File.Exists(path))
        {
            throw Exists(path, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Translate(e, path);
        }
    }

    private static DbRecoveryException Exists(string path, Exception? inner = null) =>
        new(ErrorIds.TargetExists, ErrorKind.Refused, $"'{path}' exists", "Name another file, or use --force (-Force) to replace it.", path, inner);

    private static DbRecoveryException Translate(Exception error, string path) => error switch
    {
        UnauthorizedAccessException => new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"access to '{path}' is denied: {error.Message}", "Give this user the right to write there, or name another file.", path, error),
        IOException { HResult: var code } when (code & 0xffff) is 28 or 39 or 112 or 122 => new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, $"no space left while writing '{path}'", "Free space there or name another file; what was there before is untouched.", path, error),
        _ => new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.Failed, $"'{path}' cannot be written: {error.Message}", "Check that the disk is mounted, writable and healthy, or name another file.", path, error),
    };
}

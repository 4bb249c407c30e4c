namespace DbRecovery;

/// <summary>
/// A temporary folder of one process. It holds a locked file as long as its owner lives, so that what a killed process left behind is
/// told from what is in use, and a later process removes it.
/// </summary>
public sealed class OwnedFolder : IDisposable
{
    private const string LockName = ".owner";
    private const string StagingMark = ".dbrecovery-";
    private const int Attempts = 5;
    private readonly FileStream _lock;
    private bool _kept;

    private OwnedFolder(string path, FileStream held) => (Path, _lock) = (path, held);

    /// <summary>The folder, which only its owner's user may enter.</summary>
    public string Path { get; }

    /// <summary>Makes a folder, and removes those of the same prefix whose owners are gone.</summary>
    /// <param name="parent">The folder above, which exists.</param>
    /// <param name="prefix">The beginning of the name; a random part follows.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static OwnedFolder Create(string parent, string prefix)
    {
        RemoveAbandoned(parent, prefix);
        return Make(parent, prefix);
    }

    /// <summary>Makes a hidden folder beside a file that is about to be written, and removes those beside any file there whose owners are gone: nobody may ever write under the same name again.</summary>
    /// <param name="file">The file. The folder above it exists.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static OwnedFolder CreateBeside(string file)
    {
        RemoveAbandonedBeside(file);
        return Make(ParentOf(file), $".{System.IO.Path.GetFileName(file)}{StagingMark}");
    }

    /// <summary>Removes the folders that <see cref="CreateBeside"/> made beside any file of a folder, and whose owners are gone.</summary>
    /// <param name="file">A file of the folder.</param>
    public static void RemoveAbandonedBeside(string file) =>
        RemoveAbandoned(ParentOf(file), name => name[0] == '.' && name.IndexOf(StagingMark, StringComparison.Ordinal) > 0);

    private static string ParentOf(string file) => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(file))!;

    private static OwnedFolder Make(string parent, string prefix)
    {
        for (var attempt = 1; ; attempt++)
        {
            var path = System.IO.Path.Combine(parent, prefix + Guid.NewGuid().ToString("N")[..12]);
            if (OperatingSystem.IsWindows())
                Directory.CreateDirectory(path);
            else
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            try
            {
                return new OwnedFolder(path, new FileStream(System.IO.Path.Combine(path, LockName), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                TryRemove(path);
                if (attempt == Attempts || e is UnauthorizedAccessException)
                    throw;
            }
        }
    }

    /// <summary>Removes the folder. One that cannot be removed is left to a later process.</summary>
    public void Dispose()
    {
        _lock.Dispose();
        if (!_kept)
            TryRemove(Path);
    }

    /// <summary>Takes the mark away: the folder stays, is nobody's from now on, and no later process removes it.</summary>
    /// <exception cref="IOException">The mark cannot be removed.</exception>
    public void Keep()
    {
        _kept = true;
        _lock.Dispose();
        File.Delete(System.IO.Path.Combine(Path, LockName));
    }

    /// <summary>Removes the folders of a prefix whose owners are gone.</summary>
    /// <param name="parent">The folder above, which exists.</param>
    /// <param name="prefix">The beginning of their names.</param>
    public static void RemoveAbandoned(string parent, string prefix) => RemoveAbandoned(parent, name => name.StartsWith(prefix, StringComparison.Ordinal));

    private static void RemoveAbandoned(string parent, Func<string, bool> named)
    {
        foreach (var folder in Directory.EnumerateDirectories(parent).Where(f => named(System.IO.Path.GetFileName(f))))
        {
            try
            {
                // a folder without the file is somebody else's, whatever its name
                using var taken = new FileStream(System.IO.Path.Combine(folder, LockName), FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1);
                if (!OperatingSystem.IsWindows())
                    Directory.Delete(folder, recursive: true);
            }
            catch (FileNotFoundException)
            {
                TryRemoveEmpty(folder); // its maker was killed before the mark, or will make another
                continue;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue; // in use, or another user's
            }
            TryRemove(folder); // Windows deletes no file that is open
        }
    }

    private static void TryRemoveEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // it holds something: somebody else's
        }
    }

    /// <summary>Whether the owner of a folder lives; null where the folder bears no owner's mark, or its mark may not be looked at.</summary>
    /// <param name="folder">The folder.</param>
    public static bool? HasLivingOwner(string folder)
    {
        var mark = System.IO.Path.Combine(folder, LockName);
        try
        {
            if (!File.Exists(mark))
                return null;
            using var taken = new FileStream(mark, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1);
            return false;
        }
        catch (IOException)
        {
            return File.Exists(mark) ? true : null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void TryRemove(string path)
    {
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // the outcome of what used it matters more than a folder that the next run removes
        }
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Swap;

namespace DbRecovery.Sqlite.Restore;

/// <summary>Prepares a place for a restored database beside where it shall be.</summary>
internal sealed class SqliteRestoreTarget(TimeProvider clock) : IRestoreTarget
{
    private const long Margin = 16 << 20;

    public Task<IRestoreSession> BeginAsync(IBackupContent backup, string destination, bool replace, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = Path.GetFullPath(destination);
        var folder = Path.GetDirectoryName(path);
        if (folder is null || Directory.Exists(path))
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{destination} is a folder", "Give the path of the file that shall hold the database.", destination);
        var there = SwapPlan.JournalSuffixes.Prepend("").Select(s => path + s).Where(File.Exists).ToList();
        if (there.Count > 0 && !replace)
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{there[0]} exists", "Choose another destination, or use --replace (-Force): what is there is kept beside the new one.", path);
        CheckSpace(backup.Info.SizeBytes, folder);
        return Task.FromResult<IRestoreSession>(new SqliteRestoreSession(path, CreateStaging(path, folder), replace, clock));
    }

    // the nearest folder that exists is on the file system that will be written to
    private static void CheckSpace(long needed, string folder)
    {
        var existing = folder;
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
            existing = parent;
        var free = new DriveInfo(existing).AvailableFreeSpace;
        if (free < needed + Margin)
            throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace,
                string.Create(CultureInfo.InvariantCulture, $"{folder} has {free} bytes free and the restore needs {needed + Margin}"), "Free space there, or restore to another file system.", folder);
    }

    private static OwnedFolder CreateStaging(string path, string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            return OwnedFolder.CreateBeside(path);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"{folder} cannot be written: {e.Message}", "Run as a user that may write there, or restore to another folder.", folder, e);
        }
        catch (IOException e)
        {
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, $"{folder} cannot be used: {e.Message}", "Restore to another folder.", folder, e);
        }
    }
}

/// <summary>A restore under way: the file is written into a folder of its own and put into place in one step.</summary>
internal sealed class SqliteRestoreSession(string destination, OwnedFolder staging, bool replace, TimeProvider clock) : IRestoreSession
{
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(30);
    private BackupEntry? _entry;

    public string StagingPath(BackupEntry entry)
    {
        if (entry.Type != BackupEntryType.File || (_entry is not null && _entry.Path != entry.Path))
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.CorruptData, $"the backup holds '{entry.Path}', which is no part of an SQLite database", "Check which engine the backup is of.", entry.Path);
        _entry = entry;
        // no name from a backup becomes part of a path
        return Path.Combine(staging.Path, "database");
    }

    public async Task<string?> CommitAsync(CancellationToken cancellationToken)
    {
        var staged = Path.Combine(staging.Path, "database");
        if (!File.Exists(staged))
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.CorruptData, "the backup holds no database file", "Test the backup; restore another one.", destination);
        if (_entry?.Mode is { } mode && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(staged, (UnixFileMode)(mode & 0x1ff));
        if (uint.TryParse(_entry?.Owner, NumberStyles.None, CultureInfo.InvariantCulture, out var owner) && uint.TryParse(_entry.Group, NumberStyles.None, CultureInfo.InvariantCulture, out var group))
            PosixFile.GiveTo(staged, owner, group);
        var keep = FreeName($"{destination}.before-restore-{clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)}");
        if (SwapPlan.JournalSuffixes.Prepend("").Any(s => File.Exists(destination + s)))
        {
            if (!replace)
                throw Appeared(null);
            var swap = new SqliteFileSwap(clock);
            var node = new NodeDefinition { Name = Path.GetFileName(destination), Path = destination };
            var old = await swap.SwapAsync(node, staged, keep, LockTimeout, null, cancellationToken).ConfigureAwait(false);
            return old ?? (Directory.Exists(keep) ? keep : null);
        }
        cancellationToken.ThrowIfCancellationRequested();
        PlaceNew(staged);
        return null;
    }

    private void PlaceNew(string staged)
    {
        try
        {
            PosixFile.Sync(staged);
            File.Move(staged, destination, overwrite: false);
            PosixFile.Sync(Path.GetDirectoryName(destination)!);
        }
        catch (IOException e) when (File.Exists(destination))
        {
            throw Appeared(e);
        }
        catch (IOException e)
        {
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, $"{destination} cannot be put into place: {e.Message}", "Nothing was changed.", destination, e);
        }
    }

    private DbRecoveryException Appeared(Exception? inner) =>
        new(ErrorIds.TargetExists, ErrorKind.Refused, $"{destination} has come into being meanwhile", "Nothing was changed; look at what it is.", destination, inner);

    private static string FreeName(string name)
    {
        var candidate = name;
        for (var i = 2; Directory.Exists(candidate) || File.Exists(candidate); i++)
            candidate = $"{name}-{i}";
        return candidate;
    }

    public ValueTask DisposeAsync()
    {
        staging.Dispose();
        return ValueTask.CompletedTask;
    }
}

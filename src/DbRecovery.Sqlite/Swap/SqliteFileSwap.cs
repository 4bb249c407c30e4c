using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Restore;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Swap;

/// <summary>Replaces a database file under running applications.</summary>
/// <remarks>
/// Connections on the old file cannot commit any more: in WAL mode their next transaction gives SQLITE_CANTOPEN, in rollback mode SQLite
/// itself refuses to write to a file that was moved (SQLITE_READONLY_DBMOVED). What cannot be fenced from outside is a rollback-mode
/// connection that goes on READING the old file: a read that begins while a new connection is in the middle of a transaction takes the
/// new file's journal for a hot one of its own, plays it into the kept file and deletes it, and that transaction is then not protected
/// against a crash. Applications in rollback mode should therefore be made to reopen the database soon after a swap;
/// <see cref="StillOpenBy"/> names them. A connection that is open but has not read yet is dealt with in <see cref="UnreadConnections"/>.
/// </remarks>
internal sealed class SqliteFileSwap(TimeProvider clock) : IFileSwap
{
    public IReadOnlyList<string> DatabaseFiles(NodeDefinition node)
    {
        var path = DatabasePath.Of(node);
        return SwapPlan.JournalSuffixes.Prepend("").Select(s => path + s).Where(File.Exists).ToList();
    }

    public IReadOnlyList<PlannedAct> PlanSwap(NodeDefinition node, string newFile, string keepFolder) =>
        Plan(node, newFile, keepFolder).Steps().Select(s => s.Act).ToList();

    public async Task<string?> SwapAsync(NodeDefinition node, string newFile, string keepFolder, TimeSpan lockTimeout, Func<CancellationToken, Task>? lockedOut, CancellationToken cancellationToken)
    {
        var plan = Plan(node, newFile, keepFolder);
        var path = DatabasePath.Of(node);
        if (plan.AlreadyDone)
        {
            PosixFile.Sync(Path.GetDirectoryName(path)!);
            return plan.KeptPath;
        }
        if (lockedOut is not null)
            Settle(newFile);
        CheckNewFile(newFile, path);
        // a restore that was killed at its very end has left its staging folder, and nobody restores under that name again
        OwnedFolder.RemoveAbandoned(Path.GetDirectoryName(Path.GetFullPath(newFile))!, SqliteRestoreTarget.StagingPrefix(newFile));
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return await CarryOutAsync(plan, path, lockTimeout, lockedOut, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(e, path);
        }
    }

    public IReadOnlyList<string> StillOpenBy(NodeDefinition node, string keptPath) =>
        !OperatingSystem.IsLinux() ? [] : [.. FileUsers.Openers(keptPath, DatabasePath.Of(node))
            .Where(o => o.Process != Environment.ProcessId).Select(o => FileUsers.Describe(o.Process))];

    private async Task<string?> CarryOutAsync(SwapPlan plan, string path, TimeSpan lockTimeout, Func<CancellationToken, Task>? lockedOut, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            // journals beside a missing file can still be in use by connections to the deleted one
            using var orphans = await OrphanedSharedMemory.FenceAsync(path + "-shm", lockTimeout, clock, cancellationToken).ConfigureAwait(false);
            var existed = File.Exists(plan.KeptPath);
            plan.Run(held: null);
            return existed ? plan.KeptPath : null;
        }
        using var held = await plan.LockAsync(lockTimeout, clock, cancellationToken).ConfigureAwait(false);
        if (lockedOut is not null)
            await lockedOut(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        // worked out again: only now can nothing come or go any more
        plan.Run(held);
        return plan.KeptPath;
    }

    // a run that was cut off while the new file was being completed left its journal: the transaction is taken back
    private static void Settle(string newFile)
    {
        if (!File.Exists(newFile) || !SwapPlan.JournalSuffixes.Any(s => new FileInfo(newFile + s) is { Exists: true, Length: > 0 }))
            return;
        try
        {
            using var connection = SqliteConnections.OpenReadWrite(newFile, TimeSpan.Zero);
            using var command = connection.CreateCommand();
            command.CommandText = "BEGIN IMMEDIATE; ROLLBACK";
            command.ExecuteNonQuery();
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, newFile, "completing it");
        }
    }

    private static void CheckNewFile(string newFile, string path)
    {
        if (!File.Exists(newFile))
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"the new database {newFile} does not exist", "Restore it again. Nothing was changed.", newFile);
        foreach (var journal in SwapPlan.JournalSuffixes.Select(s => newFile + s).Where(f => new FileInfo(f) is { Exists: true, Length: > 0 }))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.Refused, $"{newFile} is not complete: {journal} belongs to it", "Close the program that has it open, or open and close it once. Nothing was changed.", newFile);
        if (Directory.Exists(path))
            throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.InvalidInput, $"{path} is a folder", "Give the path of the database file.", path);
        var folder = Path.GetDirectoryName(path)!;
        if (FileStatus.Of(newFile)?.Device is { } device && FileStatus.Of(folder)?.Device is { } here && device != here)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.Refused, $"{newFile} is on another file system than {path}", $"Put it into {folder}, so that it can take the path in one step. Nothing was changed.", newFile);
    }

    private static SwapPlan Plan(NodeDefinition node, string newFile, string keepFolder) =>
        new(DatabasePath.Of(node), Path.GetFullPath(newFile), Path.TrimEndingDirectorySeparator(Path.GetFullPath(keepFolder)));

    private static DbRecoveryException Failed(Exception e, string path) => e switch
    {
        UnauthorizedAccessException => new(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"{path} cannot be replaced: {e.Message}", "Run as the owner of the file and its folder; the swap can be repeated.", path, e),
        _ when OperatingSystem.IsWindows() => new(ErrorIds.DatabaseBusy, ErrorKind.Busy, $"{path} cannot be replaced while a program has it open: {e.Message}", "Close the programs that use the database; the swap can be repeated.", path, e),
        _ => new(ErrorIds.RestoreFailed, ErrorKind.Failed, $"{path} cannot be replaced: {e.Message}", "See the cause; the swap can be repeated.", path, e),
    };
}

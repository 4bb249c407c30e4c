using System.Diagnostics;
using DbRecovery.Sqlite.Backup;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>Brings a table, or chosen rows of one, back out of a backup of pages, of which it reads only what holds the table.</summary>
internal sealed class SqliteRowRestore : IRowRestore
{
    private const int NoSpace = 28; // ENOSPC
    private const string ScratchPrefix = "dbrecovery-rows-";

    /// <inheritdoc/>
    public async Task<RowRestoreResult> RestoreRowsAsync(RowRestoreOrder order, Action<RowDifference>? difference, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Check(order);
        var started = Stopwatch.GetTimestamp();
        using var image = new BackupImage(await order.Backup.OpenFileAsync(SqliteBackupSource.FileName, cancellationToken).ConfigureAwait(false));
        var target = order.Options.Destination ?? DatabasePath.Of(order.Node!);
        try
        {
            var result = await Task.Run(() => order.Options.Destination is not null
                ? Task.FromResult(ToFile(order, image, cancellationToken))
                : new RowRestoreRun(order, image, target, difference, progress).ExecuteAsync(cancellationToken), CancellationToken.None).ConfigureAwait(false);
            return result with { Duration = Stopwatch.GetElapsedTime(started) };
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw image.Error ?? SqliteConnections.ToError(e, target, $"restoring rows of '{order.Selection.Table}'");
        }
        catch (IOException) when (image.Error is { } damaged)
        {
            throw damaged;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw e.HResult is NoSpace or unchecked((int)0x80070070)
                ? new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, $"no space is left: {e.Message}", "Free space; nothing was changed.", target, e)
                : new DbRecoveryException(e is UnauthorizedAccessException ? ErrorIds.AccessDenied : ErrorIds.RestoreFailed, e is UnauthorizedAccessException ? ErrorKind.PermissionDenied : ErrorKind.Failed,
                    $"rows of '{order.Selection.Table}' could not be restored: {e.Message}", "Nothing was changed; check the rights of the folders.", target, e);
        }
    }

    /// <summary>A result without counts.</summary>
    internal static RowRestoreResult Result(RowRestoreOrder order, RowStage stage) => new()
    {
        BackupId = order.Backup.Info.Id,
        Cluster = order.Backup.Info.Cluster,
        Table = stage.Table.Name,
        DataAsOf = order.Backup.Source.DataAsOf,
        RowsInBackup = stage.Rows,
        Added = 0,
        Changed = 0,
        Missing = 0,
        Duration = default,
        Notes = stage.Notes,
    };

    /// <summary>A folder for what is needed only while it runs.</summary>
    internal static OwnedFolder Scratch() => OwnedFolder.Create(Path.GetTempPath(), ScratchPrefix);

    /// <summary>Ends a statement of a connection when the token is cancelled.</summary>
    internal static CancellationTokenRegistration Interrupt(SqliteConnection connection, CancellationToken cancellationToken)
    {
        var handle = connection.Handle;
        return cancellationToken.Register(() => raw.sqlite3_interrupt(handle));
    }

    private static void Check(RowRestoreOrder order)
    {
        var options = order.Options;
        if (options is { Destination: not null } and ({ Apply.Count: > 0 } or { StagingTable: not null }))
            throw Invalid("a destination was given together with what is done in the live database", "Restore into a file, or into the database.");
        if (options.Destination is null && order.Node is null)
            throw Invalid("neither a destination nor a database was given", "Give one of them.");
        if (options.Apply.Count > 0 && options.UndoScript is null)
            throw Invalid("rows shall be written, and no undo script was named", "Name the file that shall hold it.");
        if (options.UndoScript is { } script && options.Apply.Count > 0)
            UndoScript.RefuseExisting(script);

        DbRecoveryException Invalid(string message, string action) => new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, message, action, order.Selection.Table);
    }

    private static RowRestoreResult ToFile(RowRestoreOrder order, BackupImage image, CancellationToken cancellationToken)
    {
        var destination = Path.GetFullPath(order.Options.Destination!);
        var folder = Path.GetDirectoryName(destination)!;
        var taken = new[] { "", "-wal", "-journal", "-shm" }.Select(s => destination + s).FirstOrDefault(p => File.Exists(p) || Directory.Exists(p));
        if (taken is not null)
            throw Exists(taken);
        Directory.CreateDirectory(folder);
        using var staging = OwnedFolder.CreateBeside(destination);
        var file = Path.Combine(staging.Path, "database");
        using var backup = ImageConnection.Open(image, $"backup {order.Backup.Info.Id}", attachWritable: true);
        RowStage stage;
        using (Interrupt(backup.Connection, cancellationToken))
            stage = RowStage.Fill(backup.Connection, image, order.Selection, file, complete: true);
        Statement.Run(backup.Connection, $"DETACH {RowStage.Schema}");
        if (order.Backup.Entries.FirstOrDefault(e => e.Path == SqliteBackupSource.FileName)?.Mode is { } mode && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(file, (UnixFileMode)(mode & 0x1ff));
        PosixFile.Sync(file);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            File.Move(file, destination, overwrite: false);
        }
        catch (IOException) when (File.Exists(destination))
        {
            throw Exists(destination);
        }
        PosixFile.Sync(folder);
        return Result(order, stage) with { Path = destination };
    }

    private static DbRecoveryException Exists(string path) => new(ErrorIds.TargetExists, ErrorKind.Refused, $"{path} exists", "Name a file that does not: rows are not put into one that is there.", path);
}

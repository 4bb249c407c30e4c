using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using DbRecovery.Sqlite.Swap;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>Reads damaged databases page by page, without SQLite, which gives up at the first bad page.</summary>
internal sealed class SqliteSalvager(TimeProvider clock) : ISalvager
{
    private const int Attempts = 3;

    /// <inheritdoc/>
    public Task<SalvageReport> SalvageAsync(string damaged, string? destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Task.Run(() => destination is null ? Look(damaged, cancellationToken) : Salvage(damaged, Path.GetFullPath(destination), progress, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<SalvageReport> AddNewerRowsAsync(string damaged, string restored, string? rowList, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Task.Run(() => AddNewerRows(damaged, Path.GetFullPath(restored), rowList, progress, cancellationToken), cancellationToken);

    private SalvageReport Look(string damaged, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var source = Source(damaged);
        var report = Steadily(source, cancellationToken, settled =>
        {
            using var pages = Open(source, cancellationToken);
            var tables = new List<SalvagedTable>();
            foreach (var table in pages.Tables.Where(t => !ObjectCatalog.IsInternal(t.Row.Name)))
            {
                var rows = new TableRows(pages, table, cancellationToken);
                // every row is looked at: only then it is known what can be read
                _ = rows.Read().LongCount();
                tables.Add(rows.Report());
            }
            settled();
            var strays = pages.Strays.Count == 0 ? [] : new[] { $"{Counted.Of(pages.Strays.Count, "page holds", "pages hold")} rows that belong in no table for certain" };
            return new SalvageReport { Source = source, Tables = tables, RowsWritten = 0, Problems = [.. pages.Problems, .. strays], Duration = default };
        });
        return report with { Duration = clock.GetElapsedTime(start) };
    }

    private static DamagedDatabase Open(string source, CancellationToken cancellationToken)
    {
        var pages = DamagedDatabase.Open(source, null, cancellationToken);
        if (pages.Tables.Count > 0 || pages.Strays.Count > 0)
            return pages;
        pages.Dispose();
        throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"no table and no row of {source} can be read", "Restore it from a backup: there is nothing to salvage.", source);
    }

    private SalvageReport Salvage(string damaged, string destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var source = Source(damaged);
        CheckDestination(destination);
        var folder = Path.GetDirectoryName(destination)!;
        OwnedFolder? staging = null;
        try
        {
            staging = OwnedFolder.CreateBeside(destination);
            var staged = Path.Combine(staging.Path, "database");
            var report = Steadily(source, cancellationToken, settled =>
            {
                using var pages = Open(source, cancellationToken);
                var (tables, written, refused, problems) = new NewDatabase(pages, staged, progress, cancellationToken).Write();
                if (pages.Pages.Header.IsWal)
                    JournalModeBytes.Set(staged, JournalModeBytes.Wal);
                settled();
                return new SalvageReport { Source = source, Destination = destination, Tables = tables, RowsWritten = written, RowsRefused = refused, Problems = [.. pages.Problems, .. problems], Duration = default };
            });
            PosixFile.Sync(staged);
            File.Move(staged, destination, overwrite: false);
            PosixFile.Sync(folder);
            return report with { Duration = clock.GetElapsedTime(start) };
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, destination, "writing the salvaged database");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(e, destination);
        }
        finally
        {
            staging?.Dispose();
        }
    }

    private SalvageReport AddNewerRows(string damaged, string restored, string? rowList, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        var source = Source(damaged);
        if (!File.Exists(restored))
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"the restored database {restored} does not exist", "Restore a backup there first.", restored);
        try
        {
            var report = Steadily(source, cancellationToken, settled => new NewerRows(source, restored, rowList, progress, cancellationToken).Run(settled));
            return report with { Duration = clock.GetElapsedTime(start) };
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, restored, "adding salvaged rows");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(e, restored);
        }
    }

    // no lock would be of use on a file that SQLite cannot read: what was written meanwhile is read again
    private static SalvageReport Steadily(string source, CancellationToken cancellationToken, Func<Func<bool>, SalvageReport> read)
    {
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var signature = DatabaseView.Signature(source);
            var changed = false;
            var last = attempt == Attempts;
            var report = read(() =>
            {
                changed = signature != DatabaseView.Signature(source);
                return !changed || last;
            });
            if (!changed)
                return report;
            if (last)
                return report with { Problems = [.. report.Problems, "the file was written while it was read: rows that were moved or added meanwhile may be missing"] };
        }
    }

    private static string Source(string damaged)
    {
        var path = DatabasePath.Of(damaged);
        if (!File.Exists(path))
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"{damaged} does not exist", "Check the path. A file that is gone cannot be salvaged: restore a backup.", damaged);
        return new FileInfo(path).Length > 0 ? path
            : throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"{damaged} is empty: there is nothing to salvage", "Restore it from a backup.", damaged);
    }

    private static void CheckDestination(string destination)
    {
        if (Directory.Exists(destination))
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{destination} is a folder", "Give the path of a new file.", destination);
        if (SwapPlan.JournalSuffixes.Prepend("").Select(s => destination + s).FirstOrDefault(File.Exists) is { } there)
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{there} exists", "Choose another destination: a salvage replaces nothing.", destination);
    }

    private static DbRecoveryException Failed(Exception e, string path) => e switch
    {
        UnauthorizedAccessException => new(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"{path} cannot be written: {e.Message}", "Run as a user that may write there, or choose another place.", path, e),
        DirectoryNotFoundException => new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the folder of {path} does not exist", "Make the folder, or choose another place.", path, e),
        _ when (e.HResult & 0xffff) is 28 or 112 => new(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, $"the file system of {path} is full", "Free space there.", path, e),
        _ => new(ErrorIds.StepFailed, ErrorKind.Failed, $"{path} cannot be written: {e.Message}", "Choose another place.", path, e),
    };
}

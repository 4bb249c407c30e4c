using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Rows;

/// <summary>One restore of rows into a database: staged, compared, agreed to, written.</summary>
internal sealed class RowRestoreRun(RowRestoreOrder order, BackupImage image, string path, Action<RowDifference>? difference, IProgress<OperationProgress>? progress)
{
    private readonly RowRestoreOptions _options = order.Options;
    private readonly List<string> _notes = [];

    /// <summary>Does it.</summary>
    internal async Task<RowRestoreResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        using var scratch = SqliteRowRestore.Scratch();
        var file = Path.Combine(scratch.Path, "rows");
        using var backup = ImageConnection.Open(image, $"backup {order.Backup.Info.Id}", attachWritable: true);
        progress?.Report(new OperationProgress($"Reading {order.Selection.Table}", "from the backup", 0, null, "rows"));
        RowStage stage;
        using (SqliteRowRestore.Interrupt(backup.Connection, cancellationToken))
            stage = RowStage.Fill(backup.Connection, image, order.Selection, file, complete: false);
        Statement.Run(backup.Connection, $"DETACH {RowStage.Schema}");
        _notes.AddRange(stage.Notes);
        var (match, comparison, seen) = Compare(backup, stage, file, Path.Combine(scratch.Path, "seen"), cancellationToken);
        using (seen)
        {
            var result = SqliteRowRestore.Result(order, stage) with
            {
                Added = comparison.Count(RowDifferenceKind.Added),
                Changed = comparison.Count(RowDifferenceKind.Changed),
                Missing = comparison.Count(RowDifferenceKind.Missing),
                KeyColumns = match.Key,
                Notes = _notes,
            };
            var plan = Plan(match, seen, stage);
            if (plan is null || _options.Approve is { } approve && !await approve(plan, cancellationToken).ConfigureAwait(false))
                return result;
            return Write(result, match, seen, file, plan, cancellationToken);
        }
    }

    private (RowMatch, RowComparison, RecordedDifferences?) Compare(ImageConnection backup, RowStage stage, string rows, string seenFile, CancellationToken cancellationToken)
    {
        using var bytes = LiveImage.Open(path);
        var header = SqliteHeader.TryRead(bytes)
            ?? throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.CorruptData, $"{path} is not an SQLite database, is encrypted, or its header is destroyed", "Check its health; restore it as a whole, or restore the table into a file of its own.", path);
        using var view = DatabaseView.Open(path, bytes, header, FileUsers.Of(path), _options.LockTimeout, cancellationToken);
        var connection = view.Connection;
        using var interrupt = SqliteRowRestore.Interrupt(connection, cancellationToken);
        var live = TableSchema.Read(connection, stage.Table.Name, "the database");
        var addedAreKnown = live is null || ConditionFits(connection, live);
        RequireNoTriggers(live);
        RequireNewStagingTable(connection);
        RowStage.Attach(connection, rows, "ro", RowStage.Schema);
        // one reading transaction: what is compared is of one moment
        Statement.Run(connection, "BEGIN");
        var match = RowMatch.Of(connection, stage, live);
        _notes.AddRange(match.Notes);
        var seen = _options.Apply.Count > 0 ? new RecordedDifferences(seenFile, match) : null;
        try
        {
            var comparison = new RowComparison(connection, match, order.Selection);
            comparison.AttachBackup(backup);
            comparison.Run(difference, seen is null ? null : (kind, key, row) =>
            {
                if (_options.Apply.Contains(kind))
                    seen.Add(kind, key, row);
            }, addedAreKnown, progress, cancellationToken);
            seen?.Complete();
            Statement.Run(connection, "ROLLBACK");
            if (!view.StillHolds)
                throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, $"{path} was opened and written while it was compared", "Compare again.", path);
            return (match, comparison, seen);
        }
        catch
        {
            seen?.Dispose();
            throw;
        }
    }

    // the condition is meant for the backup; where a column has gone since, it cannot find rows in the database
    private bool ConditionFits(SqliteConnection connection, TableSchema live)
    {
        if (order.Selection.Where is not { } condition)
            return true;
        try
        {
            RowCondition.Check(connection, live.Name, condition, "the database");
            return true;
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.ObjectNotFound)
        {
            _notes.Add($"{e.Message}; rows that only the database has were not looked for");
            return false;
        }
    }

    private void RequireNoTriggers(TableSchema? live)
    {
        if (live is not { Triggers.Count: > 0 } || _options.Apply.Count == 0)
            return;
        var names = string.Join(", ", live.Triggers.Select(t => t.Name));
        if (!_options.Force)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Refused, $"the table '{live.Name}' has triggers ({names}), and they do not fire when rows are restored: what they keep up to date elsewhere would not follow",
                "Restore what they write, too, and force it; nothing was changed.", live.Name);
        _notes.Add($"triggers did not fire: {names}");
    }

    private void RequireNewStagingTable(SqliteConnection connection)
    {
        if (_options.StagingTable is not { } name)
            return;
        if (name.Length == 0 || ObjectCatalog.IsInternal(name))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{name}' cannot be a table's name", "Names that begin with sqlite_ are SQLite's own.", name);
        if (Statement.Scalar(connection, "SELECT 1 FROM main.sqlite_master WHERE name = ?1 COLLATE NOCASE", RowValue.Of(name)) is not null)
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"the database has '{name}' already", "Give the staging table another name.", name);
    }

    private RowRestorePlan? Plan(RowMatch match, RecordedDifferences? seen, RowStage stage)
    {
        var (insert, update, delete) = seen is null ? (0, 0, 0) : (seen.Count(RowDifferenceKind.Missing), seen.Count(RowDifferenceKind.Changed), seen.Count(RowDifferenceKind.Added));
        if (insert + update + delete == 0 && _options.StagingTable is null)
            return null;
        return new RowRestorePlan
        {
            BackupId = order.Backup.Info.Id,
            Cluster = order.Backup.Info.Cluster,
            Table = stage.Table.Name,
            Database = path,
            Insert = insert,
            Update = update,
            Delete = delete,
            Statements = [.. _options.StagingTable is { } name ? StagingStatements(match, name) : [], .. new RowStatements(match).For(insert, update, delete)],
            UndoScript = insert + update + delete > 0 ? _options.UndoScript : null,
            StagingTable = _options.StagingTable,
            Notes = _notes,
        };
    }

    // without keys and references: a table for looking at must not hold the application up
    private static string[] StagingStatements(RowMatch match, string name)
    {
        var strict = match.Backup.Columns.Any(c => TableSchema.SameName(c.DeclaredType, "ANY"));
        var columns = string.Join(", ", match.Backup.Columns.Select(c => $"{SqlText.Quote(c.Name)}{(strict || c.DeclaredType.Length == 0 ? "" : " " + SqlText.Quote(c.DeclaredType))}"));
        var list = TableSchema.List(match.Backup.Columns.Select(c => c.Name));
        return [$"CREATE TABLE main.{SqlText.Quote(name)} ({columns})", $"INSERT INTO main.{SqlText.Quote(name)} ({list}) SELECT {list} FROM {match.StagedName}"];
    }

    private RowRestoreResult Write(RowRestoreResult result, RowMatch match, RecordedDifferences? seen, string rows, RowRestorePlan plan, CancellationToken cancellationToken)
    {
        using var connection = SqliteConnections.OpenReadWrite(path, _options.LockTimeout);
        using var interrupt = SqliteRowRestore.Interrupt(connection, cancellationToken);
        RowStage.Attach(connection, rows, "ro", RowStage.Schema);
        if (plan.StagingTable is not null)
            Stage(connection, match, plan.StagingTable);
        result = result with { StagingTable = plan.StagingTable };
        if (plan.Insert + plan.Update + plan.Delete == 0)
            return result;
        RowStage.Attach(connection, seen!.Path, "ro", RecordedDifferences.Schema);
        progress?.Report(new OperationProgress($"Writing {match.Backup.Name}", "rows", 0, seen.Total, "rows"));
        var about = string.Create(CultureInfo.InvariantCulture, $"Takes back what DbRecovery wrote into the table {SqlText.Quote(match.Backup.Name)} of {path} from backup {plan.BackupId}: up to {Counted.Of(plan.Insert, "row")} brought back, {plan.Update} changed, {plan.Delete} deleted.");
        var written = new RowWriter(connection, match, seen).Write(_options.UndoScript!, about, cancellationToken);
        return result with { Written = written.Written, Skipped = written.Skipped, UndoScript = written.Written > 0 ? _options.UndoScript : null, Notes = [.. _notes, .. written.Notes] };
    }

    private static void Stage(SqliteConnection connection, RowMatch match, string name)
    {
        RowWriter.Prepare(connection);
        Statement.Run(connection, "BEGIN IMMEDIATE");
        try
        {
            foreach (var sql in StagingStatements(match, name))
                Statement.Run(connection, sql);
            Statement.Run(connection, "COMMIT");
        }
        catch
        {
            if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0)
                SQLitePCL.raw.sqlite3_exec(connection.Handle, "ROLLBACK");
            throw;
        }
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>What was written.</summary>
internal sealed record RowsWritten(long Written, long Skipped, IReadOnlyList<string> Notes);

/// <summary>
/// Writes differences into a database in one transaction: each row is checked under the lock, then written, the undo script is made
/// durable, foreign keys are checked, and only then is it committed.
/// </summary>
internal sealed class RowWriter(SqliteConnection connection, RowMatch match, RecordedDifferences seen)
{
    private const int NamedRows = 5;
    private readonly RowStatements _statements = new(match);
    private readonly HashSet<long> _skipped = [];
    private readonly List<long> _late = [];
    private readonly List<string> _notes = [];

    /// <summary>Writes.</summary>
    /// <param name="undoScript">The new file of the undo script.</param>
    /// <param name="about">What it undoes, in words.</param>
    /// <param name="cancellationToken">Cancels, until it is committed.</param>
    internal RowsWritten Write(string undoScript, string about, CancellationToken cancellationToken)
    {
        Prepare(connection);
        Statement.Run(connection, "BEGIN IMMEDIATE");
        try
        {
            RequireSameTable();
            var violations = Violations((match.Live ?? match.Backup).Name);
            var before = Sequence();
            Verify(cancellationToken);
            var written = seen.Total - _skipped.Count;
            if (written == 0)
            {
                Statement.Run(connection, "ROLLBACK");
                return new RowsWritten(0, _skipped.Count, _notes);
            }
            WriteRows(cancellationToken);
            var live = match.Live ?? TableSchema.Read(connection, match.Backup.Name, "the database")!;
            using var undo = new UndoScript(undoScript, match, live);
            undo.Write(connection, seen, _skipped, _late, (before, Sequence()), about);
            RequireNoNew(violations, Violations(live.Name));
            cancellationToken.ThrowIfCancellationRequested();
            undo.Keep(); // whatever becomes of the commit: a script that does not fit refuses by itself
            Commit(undo);
            return new RowsWritten(written, _skipped.Count, _notes);
        }
        catch
        {
            // some errors have ended the transaction already
            if (raw.sqlite3_get_autocommit(connection.Handle) == 0)
                raw.sqlite3_exec(connection.Handle, "ROLLBACK");
            throw;
        }
    }

    /// <summary>Neither triggers nor foreign keys shall change other rows: the undo script would not know of them.</summary>
    internal static void Prepare(SqliteConnection connection)
    {
        Statement.Run(connection, "PRAGMA foreign_keys = OFF");
        raw.sqlite3_db_config(connection.Handle, raw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, out var enabled);
        if (enabled != 0)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.NotSupported, "this SQLite library cannot keep triggers from firing", "Use SQLite 3.12 or later.");
    }

    private void Commit(UndoScript undo)
    {
        try
        {
            Statement.Run(connection, "COMMIT");
        }
        catch (SqliteException e) when (raw.sqlite3_get_autocommit(connection.Handle) == 0 || e.SqliteErrorCode is raw.SQLITE_FULL or raw.SQLITE_BUSY)
        {
            // nothing was committed: a reader held it up, or the disk is full
            undo.Discard();
            throw;
        }
    }

    private void RequireSameTable()
    {
        var now = TableSchema.Read(connection, (match.Live ?? match.Backup).Name, "the database");
        if (now?.Sql != match.Live?.Sql)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Refused, $"the table '{match.Backup.Name}' was {(now is null ? "dropped" : "altered")} after the comparison", "Nothing was changed. Compare again.", match.Backup.Name);
    }

    private void Verify(CancellationToken cancellationToken)
    {
        if (match.Live is null)
            return;
        using var now = new Statement(connection, _statements.Select(match.LiveStored));
        foreach (var (number, kind, key, row) in seen.Read(connection))
        {
            cancellationToken.ThrowIfCancellationRequested();
            now.Bind(key);
            var there = now.Step();
            var same = kind == RowDifferenceKind.Missing ? !there : there && RowValue.Same(now.Values(0, row.Length), row);
            now.Reset();
            if (same)
                continue;
            _skipped.Add(number);
            if (_skipped.Count <= NamedRows)
                _notes.Add($"the row {Name(key)} changed after the comparison and was left as it is");
        }
        if (_skipped.Count > NamedRows)
            _notes.Add($"and {_skipped.Count - NamedRows} more");
    }

    private void WriteRows(CancellationToken cancellationToken)
    {
        foreach (var sql in seen.Count(RowDifferenceKind.Missing) > 0 ? _statements.Create : [])
            Statement.Run(connection, sql);
        // first what makes room for what comes
        Each(RowDifferenceKind.Added, _statements.Delete, cancellationToken);
        if (seen.Count(RowDifferenceKind.Changed) > 0)
            Each(RowDifferenceKind.Changed, _statements.Update, cancellationToken);
        Each(RowDifferenceKind.Missing, _statements.Insert, cancellationToken);
        if (match is { Live: null, Backup.AutoIncrement: true })
            KeepSequence();
    }

    // numbers that were given out and deleted must not come again
    private void KeepSequence()
    {
        using var keep = new Statement(connection, $"UPDATE main.sqlite_sequence SET seq = max(seq, coalesce((SELECT s.seq FROM {RowStage.Schema}.sqlite_sequence s WHERE s.name = ?1), 0)) WHERE name = ?1");
        keep.Execute(RowValue.Of(match.Backup.Name));
    }

    private void Each(RowDifferenceKind kind, string sql, CancellationToken cancellationToken)
    {
        if (seen.Count(kind) == 0)
            return;
        using var statement = new Statement(connection, sql);
        var waiting = new List<(long Number, RowValue[] Key)>();
        foreach (var (number, seenKind, key, _) in seen.Read(connection))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (seenKind == kind && !_skipped.Contains(number) && !TryOne(statement, kind, key, last: false))
                waiting.Add((number, key));
        }
        // a value that must be unique may be free only after another row has given it up
        while (waiting.Count > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var left = new List<(long Number, RowValue[] Key)>();
            foreach (var row in waiting)
            {
                if (TryOne(statement, kind, row.Key, last: false))
                    _late.Add(row.Number);
                else
                    left.Add(row);
            }
            if (left.Count == waiting.Count)
                TryOne(statement, kind, left[0].Key, last: true);
            waiting = left;
        }
    }

    private bool TryOne(Statement statement, RowDifferenceKind kind, RowValue[] key, bool last)
    {
        try
        {
            if (statement.Execute(key) != 1)
                throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, $"the row {Name(key)} could not be written, and nothing was changed", "Compare again.", match.Backup.Name);
            return true;
        }
        catch (SqliteException e) when (e.SqliteExtendedErrorCode is raw.SQLITE_CONSTRAINT_UNIQUE or raw.SQLITE_CONSTRAINT_PRIMARYKEY && !last)
        {
            return false;
        }
        catch (SqliteException e) when (e.SqliteErrorCode == raw.SQLITE_CONSTRAINT)
        {
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Refused, $"the row {Name(key)} of '{match.Backup.Name}' ({kind}) does not fit into the database, and nothing was changed: {SqliteConnections.Message(e)}",
                "Look at the row that stands in its way; restore that one, too, or choose other rows.", match.Backup.Name, e);
        }
    }

    private string Name(RowValue[] key) => string.Join(", ", match.Key.Select((k, i) => $"{k} = {Convert.ToString(key[i].ToObject(), CultureInfo.InvariantCulture) ?? "NULL"}"));

    private long? Sequence()
    {
        if (Statement.Scalar(connection, "SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'") is null)
            return null;
        return Statement.Scalar(connection, "SELECT seq FROM main.sqlite_sequence WHERE name = ?1", RowValue.Of((match.Live ?? match.Backup).Name)) as long?;
    }

    // only what refers to the table, or is referred to by it, can be broken by this; what was broken before is not held against it
    private Dictionary<string, int> Violations(string table)
    {
        var found = new Dictionary<string, int>();
        var children = new List<string>();
        using (var list = new Statement(connection, "SELECT DISTINCT m.name FROM main.sqlite_master m, pragma_foreign_key_list(m.name, 'main') f WHERE m.type = 'table' AND (f.\"table\" = ?1 COLLATE NOCASE OR m.name = ?1 COLLATE NOCASE)"))
        {
            list.Bind(RowValue.Of(table));
            while (list.Step())
                children.Add((string)list.Value(0).ToObject()!);
        }
        foreach (var child in children)
        {
            try
            {
                AddViolations(child, found);
            }
            catch (SqliteException e) when (e.SqliteExtendedErrorCode == raw.SQLITE_ERROR)
            {
                // a reference to columns that are no key: SQLite takes the definition, and checks it only where somebody asks
                var note = $"the foreign keys of '{child}' cannot be checked: {SqliteConnections.Message(e)}";
                if (!_notes.Contains(note))
                    _notes.Add(note);
            }
        }
        return found;
    }

    private void AddViolations(string child, Dictionary<string, int> found)
    {
        using var check = new Statement(connection, $"PRAGMA main.foreign_key_check({SqlText.Quote(child)})");
        while (check.Step())
        {
            var text = $"{check.Value(0).ToObject()} {(check.Value(1).IsNull ? "" : $"(row {check.Value(1).ToObject()}) ")}refers to a row of {check.Value(2).ToObject()} that is not there";
            found[text] = found.GetValueOrDefault(text) + 1;
        }
    }

    private static void RequireNoNew(Dictionary<string, int> before, Dictionary<string, int> after)
    {
        var added = after.Where(v => v.Value > before.GetValueOrDefault(v.Key)).Select(v => v.Key).Order(StringComparer.Ordinal).ToList();
        if (added.Count > 0)
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Refused, $"foreign keys would be broken, and nothing was changed: {string.Join("; ", added.Take(NamedRows))}{(added.Count > NamedRows ? $"; and {added.Count - NamedRows} more" : "")}",
                "Restore the rows that are referred to first, or leave those out that others refer to.", added[0]);
    }
}

using System.Globalization;
using System.Text;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Rows;

/// <summary>
/// The script that takes written rows back: plain SQL, one transaction, nothing where one of the rows has changed since.
/// </summary>
/// <remarks>
/// A shell goes on after a failed statement. So every statement depends on a guard table that is made inside the transaction, in the
/// database itself: without the write lock there is no such table, and every later statement fails, too. It counts the checks that
/// held, so that one which cannot be carried out counts as one that did not. A row that no longer fits, for somebody has its unique value
/// meanwhile, rolls the transaction back, and the guard goes with it.
/// <para>No DROP depends on anything. So a table that the restore made gets another name first, under which it is there only as
/// long as the transaction is, and is dropped under that. SQL does not tell 0.0 from -0.0: that is the one change of a row which is not seen.</para>
/// </remarks>
internal sealed class UndoScript : IDisposable
{
    private readonly RowMatch _match;
    private readonly TableSchema _live;
    private readonly StreamWriter _writer;
    private readonly string _path;
    private readonly string _guard = $"dbrecovery_undo_{Guid.NewGuid():N}"[..24];
    private readonly string _table;
    private long _checks;
    private bool _kept;

    /// <summary>Begins a script.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.TargetExists"/>.</exception>
    internal UndoScript(string path, RowMatch match, TableSchema live)
    {
        (_path, _match, _live, _table) = (path, match, live, SqlText.Quote(live.Name));
        RefuseExisting(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.Read };
        // it holds rows of the database
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _writer = new StreamWriter(path, new UTF8Encoding(false), options) { NewLine = "\n" };
    }

    /// <summary>Refuses a path that is taken.</summary>
    internal static void RefuseExisting(string path)
    {
        if (File.Exists(path) || Directory.Exists(path))
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"the undo script '{path}' exists", "Name another file: what an older script undoes would be lost with it.", path);
    }

    /// <summary>Writes the script for what was written, and makes it durable.</summary>
    /// <param name="connection">The database, in the transaction that has written.</param>
    /// <param name="seen">What was there before.</param>
    /// <param name="skipped">The numbers of what was left as it is.</param>
    /// <param name="late">The numbers of what was written only after others had made room, in that order.</param>
    /// <param name="sequences">The table's AUTOINCREMENT number before and now.</param>
    /// <param name="about">What it undoes, in words.</param>
    internal void Write(SqliteConnection connection, RecordedDifferences seen, IReadOnlySet<long> skipped, IReadOnlyCollection<long> late, (long? Before, long? Now) sequences, string about)
    {
        Begin(about);
        _checks = 1 + seen.Total - skipped.Count;
        _writer.WriteLine(Check(SameObjects()));
        using (var after = new Statement(connection, new RowStatements(_match with { Live = _live }).Select([.. _match.Key, .. _live.Columns.Select(c => c.Name)])))
        {
            foreach (var (_, kind, key, _) in seen.Read(connection).Where(s => !skipped.Contains(s.Number)))
                _writer.WriteLine(kind == RowDifferenceKind.Added ? Check($"NOT EXISTS ({Row(key)})") : Check($"EXISTS ({Row(key)}{AsWritten(after, key)})"));
        }
        foreach (var trigger in _live.Triggers)
            _writer.WriteLine($"DROP TRIGGER {SqlText.Quote(trigger.Name)};");
        // in the opposite order of the writing
        var known = late.ToHashSet();
        var backwards = seen.Read(connection, late.Reverse()).Concat(seen.Read(connection, backwards: true).Where(s => !skipped.Contains(s.Number) && !known.Contains(s.Number)));
        foreach (var kind in new[] { RowDifferenceKind.Missing, RowDifferenceKind.Changed, RowDifferenceKind.Added })
            foreach (var (_, _, key, row) in backwards.Where(s => s.Kind == kind))
                _writer.WriteLine(kind switch
                {
                    RowDifferenceKind.Missing => $"DELETE FROM {_table} WHERE {KeyIs(key)} AND {Allowed};",
                    RowDifferenceKind.Changed => Restore(key, row),
                    _ => $"INSERT OR ROLLBACK INTO {_table} ({TableSchema.List(_match.LiveStored)}) SELECT {string.Join(", ", row.Select(Sql))} WHERE {Allowed};",
                });
        foreach (var trigger in _live.Triggers)
            _writer.WriteLine($"{trigger.Sql};");
        if (sequences.Before != sequences.Now)
            _writer.WriteLine(sequences.Before is { } before
                ? string.Create(CultureInfo.InvariantCulture, $"UPDATE sqlite_sequence SET seq = {before} WHERE name = {Sql(RowValue.Of(_live.Name))} AND seq = {sequences.Now} AND {Allowed};")
                : string.Create(CultureInfo.InvariantCulture, $"DELETE FROM sqlite_sequence WHERE name = {Sql(RowValue.Of(_live.Name))} AND seq = {sequences.Now} AND {Allowed};"));
        End();
    }

    /// <summary>Keeps the file: what it undoes is about to be committed.</summary>
    internal void Keep() => _kept = true;

    /// <summary>Removes the file where nothing was committed.</summary>
    internal void Discard() => _kept = false;

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _writer.Dispose();
        }
        catch (IOException)
        {
            // no space for its last bytes: the error is on its way already
        }
        if (!_kept)
            File.Delete(_path);
    }

    private string Allowed => string.Create(CultureInfo.InvariantCulture, $"(SELECT held = {_checks} FROM main.{_guard})");

    private string Sql(RowValue value) => value.ToSql(_live.Encoding);

    private string KeyIs(RowValue[] key) => string.Join(" AND ", _match.Key.Select((k, i) => $"{SqlText.Quote(k)} = {Sql(key[i])}"));

    private string Row(RowValue[] key) => $"SELECT 1 FROM {_table} WHERE {KeyIs(key)}";

    private string Check(string condition) => $"UPDATE main.{_guard} SET held = held + 1 WHERE {condition};";

    // other columns are other rows, and triggers that this script does not know would fire
    private string SameObjects()
    {
        var definitions = _live.Triggers.Select(t => t.Sql).Prepend(_live.Sql).ToList();
        var count = $"(SELECT count(*) FROM main.sqlite_master WHERE type IN ('table', 'trigger') AND tbl_name = {Sql(RowValue.Of(_live.Name))} COLLATE NOCASE";
        return string.Create(CultureInfo.InvariantCulture, $"{count}) = {definitions.Count} AND {count} AND sql IN ({string.Join(", ", definitions.Select(d => Sql(RowValue.Of(d))))})) = {definitions.Count}");
    }

    private string AsWritten(Statement after, RowValue[] key)
    {
        after.Bind(key);
        if (!after.Step())
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, $"a row of '{_live.Name}' that was written cannot be read back", "Nothing was changed.", _live.Name);
        var text = new StringBuilder();
        for (var i = 0; i < _live.Columns.Count; i++)
        {
            var (column, value) = (SqlText.Quote(_live.Columns[i].Name), after.Value(_match.Key.Count + i));
            // by type and bytes, whatever the column's collation and affinity
            text.Append(value.IsNull ? $" AND {column} IS NULL" : $" AND typeof({column}) = '{value.TypeName}' AND +{column} = {Sql(value)} COLLATE BINARY");
        }
        after.Reset();
        return text.ToString();
    }

    private string Restore(RowValue[] key, RowValue[] row)
    {
        var values = row.AsSpan(_match.LiveStored.Count - _live.Columns.Count).ToArray();
        var sets = _live.Columns.Select((c, i) => (c.Name, Value: values[i])).Where(c => !(_live.KeyIsRowId && TableSchema.SameName(_live.PrimaryKey[0], c.Name)));
        return $"UPDATE OR ROLLBACK {_table} SET {string.Join(", ", sets.Select(s => $"{SqlText.Quote(s.Name)} = {Sql(s.Value)}"))} WHERE {KeyIs(key)} AND {Allowed};";
    }

    private void Begin(string about)
    {
        _writer.WriteLine($"-- {about.ReplaceLineEndings(" ")}");
        _writer.WriteLine("-- Run it with the sqlite3 shell: sqlite3 DATABASE < THIS-FILE");
        _writer.WriteLine("-- It takes back all of it, or, where one of these rows has changed since, nothing, and ends with an error.");
        _writer.WriteLine("PRAGMA foreign_keys = OFF;");
        _writer.WriteLine($"CREATE TEMP TABLE {_guard}_end (ok INTEGER CONSTRAINT rows_have_changed_since_nothing_was_undone CHECK (ok = 1));");
        _writer.WriteLine("BEGIN;");
        _writer.WriteLine($"CREATE TABLE main.{_guard} (held INTEGER);");
        _writer.WriteLine($"INSERT INTO main.{_guard} VALUES (0);");
    }

    // what refers to the table keeps its name: it did so before the table was made again, too
    private void DropTable()
    {
        _writer.WriteLine("-- The restore made the table: it goes, too, unless somebody has put other rows into it.");
        _writer.WriteLine("PRAGMA legacy_alter_table = ON;");
        _writer.WriteLine($"CREATE TEMP TABLE {_guard}_empty (ok INTEGER CONSTRAINT other_rows_are_in_the_table_and_it_stays CHECK (ok = 1));");
        _writer.WriteLine("BEGIN;");
        _writer.WriteLine($"ALTER TABLE main.{_table} RENAME TO {_guard};");
        _writer.WriteLine($"INSERT OR ROLLBACK INTO temp.{_guard}_empty SELECT EXISTS (SELECT 1 FROM temp.{_guard}_end) AND NOT EXISTS (SELECT 1 FROM main.{_guard});");
        _writer.WriteLine($"DROP TABLE main.{_guard};");
        _writer.WriteLine("COMMIT;");
    }

    private void End()
    {
        _writer.WriteLine($"INSERT OR ROLLBACK INTO temp.{_guard}_end SELECT {Allowed};");
        _writer.WriteLine($"DROP TABLE main.{_guard};");
        _writer.WriteLine("COMMIT;");
        if (_match.Live is null)
            DropTable();
        _writer.Flush();
        ((FileStream)_writer.BaseStream).Flush(flushToDisk: true);
        if (!OperatingSystem.IsWindows())
            PosixFile.Sync(Path.GetDirectoryName(Path.GetFullPath(_path))!);
    }
}

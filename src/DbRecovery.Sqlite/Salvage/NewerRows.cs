using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>
/// Adds the rows of a damaged database that a restored one has not: in one transaction, without triggers, and only what leaves every
/// constraint whole. Pages that are the same in both are passed over.
/// </summary>
internal sealed class NewerRows(string damagedPath, string restoredPath, string? rowList, IProgress<OperationProgress>? progress, CancellationToken cancellationToken, TimeSpan? lockTimeout = null)
{
    private const int MostListed = 20;

    private readonly TimeSpan _lockTimeout = lockTimeout ?? TimeSpan.FromSeconds(30);
    private readonly List<string> _problems = [];
    private readonly List<NewerTable> _tables = [];

    /// <summary>Adds them.</summary>
    /// <param name="settled">Asked before the end: false takes everything back.</param>
    internal SalvageReport Run(Func<bool> settled)
    {
        using var connection = SqliteConnections.OpenReadWrite(restoredPath, _lockTimeout);
        try
        {
            return Run(connection, settled);
        }
        finally
        {
            // while one of their statements is left, the connection only seems to close, and keeps its lock
            foreach (var table in _tables)
                table.Dispose();
        }
    }

    private SalvageReport Run(SqliteConnection connection, Func<bool> settled)
    {
        // pages that spilled into the file would no longer be the backup's
        foreach (var pragma in new[] { "foreign_keys = OFF", "trusted_schema = OFF", "cache_spill = OFF", "temp_store = MEMORY" })
            connection.Run("PRAGMA " + pragma);
        raw.sqlite3_db_config(connection.Handle, raw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, out _);
        connection.Run("BEGIN IMMEDIATE");
        var schema = ObjectCatalog.ReadSchema(connection);
        using (var restored = PageStore.Open(restoredPath, cancellationToken))
        using (var damaged = DamagedDatabase.Open(damagedPath, schema, cancellationToken))
        {
            _problems.AddRange(damaged.Problems);
            Func<uint, bool> same = damaged.Pages.Header.PageSize == restored.Header.PageSize
                ? page => damaged.Pages.TryReadBytes(page) is { } a && restored.TryReadBytes(page) is { } b && a.AsSpan().SequenceEqual(b)
                : _ => false;
            Add(connection, damaged, schema, same);
        }
        NewerTable.RemoveChildren(_tables, cancellationToken);
        var added = _tables.SelectMany(t => t.Added).ToList();
        cancellationToken.ThrowIfCancellationRequested();
        var write = rowList is not null && settled();
        if (write && added.Count > 0)
            Commit(connection, added);
        else
            connection.Run(write ? "COMMIT" : "ROLLBACK");
        // nothing may stay beside a file that is about to take another's place
        connection.Run("PRAGMA wal_checkpoint(TRUNCATE)");
        return new SalvageReport
        {
            Source = damagedPath,
            Destination = restoredPath,
            Tables = [.. _tables.Select(t => t.Report()).Where(t => t.Rows + t.RowsFromIndexes + t.RowsRefused + t.RowsChanged > 0 || !t.Complete)],
            RowsWritten = added.Count,
            RowsRefused = _tables.Sum(t => t.Refused),
            RowList = write && added.Count > 0 ? rowList : null,
            Problems = [.. _problems, .. _tables.SelectMany(t => t.Problems.Take(MostListed))],
            Duration = default,
        };
    }

    // the list comes first, so that no row is added which it does not name; where none is, it says so, too
    private void Commit(SqliteConnection connection, IReadOnlyList<SalvagedRow> added)
    {
        // a run that was cut off before its end may have left its list: the same rows are added again, and listed once
        var before = File.Exists(rowList) ? SalvagedRowList.Read(rowList) : null;
        SalvagedRowList.Write(rowList!, [.. (before ?? []).Union(added)]);
        try
        {
            connection.Run("COMMIT");
        }
        catch (SqliteException) when (before is null)
        {
            File.Delete(rowList!);
            throw;
        }
        catch (SqliteException)
        {
            SalvagedRowList.Write(rowList!, before!);
            throw;
        }
    }

    private void Add(SqliteConnection connection, DamagedDatabase damaged, IReadOnlyList<SchemaRow> schema, Func<uint, bool> same)
    {
        IReadOnlyDictionary<string, TableShape> shapes;
        using (var reader = new ShapeReader())
            shapes = reader.Read(schema, []);
        var virtuals = schema.Concat(damaged.Schema).Where(ObjectCatalog.IsVirtual).Select(r => r.Name + "_").ToHashSet(StringComparer.OrdinalIgnoreCase);
        if (virtuals.Count > 0)
            _problems.Add("virtual tables get no newer rows: their content is one whole");
        foreach (var table in damaged.Tables.Where(t => !ObjectCatalog.IsInternal(t.Row.Name)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (virtuals.Any(v => table.Row.Name.StartsWith(v, StringComparison.OrdinalIgnoreCase)))
                continue;
            if (!shapes.TryGetValue(table.Row.Name, out var shape))
                _problems.Add($"table {table.Row.Name} is not in the backup: it is not added");
            else if (table.Shape is null || !SameShape(shape, table.Shape))
                _problems.Add($"table {table.Row.Name} has another definition than in the backup: its newer rows are not added");
            else if (shape.PrimaryKey.Count == 0 && ShapeReader.RowIdName(shape.Columns) is null)
                _problems.Add($"table {table.Row.Name} has no key, and columns hide the numbers of its rows: they cannot be told apart, and newer ones are not added");
            else
                Add(connection, damaged, table, shape, same);
        }
    }

    private void Add(SqliteConnection connection, DamagedDatabase damaged, DamagedTable table, TableShape shape, Func<uint, bool> same)
    {
        progress?.Report(new OperationProgress("Looking for newer rows", table.Row.Name, _tables.Sum(t => t.Added.Count), null));
        var target = new NewerTable(connection, shape);
        _tables.Add(target);
        var rows = new TableRows(damaged, table, cancellationToken);
        connection.Run("SAVEPOINT one_table");
        foreach (var row in rows.Read(same))
            target.Take(row);
        if (target.IsUndecidable)
        {
            target.RefuseAll();
            connection.Run("ROLLBACK TO one_table");
        }
        connection.Run("RELEASE one_table");
        target.Readable = rows.Report();
    }

    private static bool SameShape(TableShape a, TableShape b) =>
        a.WithoutRowId == b.WithoutRowId && a.RowIdColumn == b.RowIdColumn && a.Columns.SequenceEqual(b.Columns) && a.Stored.SequenceEqual(b.Stored) && a.PrimaryKey.SequenceEqual(b.PrimaryKey);
}

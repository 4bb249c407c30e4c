using System.Globalization;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>
/// Writes what a damaged database still holds into a new one: tables and unique indexes, rows, then the rest of the schema. The new
/// one must pass SQLite's integrity check.
/// </summary>
internal sealed class NewDatabase(DamagedDatabase damaged, string path, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
{
    private const int AutoVacuumModeOffset = 64;
    private const int RowsBetweenReports = 10_000;
    private readonly List<SalvagedTable> _tables = [];
    private readonly List<string> _problems = [];
    private long _written, _refused;

    /// <summary>Writes it.</summary>
    /// <returns>The tables, the rows written, the rows that went into no table, and problems.</returns>
    internal (IReadOnlyList<SalvagedTable> Tables, long Written, long Refused, IReadOnlyList<string> Problems) Write()
    {
        using (var connection = Create())
        {
            connection.Run("BEGIN");
            Define(connection, r => r.Type == "table" && !ObjectCatalog.IsVirtual(r) && !ObjectCatalog.IsInternal(r.Name));
            Define(connection, r => r.Type == "index" && IsUnique(r));
            var lost = new LostAndFound(connection, [.. damaged.Schema.Select(r => r.Name)]);
            foreach (var table in damaged.Tables.OrderBy(t => t.Row.RootPage))
                Copy(connection, table, lost);
            foreach (var (page, why) in damaged.Strays)
                AddStray(page, why, lost);
            Define(connection, r => r.Type == "index" && !IsUnique(r));
            Define(connection, r => r.Type == "view");
            Define(connection, r => r.Type == "trigger");
            DefineVirtual(connection);
            connection.Run("COMMIT");
            if (damaged.Schema.Any(r => r.Name == "sqlite_stat1"))
                connection.Run("ANALYZE");
            if (lost.Name is not null)
                _problems.Add($"{Counted.Of(lost.Rows, "row that belongs in no table for certain is", "rows that belong in no table for certain are")} in the table {lost.Name}, each with the reason");
            _refused = lost.Rows;
            Finish(connection);
        }
        return (_tables, _written, _refused, _problems);
    }

    private SqliteConnection Create()
    {
        File.WriteAllBytes(path, []);
        var connection = SqliteConnections.OpenReadWrite(path, TimeSpan.FromSeconds(1));
        var header = damaged.Pages.Header;
        connection.Run($"PRAGMA page_size = {header.PageSize}");
        connection.Run($"PRAGMA encoding = '{damaged.Pages.Encoding switch { 2 => "UTF-16le", 3 => "UTF-16be", _ => "UTF-8" }}'");
        if (header.LargestRoot != 0)
            connection.Run($"PRAGMA auto_vacuum = {(damaged.Pages.TryReadBytes(1)?.AsSpan(AutoVacuumModeOffset, 4).ContainsAnyExcept((byte)0) == true ? 2 : 1)}");
        // the file is thrown away whole where anything goes wrong
        foreach (var pragma in new[] { "journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF", "trusted_schema = OFF", "temp_store = MEMORY" })
            connection.Run("PRAGMA " + pragma);
        return connection;
    }

    private void Define(SqliteConnection connection, Func<SchemaRow, bool> which)
    {
        foreach (var row in damaged.Schema.Where(r => r.Sql is not null && which(r)))
        {
            if (RawStatement.TryDefine(connection, row.Sql!) is { } why)
                _problems.Add($"{row.Type} {row.Name} could not be made: {why}");
        }
    }

    private void Copy(SqliteConnection connection, DamagedTable table, LostAndFound lost)
    {
        if (table.Row.Name.StartsWith("sqlite_stat", StringComparison.OrdinalIgnoreCase))
            return;
        var rows = new TableRows(damaged, table, cancellationToken);
        using var inserter = table.Shape is { } shape && RawStatement.HasTable(connection, table.Row.Name) ? new RowInserter(connection, shape) : null;
        if (ObjectCatalog.IsInternal(table.Row.Name) && inserter is not null)
            connection.Run($"DELETE FROM {SqlText.Quote(table.Row.Name)}");
        foreach (var row in rows.Read())
        {
            var why = inserter is null ? "the table's definition is not known" : inserter.TryInsert(row);
            if (why is null)
                _written++;
            else
                lost.Add(new LooseRow(table.Row.Name, row.Page, row.RowId, row.Fields, why));
            if (_written % RowsBetweenReports == 0)
                progress?.Report(new OperationProgress("Salvaging", table.Row.Name, _written, null));
        }
        foreach (var part in rows.Partly)
            lost.Add(part);
        var report = rows.Report();
        if (!ObjectCatalog.IsInternal(table.Row.Name) || !report.Complete)
            _tables.Add(report);
    }

    private void AddStray(uint number, string why, LostAndFound lost)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (damaged.Pages.TryReadBytes(number) is not { } bytes)
            return;
        var usable = damaged.Pages.Header.UsableSize;
        if ((CellPage.TryParse(number, bytes, usable) ?? CellPage.ReadDoubtful(number, bytes, usable)) is not { } page)
            return;
        foreach (var cell in page.Cells)
        {
            if (damaged.Pages.TryReadPayload(page, cell, out _) is { } payload && RecordReader.TryDecode(payload, damaged.Pages.Encoding) is { Length: > 0 } record)
                lost.Add(new LooseRow(null, number, page.IsTable ? cell.RowId : null, record, why));
        }
    }

    // its content is in tables that were copied: making it anew would make those anew, too
    private void DefineVirtual(SqliteConnection connection)
    {
        var virtuals = damaged.Schema.Where(ObjectCatalog.IsVirtual).ToList();
        if (virtuals.Count == 0)
            return;
        connection.Run("PRAGMA writable_schema = ON");
        using (var insert = new RawStatement(connection, "insert into sqlite_master (type, name, tbl_name, rootpage, sql) values ('table', ?1, ?1, 0, ?2)"))
        {
            foreach (var row in virtuals)
                insert.Execute(row.Name, row.Sql);
        }
        connection.Run("PRAGMA writable_schema = OFF");
    }

    private void Finish(SqliteConnection connection)
    {
        var header = damaged.Pages.Header;
        if (!damaged.Pages.HeaderGuessed)
        {
            connection.Run(string.Create(CultureInfo.InvariantCulture, $"PRAGMA application_id = {(int)header.ApplicationId}"));
            connection.Run(string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version = {(int)header.UserVersion}"));
        }
        cancellationToken.ThrowIfCancellationRequested();
        progress?.Report(new OperationProgress("Salvaging", "integrity_check", _written, null));
        using var check = new RawStatement(connection, "PRAGMA integrity_check(10)");
        check.Run();
        if (check.Value(0)?.ToString() is var line && line != "ok")
            throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"what was salvaged does not pass the integrity check: {line}", "Restore the database from a backup.", path);
    }

    private static bool IsUnique(SchemaRow row) => row.Sql?.StartsWith("CREATE UNIQUE", StringComparison.OrdinalIgnoreCase) ?? false;
}

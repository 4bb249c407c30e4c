using System.Globalization;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>Looks into a database file: is what was restored what was backed up, and what can still be read of a damaged one.</summary>
internal sealed class SqliteInspector : IDataInspector
{
    private const int MostLines = 20;

    /// <inheritdoc/>
    public Task<IReadOnlyList<ProofCheck>> CheckRestoredAsync(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        OnThreadOfItsOwn(() => Check(path, backup, progress, cancellationToken), path, "checking the restored database", cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<TableCount>> CountRowsAsync(string path, CancellationToken cancellationToken) =>
        OnThreadOfItsOwn(() => Count(FileAccessRights.RealPath(path), cancellationToken), path, "counting rows", cancellationToken);

    private static async Task<T> OnThreadOfItsOwn<T>(Func<T> work, string path, string what, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(work, cancellationToken).ConfigureAwait(false);
        }
        catch (SqliteException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, what);
        }
    }

    private static IReadOnlyList<ProofCheck> Check(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        void Tell(string status, long done = 0, long? total = null) => progress?.Report(new OperationProgress($"Checking {backup.Info.Id}", status, done, total));
        using var file = RawDatabaseFile.Open(path);
        var header = Header(file) ?? throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.CorruptData, $"{path} is not an SQLite database", "Restore another backup.", path);
        // read as an image: a database in WAL mode would get a -wal and a -shm beside it otherwise
        using var image = DatabaseView.ImageOf(path, file, header, hot: null, wal: null);
        using var view = DatabaseView.OpenImage(path, image);
        var handle = view.Connection.Handle!;
        using var interrupt = cancellationToken.Register(() => raw.sqlite3_interrupt(handle));
        var checks = new List<ProofCheck>();

        Tell("structure");
        var errors = Lines(view.Connection, $"PRAGMA integrity_check({MostLines})").Where(l => l != "ok").ToList();
        checks.Add(new ProofCheck("integrity_check", errors.Count == 0, errors.Count == 0 ? "every page, row and index entry is in order" : string.Join("; ", errors)));
        cancellationToken.ThrowIfCancellationRequested();

        Tell("keys");
        checks.Add(ForeignKeys(view.Connection));
        cancellationToken.ThrowIfCancellationRequested();

        Tell("rows");
        checks.Add(RowCounts(view.Connection, backup.Source.Objects, cancellationToken));

        // the file itself: the image has a header of its own
        var scan = PageScan.Of(file, header, done => Tell("check sums", done, file.Length), cancellationToken);
        checks.Add(Checksums(ObjectCatalog.ReadSchema(view.Connection), scan, backup.Source.Objects));
        return checks;
    }

    // a database whose keys were broken when it was backed up is restored as it was: that is told, and is no fault of the backup
    private static ProofCheck ForeignKeys(SqliteConnection connection)
    {
        var broken = Lines(connection, "PRAGMA foreign_key_check").Count;
        return new ProofCheck("foreign_key_check", true, broken == 0 ? "no row lacks its parent" : $"{broken} row(s) lack their parent, as they did when the backup was taken");
    }

    private static ProofCheck RowCounts(SqliteConnection connection, IReadOnlyList<DataObject> objects, CancellationToken cancellationToken)
    {
        var wrong = new List<string>();
        var (tables, rows) = (0, 0L);
        foreach (var table in objects.Where(o => o is { Type: "table", Rows: not null }))
        {
            cancellationToken.ThrowIfCancellationRequested();
            // NOT INDEXED: the table itself is counted, not an index of it
            var count = (long)Scalar(connection, $"SELECT count(*) FROM {SqlText.Quote(table.Name == ObjectCatalog.SchemaTable ? "sqlite_master" : table.Name)} NOT INDEXED")!;
            if (count != table.Rows)
                wrong.Add($"{table.Name} has {count} rows, not {table.Rows}");
            tables++;
            rows += count;
        }
        return new ProofCheck("row-counts", wrong.Count == 0, wrong.Count == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{rows} rows in {tables} tables, as when the backup was taken")
            : string.Join("; ", wrong.Take(MostLines)));
    }

    private static ProofCheck Checksums(IReadOnlyList<SchemaRow> schema, PageScan scan, IReadOnlyList<DataObject> expected)
    {
        var problems = new List<string>();
        var found = ObjectCatalog.Describe(schema, scan.Index, scan.Hashes, "", problems).ToDictionary(o => (o.Type, o.Name));
        var wrong = expected.Where(o => o.Checksum is not null && found.GetValueOrDefault((o.Type, o.Name))?.Checksum != o.Checksum).Select(o => $"{o.Type} {o.Name} differs").ToList();
        return new ProofCheck("table-checksums", wrong.Count == 0, wrong.Count == 0
            ? $"{expected.Count(o => o.Checksum is not null)} tables and indexes hold what they held"
            : string.Join("; ", wrong.Take(MostLines)));
    }

    /// <summary>
    /// Rows from the trees' own pages: one pass over the file, around whatever cannot be read. SQL would stop at the first damaged page.
    /// </summary>
    private static IReadOnlyList<TableCount> Count(string path, CancellationToken cancellationToken)
    {
        using var file = RawDatabaseFile.Open(path);
        byte[]? guessed = null;
        var header = Header(file);
        if (header is null && (guessed = HeaderGuess.Make(file)) is not null)
            header = SqliteHeader.TryParse(guessed);
        if (header is null)
            throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.CorruptData, $"nothing of {path} reads as pages of a database", "Restore it from a backup.", path);
        var hot = JournalFile.TryRead(path, withPages: true, cancellationToken) is { Live: true } journal ? journal : null;
        // a guessed header does not say whether the log belongs to it; without it what is counted is a lower bound
        var wal = header.IsWal ? WalFile.TryRead(path, withPages: true, cancellationToken) : null;
        using var image = DatabaseView.ImageOf(path, file, header, hot, wal, guessed);
        var scan = PageScan.Of(image, header, done: null, cancellationToken);
        using var view = DatabaseView.OpenImage(path, image);
        var note = guessed is null ? null : "read through a guessed header";
        return
        [
            .. ObjectCatalog.ReadSchema(view.Connection).Where(r => r.Type == "table" && r.Name != ObjectCatalog.SchemaTable && r.RootPage > 0).Select(row =>
            {
                var walk = scan.Index.Walk(row.RootPage);
                return new TableCount(row.Name, walk.Entries, walk.Problems.Count == 0, walk.Problems.Count == 0 ? note : walk.Problems[0]);
            }),
        ];
    }

    private static SqliteHeader? Header(RawDatabaseFile file)
    {
        var first = new byte[SqliteHeader.Size];
        return file.Read(0, first) == first.Length ? SqliteHeader.TryParse(first) : null;
    }

    private static List<string> Lines(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var lines = new List<string>();
        while (reader.Read())
            lines.Add(Convert.ToString(reader.GetValue(0), CultureInfo.InvariantCulture) ?? "");
        return lines;
    }

    private static object? Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }
}

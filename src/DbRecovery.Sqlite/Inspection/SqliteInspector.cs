using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>Looks into a database file: whether a restored one is what was backed up, and what a damaged one still holds.</summary>
internal sealed class SqliteInspector : IDataInspector
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<ProofCheck>> CheckRestoredAsync(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        RunAsync<IReadOnlyList<ProofCheck>>(() => CheckRestored(path, backup, progress, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<TableCount>> CountRowsAsync(string path, CancellationToken cancellationToken) =>
        RunAsync(() => CountRows(path, cancellationToken), cancellationToken);

    // an image that stops reading because it was cancelled looks like a failing disk to SQLite
    private static async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(work, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && e is (SqliteException or DbRecoveryException))
        {
            throw new OperationCanceledException("cancelled", e, cancellationToken);
        }
    }

    private static List<ProofCheck> CheckRestored(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        using var file = LiveImage.Open(path);
        if (SqliteHeader.TryRead(file) is not { } header)
            return [new ProofCheck("header", false, $"{path} has no SQLite header")];
        using var stoppable = new StoppableImage(DatabaseView.ImageOf(file, header, hot: null, wal: null), cancellationToken);
        using var connection = ImageConnection.Open(stoppable, path);
        var checks = new List<ProofCheck>();
        try
        {
            Tell("check sums");
            var sums = CheckSums(file, header, connection.Connection, backup, cancellationToken);
            checks.Add(sums);
            Tell("integrity_check");
            var lines = Lines(connection.Connection, "PRAGMA integrity_check(100)", 0);
            checks.Add(new ProofCheck("integrity_check", lines is ["ok"], lines is ["ok"] ? "integrity_check says ok" : string.Join("; ", lines.Take(5))));
            Tell("foreign_key_check");
            var violations = Lines(connection.Connection, "PRAGMA foreign_key_check", 0).Count;
            // page by page the same as the source: a violation in it was in the source, too, and the backup is a good one
            checks.Add(new ProofCheck("foreign_key_check", violations == 0 || sums.Passed, violations == 0
                ? "every foreign key has its parent"
                : $"{Counted.Of(violations, "row lacks its parent", "rows lack their parent")}{(sums.Passed ? ", as in the source: its pages are the same" : "")}"));
            Tell("row counts");
            checks.Add(CheckCounts(connection.Connection, backup));
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            checks.Add(new ProofCheck("readable", false, $"SQLite error {e.SqliteExtendedErrorCode}: {SqliteConnections.Message(e)}"));
        }
        cancellationToken.ThrowIfCancellationRequested();
        return checks;

        void Tell(string status) => progress?.Report(new OperationProgress($"Checking {backup.Info.Id}", status, 0, null));
    }

    // over the file itself: the image has another first page
    private static ProofCheck CheckSums(IDatabaseImage image, SqliteHeader header, SqliteConnection connection, IBackupContent backup, CancellationToken cancellationToken)
    {
        var (index, hashes) = Scan(image, header, cancellationToken);
        var problems = new List<string>();
        var found = ObjectCatalog.Describe(ObjectCatalog.ReadSchema(connection), index, hashes, "", problems)
            .ToDictionary(o => (o.Type, o.Name), o => o.Checksum);
        var declared = backup.Source.Objects.Where(o => o.Checksum is not null).ToList();
        var wrong = declared.Where(o => !found.TryGetValue((o.Type, o.Name), out var sum) || sum != o.Checksum).Select(o => $"{o.Type} {o.Name}").ToList();
        var passed = wrong.Count == 0 && declared.Count > 0;
        return new ProofCheck("checksums", passed, declared.Count == 0 ? "the backup lists no check sums"
            : passed ? $"{Counted.Of(declared.Count, "table or index has", "tables and indexes have")} the check sums of the backup"
            : $"other content than was backed up: {string.Join(", ", wrong.Take(10))}");
    }

    private static ProofCheck CheckCounts(SqliteConnection connection, IBackupContent backup)
    {
        var tables = backup.Source.Objects.Where(o => o.Type == "table" && o.Rows is not null).ToList();
        var wrong = new List<string>();
        foreach (var table in tables)
        {
            var name = table.Name == ObjectCatalog.SchemaTable ? "sqlite_master" : table.Name;
            var rows = long.Parse(Lines(connection, $"select count(*) from {SqlText.Quote(name)}", 0)[0], CultureInfo.InvariantCulture);
            if (rows != table.Rows)
                wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{table.Name}: {rows} instead of {table.Rows}"));
        }
        return new ProofCheck("row-counts", wrong.Count == 0, wrong.Count == 0 ? $"{Counted.Of(tables.Count, "table has", "tables have")} the rows of the backup" : string.Join("; ", wrong.Take(10)));
    }

    private static IReadOnlyList<TableCount> CountRows(string path, CancellationToken cancellationToken)
    {
        var real = DatabasePath.Of(path);
        if (!File.Exists(real) || new FileInfo(real).Length < SqliteHeader.Size)
            return [];
        using var file = LiveImage.Open(real);
        byte[]? repaired = null;
        var header = SqliteHeader.TryRead(file) ?? HeaderRepair.Guess(file, out repaired);
        if (header is null)
            return [];
        var hot = DatabaseView.HotJournal(real, FileUsers.Of(real), withPages: true, cancellationToken);
        var wal = WalFile.TryRead(real, withPages: true, cancellationToken);
        using var image = new StoppableImage(DatabaseView.ImageOf(file, header, hot, header.IsWal || repaired is not null ? wal : null, repaired), cancellationToken);
        using var connection = ImageConnection.Open(image, real);
        var (schema, problem) = ReadSchema(connection.Connection, cancellationToken);
        var index = PageScan.Read(image, header, each: null, cancellationToken);
        // rows are counted from the pages: a page that is broken costs its own rows, and nothing beyond it
        return [.. schema.Where(r => r.Type == "table" && r.RootPage > 1).Select(row =>
        {
            var walk = index.Walk(row.RootPage);
            var notes = walk.Problems.Concat(problem is null ? [] : [problem]).ToList();
            return new TableCount(row.Name, walk.Entries, notes.Count == 0, notes.Count == 0 ? null : string.Join("; ", notes.Take(3)));
        })];
    }

    private static (IReadOnlyList<SchemaRow> Rows, string? Problem) ReadSchema(SqliteConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            // a damaged definition would otherwise keep the sound ones from being read
            raw.sqlite3_exec(connection.Handle, "PRAGMA writable_schema = ON");
            return (ObjectCatalog.ReadSchema(connection), null);
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ([], SqliteConnections.Message(e));
        }
    }

    private static (PageIndex Index, PageHashList Hashes) Scan(IDatabaseImage image, SqliteHeader header, CancellationToken cancellationToken)
    {
        using var hashes = new MemoryStream();
        var hash = new byte[PageHashList.HashSize];
        var index = PageScan.Read(image, header, (_, page) =>
        {
            PageHashList.Hash(page, hash);
            hashes.Write(hash);
        }, cancellationToken);
        return (index, new PageHashList(header.PageSize, hashes.ToArray()));
    }

    private static List<string> Lines(SqliteConnection connection, string sql, int column)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var lines = new List<string>();
        while (reader.Read() && lines.Count < 10_000)
            lines.Add(Convert.ToString(reader.GetValue(column), CultureInfo.InvariantCulture) ?? "");
        return lines;
    }

    /// <summary>An image whose reading fails once a token is cancelled: that ends a check which does not hear an interrupt.</summary>
    private sealed class StoppableImage(OverlayImage image, CancellationToken cancellationToken) : IDatabaseImage, IDisposable
    {
        public long Length => image.Length;

        public int Read(long offset, Span<byte> buffer)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return image.Read(offset, buffer);
        }

        public void Dispose() => image.Dispose();
    }
}

using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Rows;

/// <summary>The differences that shall be written, as they were seen: in a file of its own, for there may be more of them than fit into memory.</summary>
internal sealed class RecordedDifferences : IDisposable
{
    /// <summary>The name under which the writer attaches the file.</summary>
    internal const string Schema = "dbrecovery_seen";

    private readonly SqliteConnection _connection;
    private readonly Statement _insert;
    private readonly long[] _counts = new long[3];
    private long _next = 1;

    internal RecordedDifferences(string file, RowMatch match)
    {
        Path = file;
        KeyCount = match.Key.Count;
        ValueCount = match.Live is null ? 0 : match.LiveStored.Count;
        File.Create(file).Dispose();
        _connection = SqliteConnections.OpenReadWrite(file, TimeSpan.Zero);
        // columns without a type keep every value as it is
        var columns = Enumerable.Range(0, KeyCount).Select(i => $"k{i}").Concat(Enumerable.Range(0, ValueCount).Select(i => $"v{i}")).ToList();
        Statement.Run(_connection, $"PRAGMA encoding = '{(match.Backup.Encoding.WebName == "utf-16" ? "UTF-16le" : match.Backup.Encoding.WebName == "utf-16BE" ? "UTF-16be" : "UTF-8")}'; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE seen (n INTEGER PRIMARY KEY, kind INTEGER, {string.Join(", ", columns)}); BEGIN");
        _insert = new Statement(_connection, $"INSERT INTO seen VALUES ({string.Join(", ", Enumerable.Range(1, columns.Count + 2).Select(i => $"?{i}"))})");
    }

    internal string Path { get; }
    internal int KeyCount { get; }
    internal int ValueCount { get; }

    internal long Count(RowDifferenceKind kind) => _counts[(int)kind];

    internal long Total => _counts.Sum();

    internal void Add(RowDifferenceKind kind, RowValue[] key, RowValue[] row)
    {
        _counts[(int)kind]++;
        _insert.Execute([RowValue.Of(_next++), RowValue.Of((long)kind), .. key, .. row]);
    }

    /// <summary>Ends the writing, so that another connection can read.</summary>
    internal void Complete()
    {
        _insert.Dispose();
        if (raw.sqlite3_get_autocommit(_connection.Handle) == 0)
            Statement.Run(_connection, "COMMIT");
    }

    /// <summary>Reads what was recorded, from a connection that attached the file: number, kind, key, row.</summary>
    internal IEnumerable<(long Number, RowDifferenceKind Kind, RowValue[] Key, RowValue[] Row)> Read(SqliteConnection connection, bool backwards = false)
    {
        using var rows = new Statement(connection, $"SELECT * FROM {Schema}.seen ORDER BY n{(backwards ? " DESC" : "")}");
        while (rows.Step())
            yield return At(rows);
    }

    /// <summary>Reads some of what was recorded, in the order of the numbers given.</summary>
    internal IEnumerable<(long Number, RowDifferenceKind Kind, RowValue[] Key, RowValue[] Row)> Read(SqliteConnection connection, IEnumerable<long> numbers)
    {
        using var row = new Statement(connection, $"SELECT * FROM {Schema}.seen WHERE n = ?1");
        foreach (var number in numbers)
        {
            row.Bind(RowValue.Of(number));
            if (row.Step())
                yield return At(row);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _insert.Dispose();
        _connection.Dispose();
    }

    private (long Number, RowDifferenceKind Kind, RowValue[] Key, RowValue[] Row) At(Statement row) =>
        ((long)row.Value(0).ToObject()!, (RowDifferenceKind)(long)row.Value(1).ToObject()!, row.Values(2, KeyCount), row.Values(2 + KeyCount, ValueCount));
}

using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>One table of a restored database that gets newer rows.</summary>
internal sealed class NewerTable : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly TableShape _shape;
    private readonly IReadOnlyList<int> _key;
    private readonly RowInserter _inserter;
    private readonly RawStatement _find, _delete;
    private readonly IReadOnlyList<(string Parent, IReadOnlyList<(string Child, string Parent)> Columns)> _references;
    private List<(SalvagedRow Listed, object?[] Key)> _added = [];

    /// <summary>Prepares it.</summary>
    internal NewerTable(SqliteConnection connection, TableShape shape)
    {
        (_connection, _shape) = (connection, shape);
        _key = shape.RowIdColumn is null ? shape.PrimaryKey : [];
        // a declared key says which row it is: its rowid may be another's here
        _inserter = new RowInserter(connection, shape, keepRowId: _key.Count == 0);
        var table = SqlText.Quote(shape.Name);
        var columns = string.Join(", ", shape.Columns.Select(c => SqlText.Quote(c.Name)));
        _find = new RawStatement(connection, $"select {columns} from main.{table} where {Condition("")}");
        _delete = new RawStatement(connection, $"delete from main.{table} where {Condition("")}");
        _references = ForeignKeys.Of(connection, shape.Name);
    }

    /// <summary>The rows that were added.</summary>
    internal IReadOnlyList<SalvagedRow> Added => [.. _added.Select(a => a.Listed)];
    /// <summary>Rows that were not because a constraint or a doubt forbids them.</summary>
    internal long Refused { get; private set; }
    /// <summary>Rows that are there with another content.</summary>
    internal long Changed { get; private set; }
    /// <summary>Why rows were refused.</summary>
    internal List<string> Problems { get; } = [];
    /// <summary>What could be read of the damaged table.</summary>
    internal SalvagedTable? Readable { get; set; }

    /// <summary>
    /// Whether its rows cannot be told from each other: only their rowids name them, a VACUUM numbers them anew, and some are not what
    /// they were.
    /// </summary>
    internal bool IsUndecidable => _key.Count == 0 && _shape.RowIdColumn is null && Changed > 0 && _added.Count > 0;

    /// <summary>Adds a row if none with its key is there.</summary>
    internal void Take(FoundRow row)
    {
        var columns = RowInserter.Columns(_shape, row).ToDictionary(c => c.Column, c => c.Value);
        var key = _key.Count == 0 ? [row.RowId] : _key.Select(c => columns.GetValueOrDefault(c)).ToArray();
        if (key.Contains(null))
        {
            Refuse(key, "a part of its key is NULL");
            return;
        }
        if (_find.Finds(key))
        {
            if (columns.Any(c => !RecordReader.Same(_find.Value(c.Key), c.Value)))
                Changed++;
            _find.Reset();
            return;
        }
        _find.Reset();
        if (_inserter.TryInsert(row) is { } why)
            Refuse(key, why);
        else
            _added.Add((new SalvagedRow(_shape.Name, Text(key), row.Source), key));
    }

    /// <summary>Counts what was added as refused; the caller takes it back.</summary>
    internal void RefuseAll()
    {
        Refused += _added.Count;
        Problems.Add($"{_shape.Name}: {Counted.Of(_added.Count, "newer row is", "newer rows are")} not added: the table has no key, and {Counted.Of(Changed, "row differs", "rows differ")} from the backup's, so that its rows may have been numbered anew");
        _added = [];
    }

    /// <summary>Takes rows back that lack their parent, until none does.</summary>
    internal static void RemoveChildren(IReadOnlyList<NewerTable> tables, CancellationToken cancellationToken)
    {
        // each pass but the last takes at least one row away
        while (tables.Where(t => t._references.Count > 0 && t._added.Count > 0).Sum(t => t.RemoveOrphans()) > 0)
            cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>What was added of it.</summary>
    internal SalvagedTable Report() => new()
    {
        Table = _shape.Name,
        Rows = _added.Count(a => !a.Listed.Source.StartsWith("index ", StringComparison.Ordinal)),
        RowsFromIndexes = _added.Count(a => a.Listed.Source.StartsWith("index ", StringComparison.Ordinal)),
        RowsRefused = Refused,
        RowsChanged = Changed,
        RowsUnreadable = Readable?.Complete == true ? 0 : null,
        Complete = Readable?.Complete ?? true,
        Unreadable = Readable?.Unreadable ?? [],
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        _inserter.Dispose();
        _find.Dispose();
        _delete.Dispose();
    }

    private int RemoveOrphans()
    {
        var orphans = new HashSet<SalvagedRow>();
        foreach (var (parent, columns) in _references)
        {
            using var check = new RawStatement(_connection, $"select 1 from main.{SqlText.Quote(_shape.Name)} as c where {Condition("c.")} and ({string.Join(" or ", columns.Select(p => $"c.{SqlText.Quote(p.Child)} is null"))}"
                + $" or exists (select 1 from main.{SqlText.Quote(parent)} as p where {string.Join(" and ", columns.Select(p => $"p.{SqlText.Quote(p.Parent)} = c.{SqlText.Quote(p.Child)}"))}))");
            foreach (var (listed, key) in _added.Where(a => !orphans.Contains(a.Listed)))
            {
                if (!check.Finds(key) && orphans.Add(listed))
                    Refuse(key, $"there is no row in {parent} that it refers to");
                check.Reset();
            }
        }
        foreach (var (_, key) in _added.Where(a => orphans.Contains(a.Listed)))
        {
            _delete.Execute(key);
        }
        _added = [.. _added.Where(a => !orphans.Contains(a.Listed))];
        return orphans.Count;
    }

    private void Refuse(object?[] key, string why)
    {
        Refused++;
        Problems.Add($"{_shape.Name} {Text(key)} is not added: {why}");
    }

    private string Condition(string prefix) => _key.Count == 0
        ? $"{prefix}{(_shape.RowIdColumn is { } column ? SqlText.Quote(_shape.Columns[column].Name) : ShapeReader.RowIdName(_shape.Columns))} = ?1"
        : string.Join(" and ", _key.Select((c, i) => $"{prefix}{SqlText.Quote(_shape.Columns[c].Name)} = ?{i + 1}"));

    private static string Text(object?[] key) => string.Join(", ", key.Select(k => k switch
    {
        byte[] bytes => $"x'{Convert.ToHexString(bytes)}'",
        _ => Convert.ToString(k, CultureInfo.InvariantCulture),
    }));
}

/// <summary>The foreign keys of a table.</summary>
internal static class ForeignKeys
{
    /// <summary>Each with its parent table and the pairs of columns.</summary>
    internal static IReadOnlyList<(string Parent, IReadOnlyList<(string Child, string Parent)> Columns)> Of(SqliteConnection connection, string table)
    {
        var rows = new List<(long Id, string Parent, string From, string? To)>();
        using (var list = new RawStatement(connection, $"PRAGMA foreign_key_list({SqlText.Quote(table)})"))
        {
            while (list.Step() == raw.SQLITE_ROW)
                rows.Add(((long)list.Value(0)!, list.Value(2)!.ToString()!, list.Value(3)!.ToString()!, list.Value(4)?.ToString()));
        }
        // a parent that is not there at all was not there in the backup either
        return [.. rows.Where(r => RawStatement.HasTable(connection, r.Parent)).GroupBy(r => r.Id).Select(group =>
        {
            var keys = group.Any(r => r.To is null) ? PrimaryKey(connection, group.First().Parent) : [];
            return (group.First().Parent, (IReadOnlyList<(string, string)>)[.. group.Select((r, i) => (r.From, r.To ?? keys.ElementAtOrDefault(i) ?? "rowid"))]);
        })];
    }

    private static List<string> PrimaryKey(SqliteConnection connection, string table)
    {
        var columns = new SortedDictionary<long, string>();
        using var list = new RawStatement(connection, $"PRAGMA table_info({SqlText.Quote(table)})");
        while (list.Step() == raw.SQLITE_ROW)
        {
            if (list.Value(5) is long position and > 0)
                columns[position] = list.Value(1)!.ToString()!;
        }
        return [.. columns.Values];
    }
}

using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>
/// A table beside the others that gets what was read and belongs in none: rows of unknown tables, doubtful ones, duplicates, and rows of
/// which only some columns are known. It comes into being with the first.
/// </summary>
internal sealed class LostAndFound(SqliteConnection connection, IReadOnlyCollection<string> taken)
{
    private const int MostFields = 1_000;
    private int _fields = -1;

    /// <summary>Its name; null while it is not there.</summary>
    internal string? Name { get; private set; }

    /// <summary>Rows in it.</summary>
    internal long Rows { get; private set; }

    /// <summary>Puts a row into it.</summary>
    internal void Add(LooseRow row)
    {
        var fields = Math.Min(row.Fields.Length, MostFields);
        MakeRoom(fields);
        using var statement = new RawStatement(connection, $"insert into {SqlText.Quote(Name!)} values ({string.Join(", ", Enumerable.Repeat("?", 5 + _fields))})");
        var head = new object?[] { row.Table, (long)row.Page, row.RowId, row.Why, (long)row.Fields.Length };
        statement.Execute([.. head, .. row.Fields.Take(fields), .. Enumerable.Repeat<object?>(null, _fields - fields)]);
        Rows++;
    }

    private void MakeRoom(int fields)
    {
        if (Name is null)
        {
            Name = Enumerable.Range(0, int.MaxValue).Select(i => i == 0 ? "lost_and_found" : string.Create(CultureInfo.InvariantCulture, $"lost_and_found_{i}"))
                .First(n => !taken.Contains(n, StringComparer.OrdinalIgnoreCase));
            connection.Run($"create table {SqlText.Quote(Name)} (table_name TEXT, page INTEGER, row_id INTEGER, why TEXT, fields INTEGER)");
            _fields = 0;
        }
        for (; _fields < fields; _fields++)
            connection.Run(string.Create(CultureInfo.InvariantCulture, $"alter table {SqlText.Quote(Name)} add column c{_fields}"));
    }
}

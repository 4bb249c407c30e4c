using System.Security.Cryptography;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Format;

/// <summary>A row of the schema table.</summary>
internal sealed record SchemaRow(string Type, string Name, string Table, uint RootPage, string? Sql);

/// <summary>Names what the pages of a database belong to: rows, pages and check sums of every table and index, without SQL scans.</summary>
internal static class ObjectCatalog
{
    /// <summary>The algorithm of an object's check sum: SHA-256 over the hashes of its pages, in the order of the b-tree.</summary>
    internal const string ChecksumPrefix = "sha256-pages:";

    /// <summary>The name under which the schema itself is listed.</summary>
    internal const string SchemaTable = "sqlite_schema";

    /// <summary>Reads the schema; the first row is the schema table itself.</summary>
    internal static IReadOnlyList<SchemaRow> ReadSchema(SqliteConnection connection)
    {
        var rows = new List<SchemaRow> { new("table", SchemaTable, SchemaTable, 1, null) };
        using var command = connection.CreateCommand();
        // the old name: the new one is known only since 3.33
        command.CommandText = "select type, name, tbl_name, rootpage, sql from sqlite_master";
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            var root = reader.GetValue(3) is long and >= 0 and <= uint.MaxValue ? (uint)reader.GetInt64(3) : 0;
            rows.Add(new SchemaRow(Text(reader, 0), Text(reader, 1), Text(reader, 2), root, reader.IsDBNull(4) ? null : Text(reader, 4)));
        }
        return rows;
    }

    /// <summary>Describes every table and index.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="index">The pages.</param>
    /// <param name="hashes">The pages' hashes.</param>
    /// <param name="file">The file's name in the backup.</param>
    /// <param name="problems">Gets what does not fit together.</param>
    internal static IReadOnlyList<DataObject> Describe(IReadOnlyList<SchemaRow> schema, PageIndex index, PageHashList hashes, string file, ICollection<string> problems)
    {
        var objects = new List<DataObject>();
        foreach (var row in schema)
        {
            if (row.Type is not ("table" or "index"))
                continue;
            if (row.RootPage == 0)
            {
                if (IsVirtual(row))
                    objects.Add(new DataObject { Name = row.Name, Type = "virtual-table" });
                else
                    problems.Add($"{row.Type} {row.Name} has no root page");
                continue;
            }
            var walk = index.Walk(row.RootPage);
            foreach (var problem in walk.Problems)
                problems.Add($"{row.Type} {row.Name}: {problem}");
            objects.Add(new DataObject
            {
                Name = row.Name,
                Type = row.Type,
                Table = row.Type == "index" ? row.Table : null,
                Rows = walk.Entries,
                File = file,
                Pages = walk.Pages.Count,
                Checksum = Checksum(walk, hashes),
            });
        }
        return objects;
    }

    /// <summary>The check sum of one tree.</summary>
    internal static string Checksum(BTreeWalk walk, PageHashList hashes)
    {
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var page in walk.Pages)
        {
            if (page <= hashes.Count)
                sum.AppendData(hashes[(int)page - 1]);
        }
        return ChecksumPrefix + Convert.ToHexString(sum.GetHashAndReset()).ToLowerInvariant();
    }

    /// <summary>Whether a schema row is a virtual table, which has no pages of its own.</summary>
    internal static bool IsVirtual(SchemaRow row) =>
        row.Sql is not null && row.Sql.StartsWith("CREATE VIRTUAL", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a name is one that SQLite keeps for itself.</summary>
    internal static bool IsInternal(string name) => name.StartsWith("sqlite_", StringComparison.OrdinalIgnoreCase);

    // a damaged schema may hold any type in any column
    private static string Text(SqliteDataReader reader, int column) =>
        Convert.ToString(reader.GetValue(column), System.Globalization.CultureInfo.InvariantCulture) ?? string.Empty;
}

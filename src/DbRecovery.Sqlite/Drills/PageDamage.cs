using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Drills;

/// <summary>Damage to the bytes of a file, behind SQLite's back.</summary>
internal static class PageDamage
{
    private const int MostPages = 4;

    internal static string Header(string path, int seed)
    {
        using var file = Open(path);
        file.Write(Garbage(SqliteHeader.Size, seed));
        return "the first 100 bytes were overwritten";
    }

    internal static string Truncate(string path)
    {
        using var file = Open(path);
        var size = ReadHeader(file).PageSize;
        // half of the pages, and a piece of the next one
        file.SetLength(Math.Max(1, file.Length / size / 2) * size + size / 2);
        return string.Create(CultureInfo.InvariantCulture, $"the file was cut to {file.Length} bytes");
    }

    internal static string Empty(string path)
    {
        using var file = Open(path);
        file.SetLength(0);
        return "the file was cut to zero bytes";
    }

    internal static string Delete(string path)
    {
        File.Delete(path);
        return "the file was deleted";
    }

    /// <summary>Overwrites leaves of one table, or of one index.</summary>
    internal static string Pages(string path, string type, int seed, CancellationToken cancellationToken)
    {
        var (owner, leaves, size) = Leaves(path, type, seed, cancellationToken);
        var hit = leaves.Skip(leaves.Count / 2).Take(MostPages).ToList();
        using var file = Open(path);
        foreach (var page in hit)
        {
            file.Position = (page - 1L) * size;
            file.Write(Garbage(size, seed + (int)page));
        }
        return $"{(hit.Count == 1 ? "page" : "pages")} {string.Join(", ", hit)} of {type} {owner} were overwritten";
    }

    /// <summary>Changes one byte of a text that no index holds and no constraint bounds.</summary>
    internal static string ChangeSilently(string path, int seed)
    {
        long row;
        string content;
        using (var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.FromSeconds(10)))
        {
            row = 1 + seed % Math.Max(1, Sql.Number(connection, $"SELECT max(id) FROM {SqliteDrillLedger.TableName}"));
            content = Sql.Text(connection, FormattableString.Invariant($"SELECT content FROM {SqliteDrillLedger.TableName} WHERE id = {row}"))
                ?? throw Impossible(path, "the drill's rows are not there");
        }
        using var file = Open(path);
        var header = ReadHeader(file);
        var sought = (header.TextEncoding switch { 2 => Encoding.Unicode, 3 => Encoding.BigEndianUnicode, _ => Encoding.UTF8 }).GetBytes(content);
        var page = new byte[header.PageSize];
        for (long at = 0; at + page.Length <= file.Length; at += page.Length)
        {
            file.Position = at;
            file.ReadExactly(page);
            if (page[0] != (byte)BTreePageType.TableLeaf || page.AsSpan().IndexOf(sought) is not (>= 0 and var found))
                continue;
            // the lowest bit of an ASCII letter or digit: it stays text
            var target = found + sought.Length / 4 * 2 + (header.TextEncoding == 3 ? 1 : 0);
            file.Position = at + target;
            file.WriteByte((byte)(page[target] ^ 1));
            return string.Create(CultureInfo.InvariantCulture, $"one byte of row {row} of {SqliteDrillLedger.TableName} was changed in page {at / page.Length + 1}");
        }
        throw Impossible(path, "the drill's row lies in no page of a table");
    }

    /// <summary>What cannot be inflicted on this database.</summary>
    internal static DbRecoveryException Impossible(string path, string why) => new(ErrorIds.DrillFailed, ErrorKind.NotSupported, why, target: path);

    private static (string Owner, List<uint> Pages, int PageSize) Leaves(string path, string type, int seed, CancellationToken cancellationToken)
    {
        using var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.FromSeconds(10));
        var schema = ObjectCatalog.ReadSchema(connection);
        using var file = LiveImage.Open(path);
        var header = SqliteHeader.TryRead(file) ?? throw Impossible(path, "the copy has no header");
        var leaf = type == "table" ? BTreePageType.TableLeaf : BTreePageType.IndexLeaf;
        var leaves = new HashSet<uint>();
        var index = PageScan.Read(file, header, (page, content) =>
        {
            if (page > 1 && content[0] == (byte)leaf)
                leaves.Add(page);
        }, cancellationToken);
        var candidates = schema.Where(r => r.Type == type && r.RootPage > 1 && r.Name != SqliteDrillLedger.TableName)
            .Concat(schema.Where(r => r.Name == SqliteDrillLedger.TableName))
            .Select(r => (r.Name, Pages: index.Walk(r.RootPage).Pages.Where(leaves.Contains).Order().ToList()))
            .Where(c => c.Pages.Count > 0).ToList();
        if (candidates.Count == 0)
            throw Impossible(path, $"the database has no {type} with pages of its own");
        // the largest first, then another with each round
        var (name, pages) = candidates.OrderByDescending(c => c.Pages.Count).ThenBy(c => c.Name, StringComparer.Ordinal).ElementAt(seed % candidates.Count);
        return (name, pages, header.PageSize);
    }

    private static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    private static SqliteHeader ReadHeader(FileStream file)
    {
        var first = new byte[SqliteHeader.Size];
        file.Position = 0;
        file.ReadExactly(first);
        return SqliteHeader.TryParse(first) ?? throw Impossible(file.Name, "the copy has no header");
    }

    // the same round does the same damage, whatever the machine
    private static byte[] Garbage(int size, int seed)
    {
        var bytes = new byte[size];
        var block = new byte[SHA256.HashSizeInBytes];
        for (var at = 0; at < size; at += block.Length)
        {
            BinaryPrimitives.WriteInt32LittleEndian(block, seed + at);
            block = SHA256.HashData(block);
            block.AsSpan(0, Math.Min(block.Length, size - at)).CopyTo(bytes.AsSpan(at));
        }
        return bytes;
    }
}

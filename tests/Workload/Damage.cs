using System.Buffers.Binary;
using System.Text;

namespace DbRecovery.Workload;

/// <summary>Damages a database file on disk, behind SQLite's back. Always the same pages for the same file.</summary>
internal static class Damage
{
    private const byte TableLeaf = 0x0d, IndexLeaf = 0x0a;

    public static string Inflict(string path, string kind, int pages)
    {
        if (kind == "missing")
        {
            File.Delete(path);
            return "the file was deleted";
        }
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        switch (kind)
        {
            case "empty":
                file.SetLength(0);
                return "the file has no bytes left";
            case "truncate":
                file.SetLength(file.Length / 2 / 512 * 512 + 512);
                return $"the file was cut to {file.Length} bytes";
            case "header":
                file.Write(Garbage(100, 1));
                return "the first 100 bytes were overwritten";
            case "data":
                return Overwrite(file, TableLeaf, pages);
            case "index":
                return DropIndexEntry(file);
            case "silent":
                return Silently(file);
            default:
                throw new ArgumentException($"unknown damage '{kind}'");
        }
    }

    private static string Overwrite(FileStream file, byte type, int wanted)
    {
        var size = PageSize(file);
        var hit = new List<long>();
        // from the middle on: early pages hold the schema and the roots
        foreach (var page in Pages(file, size, type, file.Length / size / 2).Take(wanted))
        {
            file.Position = (page - 1) * size;
            file.Write(Garbage(size, (int)page));
            hit.Add(page);
        }
        return $"pages {string.Join(", ", hit)} were overwritten";
    }

    // one entry fewer in an index leaf: every page stays well formed, and the table keeps all its rows
    private static string DropIndexEntry(FileStream file)
    {
        var size = PageSize(file);
        var index = RootPage(file, size, "orders_by_customer");
        var page = Descend(file, size, index);
        file.Position = (page - 1) * size + 3;
        Span<byte> count = stackalloc byte[2];
        file.ReadExactly(count);
        BinaryPrimitives.WriteUInt16BigEndian(count, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(count) - 1));
        file.Position = (page - 1) * size + 3;
        file.Write(count);
        return $"index page {page} lost its last entry";
    }

    // the last bytes of a table leaf are the content of its first cell: text, whose change no structure check can see
    private static string Silently(FileStream file)
    {
        var size = PageSize(file);
        var page = Pages(file, size, TableLeaf, file.Length / size / 2).First(p => EndsInText(file, size, p));
        file.Position = page * size - 4;
        file.Write("####"u8);
        return $"four bytes of text in page {page} were changed";
    }

    private static bool EndsInText(FileStream file, int size, long page)
    {
        Span<byte> tail = stackalloc byte[16];
        file.Position = page * size - tail.Length;
        file.ReadExactly(tail);
        foreach (var b in tail)
        {
            if (b is not (>= (byte)'a' and <= (byte)'z' or >= (byte)'0' and <= (byte)'9' or (byte)' '))
                return false;
        }
        return true;
    }

    private static IEnumerable<long> Pages(FileStream file, int size, byte type, long from)
    {
        for (var page = Math.Max(2, from); page <= file.Length / size; page++)
        {
            file.Position = (page - 1) * size;
            if (file.ReadByte() == type)
                yield return page;
        }
    }

    private static long Descend(FileStream file, int size, long page)
    {
        while (true)
        {
            var bytes = Read(file, size, page);
            if (bytes[0] == IndexLeaf)
                return page;
            page = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(8)); // the rightmost child
        }
    }

    /// <summary>The root page of an object, found in the schema's leaf by its name: enough for a schema of one page.</summary>
    private static long RootPage(FileStream file, int size, string name)
    {
        var schema = Read(file, size, 1);
        var marker = Encoding.UTF8.GetBytes("index" + name + "orders");
        var at = schema.AsSpan().IndexOf(marker);
        if (at < 0)
            throw new ArgumentException($"no index {name} in the schema's first page");
        var root = schema.AsSpan(at + marker.Length);
        return root[0] != 0 && root[1] is (byte)'C' ? root[0] : BinaryPrimitives.ReadUInt16BigEndian(root);
    }

    private static byte[] Read(FileStream file, int size, long page)
    {
        var bytes = new byte[size];
        file.Position = (page - 1) * size;
        file.ReadExactly(bytes);
        return bytes;
    }

    private static int PageSize(FileStream file)
    {
        Span<byte> size = stackalloc byte[2];
        file.Position = 16;
        file.ReadExactly(size);
        var value = BinaryPrimitives.ReadUInt16BigEndian(size);
        return value == 1 ? 65536 : value;
    }

    private static byte[] Garbage(int size, int seed)
    {
        var bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}

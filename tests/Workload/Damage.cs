using System.Buffers.Binary;

namespace DbRecovery.Workload;

/// <summary>Damages a database file on disk, behind SQLite's back. Always the same pages for the same file.</summary>
internal static class Damage
{
    private const byte TableLeaf = 0x0d;

    public static string Inflict(string path, string kind, int pages)
    {
        if (kind == "missing")
        {
            File.Delete(path);
            return "the file was deleted";
        }
        if (kind == "index")
            return Shop.MakeIndexStale(path);
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
                return Overwrite(file, pages);
            case "silent":
                return Silently(file);
            default:
                throw new ArgumentException($"unknown damage '{kind}'");
        }
    }

    private static string Overwrite(FileStream file, int wanted)
    {
        var size = PageSize(file);
        var hit = new List<long>();
        // from the middle on: early pages hold the schema and the roots
        foreach (var page in TableLeaves(file, size, file.Length / size / 2).Take(wanted))
        {
            file.Position = (page - 1) * size;
            file.Write(Garbage(size, (int)page));
            hit.Add(page);
        }
        return $"pages {string.Join(", ", hit)} were overwritten";
    }

    // the last bytes of a table leaf are the content of its first cell: text, whose change no structure check can see
    private static string Silently(FileStream file)
    {
        var size = PageSize(file);
        var page = TableLeaves(file, size, file.Length / size / 2).First(p => EndsInText(file, size, p));
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

    private static IEnumerable<long> TableLeaves(FileStream file, int size, long from)
    {
        for (var page = Math.Max(2, from); page <= file.Length / size; page++)
        {
            file.Position = (page - 1) * size;
            if (file.ReadByte() == TableLeaf)
                yield return page;
        }
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

using System.Buffers.Binary;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>A header in place of a destroyed one, from what the pages look like. It serves to read, never to write.</summary>
internal static class HeaderGuess
{
    private const int Sample = 256;
    private const int FirstPageTreeOffset = 100;

    /// <summary>The bytes of a header; null where the pages are no pages of a database.</summary>
    internal static byte[]? Make(IDatabaseImage file)
    {
        var best = Enumerable.Range(9, 8).Select(bits => 1 << bits).Select(size => (Size: size, Share: Plausible(file, size))).MaxBy(c => c.Share);
        // where the first tree is gone too there is no schema that could be read
        Span<byte> first = stackalloc byte[1];
        if (best.Share < 0.8 || file.Read(FirstPageTreeOffset, first) != 1 || first[0] is not ((byte)BTreePageType.TableLeaf or (byte)BTreePageType.TableInterior))
            return null;
        var header = new byte[SqliteHeader.Size];
        SqliteHeader.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(16), (ushort)(best.Size == 65536 ? 1 : best.Size));
        (header[18], header[19], header[21], header[22], header[23]) = (1, 1, 64, 32, 32);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(24), 1);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(28), (uint)(file.Length / best.Size));
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(44), 4); // schema format
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(56), 1); // UTF-8: names of tables in UTF-16 would not read as names
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(92), 1);
        return header;
    }

    // the share of pages that begin as tree pages do: at a wrong size many would begin in the middle of one
    private static double Plausible(IDatabaseImage file, int size)
    {
        var pages = file.Length / size;
        if (file.Length % size != 0 || pages < 2)
            return 0;
        var looked = (int)Math.Min(Sample, pages - 1);
        Span<byte> page = stackalloc byte[8];
        var good = 0;
        for (var i = 0; i < looked; i++)
        {
            var number = 1 + i * (pages - 1) / looked;
            if (file.Read(number * size, page) == page.Length && page[0] is 2 or 5 or 10 or 13 && BinaryPrimitives.ReadUInt16BigEndian(page[5..]) is var content && (content >= 8 && content <= size || content == 0))
                good++;
        }
        return (double)good / looked;
    }
}

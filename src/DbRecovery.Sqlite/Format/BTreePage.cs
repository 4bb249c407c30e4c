using System.Buffers.Binary;

namespace DbRecovery.Sqlite.Format;

/// <summary>The kinds of b-tree pages, by their first byte.</summary>
internal enum BTreePageType : byte
{
    /// <summary>Not a b-tree page: overflow, freelist, pointer map, or damaged.</summary>
    None = 0,
    /// <summary>An inner page of an index or WITHOUT ROWID table.</summary>
    IndexInterior = 2,
    /// <summary>An inner page of a table.</summary>
    TableInterior = 5,
    /// <summary>A leaf of an index or WITHOUT ROWID table.</summary>
    IndexLeaf = 10,
    /// <summary>A leaf of a table.</summary>
    TableLeaf = 13,
}

/// <summary>Reads the header and cells of a b-tree page as far as needed to walk a tree and count its entries.</summary>
internal static class BTreePage
{
    /// <summary>
    /// Parses a page. False where it is no well-formed b-tree page: then nothing in it is to be believed.
    /// </summary>
    /// <param name="page">The whole page.</param>
    /// <param name="pageNumber">Its number, from 1; the first page begins with the file's header.</param>
    /// <param name="usableSize">Bytes of a page that SQLite uses.</param>
    /// <param name="references">Gets the children in order (the rightmost last), then the heads of overflow chains.</param>
    /// <param name="type">The kind of page.</param>
    /// <param name="cells">The number of cells.</param>
    /// <param name="children">How many of the references are children.</param>
    internal static bool TryParse(ReadOnlySpan<byte> page, uint pageNumber, int usableSize, List<uint> references,
        out BTreePageType type, out int cells, out int children)
    {
        var start = pageNumber == 1 ? SqliteHeader.Size : 0;
        children = 0;
        cells = 0;
        type = (BTreePageType)page[start];
        if (type is not (BTreePageType.IndexInterior or BTreePageType.TableInterior or BTreePageType.IndexLeaf or BTreePageType.TableLeaf))
        {
            type = BTreePageType.None;
            return false;
        }
        cells = BinaryPrimitives.ReadUInt16BigEndian(page[(start + 3)..]);
        var interior = type is BTreePageType.IndexInterior or BTreePageType.TableInterior;
        var pointers = start + (interior ? 12 : 8);
        if (pointers + cells * 2 > usableSize)
            return false;
        var first = references.Count;
        if (interior && !AddChildren(page, pointers, cells, usableSize, start, references, out children)
            || type != BTreePageType.TableInterior && !AddOverflows(page, pointers, cells, usableSize, type, references))
        {
            references.RemoveRange(first, references.Count - first);
            return false;
        }
        return true;
    }

    private static bool AddChildren(ReadOnlySpan<byte> page, int pointers, int cells, int usableSize, int start, List<uint> references, out int children)
    {
        children = cells + 1;
        for (var i = 0; i < cells; i++)
        {
            var cell = BinaryPrimitives.ReadUInt16BigEndian(page[(pointers + i * 2)..]);
            if (cell < pointers + cells * 2 || cell + 4 > usableSize)
                return false;
            references.Add(BinaryPrimitives.ReadUInt32BigEndian(page[cell..]));
        }
        references.Add(BinaryPrimitives.ReadUInt32BigEndian(page[(start + 8)..]));
        return true;
    }

    private static bool AddOverflows(ReadOnlySpan<byte> page, int pointers, int cells, int usableSize, BTreePageType type, List<uint> references)
    {
        var table = type == BTreePageType.TableLeaf;
        var maxLocal = table ? usableSize - 35 : (usableSize - 12) * 64 / 255 - 23;
        var minLocal = (usableSize - 12) * 32 / 255 - 23;
        for (var i = 0; i < cells; i++)
        {
            int cell = BinaryPrimitives.ReadUInt16BigEndian(page[(pointers + i * 2)..]);
            if (cell < pointers + cells * 2 || cell >= usableSize)
                return false;
            var at = type == BTreePageType.IndexInterior ? cell + 4 : cell;
            if (!Varint.TryRead(page[..usableSize], ref at, out var payload) || payload > int.MaxValue)
                return false;
            if (table && !Varint.TryRead(page[..usableSize], ref at, out _))
                return false;
            if (payload <= (ulong)maxLocal)
            {
                if (at + (int)payload > usableSize)
                    return false;
                continue;
            }
            var local = minLocal + (int)((payload - (ulong)minLocal) % (ulong)(usableSize - 4));
            if (local > maxLocal)
                local = minLocal;
            if (at + local + 4 > usableSize)
                return false;
            references.Add(BinaryPrimitives.ReadUInt32BigEndian(page[(at + local)..]));
        }
        return true;
    }
}

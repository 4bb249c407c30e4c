using System.Buffers.Binary;
using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>One cell of a b-tree page.</summary>
/// <param name="LeftChild">The child below it; 0 on a leaf.</param>
/// <param name="RowId">The rowid, of a table; a table's interior cell has nothing else.</param>
/// <param name="PayloadSize">Bytes of the record.</param>
/// <param name="LocalOffset">Where its first bytes are in the page.</param>
/// <param name="LocalSize">How many of them are in the page.</param>
/// <param name="Overflow">The page that the rest begins on; 0 where there is none.</param>
internal readonly record struct Cell(uint LeftChild, long RowId, long PayloadSize, int LocalOffset, int LocalSize, uint Overflow);

/// <summary>
/// A b-tree page whose every byte is accounted for (https://www.sqlite.org/fileformat2.html, section 1.6): cells, free blocks and
/// fragments fill its content area without overlapping. SQLite's own integrity check demands the same, so that a page which fails is
/// damaged, and nothing that it says is taken for true.
/// </summary>
internal sealed record CellPage(uint Number, BTreePageType Type, byte[] Bytes, IReadOnlyList<Cell> Cells, uint RightChild)
{
    private const int LeafHeader = 8, InteriorHeader = 12, SmallestCell = 4;

    /// <summary>Whether it is a leaf.</summary>
    internal bool IsLeaf => Type is BTreePageType.TableLeaf or BTreePageType.IndexLeaf;

    /// <summary>Whether it is part of a rowid table's tree.</summary>
    internal bool IsTable => Type is BTreePageType.TableLeaf or BTreePageType.TableInterior;

    /// <summary>Reads a page; null where it is no b-tree page or a damaged one.</summary>
    /// <param name="number">The page's number, from 1.</param>
    /// <param name="page">The whole page; it is kept.</param>
    /// <param name="usable">Bytes of a page that SQLite uses.</param>
    internal static CellPage? TryParse(uint number, byte[] page, int usable)
    {
        var start = number == 1 ? SqliteHeader.Size : 0;
        var type = (BTreePageType)page[start];
        if (type is not (BTreePageType.IndexInterior or BTreePageType.TableInterior or BTreePageType.IndexLeaf or BTreePageType.TableLeaf))
            return null;
        var interior = type is BTreePageType.IndexInterior or BTreePageType.TableInterior;
        int count = U16(page, start + 3);
        int content = U16(page, start + 5) is var raw and not 0 ? raw : 65536;
        var pointers = start + (interior ? InteriorHeader : LeafHeader);
        if (pointers + count * 2 > content || content > usable || interior && count == 0 && number != 1 && type == BTreePageType.IndexInterior)
            return null;
        var cells = new Cell[count];
        var used = new List<(int Start, int End)>(count + 4);
        for (var i = 0; i < count; i++)
        {
            int at = U16(page, pointers + i * 2);
            if (at < content || !TryReadCell(page, at, usable, type, out cells[i], out var end))
                return null;
            used.Add((at, Math.Max(end, at + SmallestCell)));
        }
        if (!TryAddFreeBlocks(page, U16(page, start + 1), content, usable, used) || !Fills(used, content, usable, page[start + 7]))
            return null;
        return new CellPage(number, type, page, cells, interior ? U32(page, start + 8) : 0);
    }

    /// <summary>The cells of a damaged leaf that can be read one by one. They may be older than the page, or garbage that looks like rows.</summary>
    internal static CellPage? ReadDoubtful(uint number, byte[] page, int usable)
    {
        var start = number == 1 ? SqliteHeader.Size : 0;
        var type = (BTreePageType)page[start];
        if (type is not (BTreePageType.IndexLeaf or BTreePageType.TableLeaf))
            return null;
        var cells = new List<Cell>();
        var first = start + LeafHeader;
        for (var i = 0; i < U16(page, start + 3) && first + i * 2 + 2 <= usable; i++)
        {
            int at = U16(page, first + i * 2);
            if (at >= first && TryReadCell(page, at, usable, type, out var cell, out _) && cell.Overflow == 0)
                cells.Add(cell);
        }
        return cells.Count == 0 ? null : new CellPage(number, type, page, cells, 0);
    }

    private static bool TryReadCell(byte[] page, int at, int usable, BTreePageType type, out Cell cell, out int end)
    {
        cell = default;
        end = at;
        uint child = 0;
        if (type is BTreePageType.TableInterior or BTreePageType.IndexInterior)
        {
            if (at + 4 > usable)
                return false;
            child = U32(page, at);
            end += 4;
        }
        var bytes = page.AsSpan(0, usable);
        ulong payload = 0, rowId = 0;
        if (type != BTreePageType.TableInterior && (!Varint.TryRead(bytes, ref end, out payload) || payload > int.MaxValue)
            || type is BTreePageType.TableInterior or BTreePageType.TableLeaf && !Varint.TryRead(bytes, ref end, out rowId))
            return false;
        var local = LocalSize((long)payload, usable, type == BTreePageType.TableLeaf);
        var spills = local < (long)payload;
        var offset = end;
        end += local + (spills ? 4 : 0);
        if (end > usable)
            return false;
        cell = new Cell(child, (long)rowId, (long)payload, offset, local, spills ? U32(page, offset + local) : 0);
        return true;
    }

    private static int LocalSize(long payload, int usable, bool tableLeaf)
    {
        var most = tableLeaf ? usable - 35 : (usable - 12) * 64 / 255 - 23;
        if (payload <= most)
            return (int)payload;
        var least = (usable - 12) * 32 / 255 - 23;
        var fitting = least + (int)((payload - least) % (usable - 4));
        return fitting <= most ? fitting : least;
    }

    private static bool TryAddFreeBlocks(byte[] page, int first, int content, int usable, List<(int Start, int End)> used)
    {
        // in ascending order, so that the chain ends
        for (int at = first, before = 0; at != 0; before = at, at = U16(page, at))
        {
            if (at < content || at <= before || at + 4 > usable || U16(page, at + 2) is var size && (size < 4 || at + size > usable))
                return false;
            used.Add((at, at + U16(page, at + 2)));
        }
        return true;
    }

    private static bool Fills(List<(int Start, int End)> used, int content, int usable, int fragments)
    {
        used.Sort();
        int at = content, unused = 0;
        foreach (var (start, end) in used)
        {
            if (start < at)
                return false;
            unused += start - at;
            at = end;
        }
        return at <= usable && unused + usable - at == fragments;
    }

    private static ushort U16(byte[] page, int at) => BinaryPrimitives.ReadUInt16BigEndian(page.AsSpan(at));

    private static uint U32(byte[] page, int at) => BinaryPrimitives.ReadUInt32BigEndian(page.AsSpan(at));
}

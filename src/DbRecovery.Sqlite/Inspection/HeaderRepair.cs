using System.Buffers.Binary;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>A header in place of a destroyed one, so that the pages behind it can still be counted.</summary>
internal static class HeaderRepair
{
    private const int SamplePages = 64;

    /// <summary>Guesses the header from the pages; null where no page size makes sense of them.</summary>
    /// <param name="file">The file.</param>
    /// <param name="header">The bytes of the new header.</param>
    internal static SqliteHeader? Guess(IDatabaseImage file, out byte[]? header)
    {
        var size = new[] { 4096, 1024, 8192, 16384, 2048, 32768, 512, 65536 }.Where(s => file.Length >= s)
            .Select(s => (Size: s, Score: Score(file, s))).OrderByDescending(s => s.Score).FirstOrDefault();
        header = null;
        if (size.Score < 0.5)
            return null;
        header = new byte[SqliteHeader.Size];
        SqliteHeader.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(16), (ushort)(size.Size == 65536 ? 1 : size.Size));
        (header[18], header[19], header[21], header[22], header[23]) = (1, 1, 64, 32, 32);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(28), (uint)(file.Length / size.Size));
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(44), 4);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(56), 1);
        return SqliteHeader.TryParse(header);
    }

    // the share of well-formed b-tree pages; the first one must be the root of the schema
    private static double Score(IDatabaseImage file, int pageSize)
    {
        var page = new byte[pageSize];
        int good = 0, seen = 0;
        for (uint number = 1; number <= SamplePages && number * (long)pageSize <= file.Length; number++)
        {
            file.Read((number - 1) * (long)pageSize, page);
            var wellFormed = BTreePage.TryParse(page, number, pageSize, [], out _, out _, out _);
            if (number == 1 && !wellFormed)
                return 0;
            seen++;
            good += wellFormed ? 1 : 0;
        }
        return (double)good / seen;
    }
}

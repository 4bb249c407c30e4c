using System.Buffers.Binary;
using System.Text;

namespace DbRecovery.Sqlite.Format;

/// <summary>
/// What a -journal file holds: the pages as they were before an interrupted transaction
/// (https://www.sqlite.org/fileformat2.html, section 3). SQLite takes no locks on it, so that reading it is safe.
/// </summary>
internal sealed record JournalFile
{
    private const int HeaderSize = 28;

    private static ReadOnlySpan<byte> Magic => [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

    /// <summary>The file.</summary>
    internal required string Path { get; init; }
    /// <summary>Whether it would be rolled back: it is not empty, its header is there, and its super-journal (if it has one) is.</summary>
    internal required bool Live { get; init; }
    /// <summary>The random number that the transaction gave its check sums: what tells its journal from the next one's; null where the header does not say.</summary>
    internal uint? Nonce { get; init; }
    /// <summary>The database's size in pages before the transaction.</summary>
    internal uint PageCount { get; init; }
    /// <summary>The page size; 0 where the header does not say.</summary>
    internal int PageSize { get; init; }
    /// <summary>Where in the file the earlier content of a page is.</summary>
    internal IReadOnlyDictionary<uint, long> Pages { get; init; } = new Dictionary<uint, long>();

    /// <summary>The name of a database's rollback journal.</summary>
    internal static string PathOf(string database) => database + "-journal";

    /// <summary>Reads a database's journal; null where there is none or it may not be read.</summary>
    internal static JournalFile? TryRead(string database, bool withPages, CancellationToken cancellationToken) =>
        SideFile.TryRead(PathOf(database), (path, file) => Read(path, file, withPages, cancellationToken));

    private static JournalFile Read(string path, FileStream file, bool withPages, CancellationToken cancellationToken)
    {
        // a journal that is kept (PERSIST) has its header zeroed when the transaction ends
        var header = new byte[HeaderSize];
        var read = file.ReadAtLeast(header, HeaderSize, throwOnEndOfStream: false);
        if (read == 0 || header[0] == 0)
            return new JournalFile { Path = path, Live = false };
        if (read < HeaderSize || !header.AsSpan(0, 8).SequenceEqual(Magic))
            return new JournalFile { Path = path, Live = true };
        if (SuperJournal(file) is { } super && !File.Exists(super))
            return new JournalFile { Path = path, Live = false };
        var pageSize = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(24));
        var sector = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(20));
        var sound = pageSize is >= 512 and <= 65536 && (pageSize & (pageSize - 1)) == 0 && sector is >= 32 and <= 65536;
        return new JournalFile
        {
            Path = path,
            Live = true,
            Nonce = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12)),
            PageCount = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(16)),
            PageSize = sound ? (int)pageSize : 0,
            Pages = sound && withPages ? ReadPages(file, (int)pageSize, sector, cancellationToken) : new Dictionary<uint, long>(),
        };
    }

    private static Dictionary<uint, long> ReadPages(FileStream file, int pageSize, uint sector, CancellationToken cancellationToken)
    {
        var pages = new Dictionary<uint, long>();
        var header = new byte[HeaderSize];
        var record = new byte[pageSize + 8];
        for (long at = 0; at + HeaderSize <= file.Length; at = (file.Position + sector - 1) / sector * sector)
        {
            file.Position = at;
            file.ReadExactly(header);
            if (!header.AsSpan(0, 8).SequenceEqual(Magic))
                break;
            var count = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8));
            var nonce = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12));
            file.Position = at + sector;
            // -1: the writer did not sync, and the records go on to the end of the file
            for (uint i = 0; i < count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var position = file.Position;
                if (file.ReadAtLeast(record, record.Length, throwOnEndOfStream: false) < record.Length || !Matches(record, pageSize, nonce))
                    return pages;
                pages.TryAdd(BinaryPrimitives.ReadUInt32BigEndian(record), position + 4);
            }
        }
        return pages;
    }

    private static bool Matches(byte[] record, int pageSize, uint nonce)
    {
        var sum = nonce;
        for (var i = pageSize - 200; i > 0; i -= 200)
            sum += record[4 + i];
        return BinaryPrimitives.ReadUInt32BigEndian(record) != 0
            && BinaryPrimitives.ReadUInt32BigEndian(record.AsSpan(pageSize + 4)) == sum;
    }

    // the name of a super-journal, its length, its check sum and the magic are the journal's last bytes
    private static string? SuperJournal(FileStream file)
    {
        if (file.Length < 16 + HeaderSize)
            return null;
        Span<byte> tail = stackalloc byte[16];
        file.Position = file.Length - 16;
        file.ReadExactly(tail);
        var length = BinaryPrimitives.ReadUInt32BigEndian(tail);
        if (!tail[8..].SequenceEqual(Magic) || length is 0 or > 4096 || length + 16 > file.Length)
            return null;
        var name = new byte[length];
        file.Position = file.Length - 16 - length;
        file.ReadExactly(name);
        uint sum = 0;
        foreach (var b in name)
            sum += b;
        return sum == BinaryPrimitives.ReadUInt32BigEndian(tail[4..]) ? Encoding.UTF8.GetString(name) : null;
    }
}

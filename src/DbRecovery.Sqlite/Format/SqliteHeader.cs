using System.Buffers.Binary;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Format;

/// <summary>The 100-byte header of a database file (https://www.sqlite.org/fileformat2.html, section 1.3).</summary>
internal sealed record SqliteHeader
{
    /// <summary>Bytes of the header.</summary>
    internal const int Size = 100;

    /// <summary>Where the bytes are that processes lock: the page that they are in is never read or written.</summary>
    internal const long LockBytes = 0x40000000;

    /// <summary>The first 16 bytes of every database.</summary>
    internal static ReadOnlySpan<byte> Magic => "SQLite format 3\0"u8;

    internal required int PageSize { get; init; }
    internal required byte WriteVersion { get; init; }
    internal required byte ReadVersion { get; init; }
    internal required byte ReservedBytes { get; init; }
    internal required uint ChangeCounter { get; init; }
    internal required uint DeclaredPageCount { get; init; }
    internal required uint FirstFreelistPage { get; init; }
    internal required uint FreelistPages { get; init; }
    internal required uint SchemaCookie { get; init; }
    internal required uint LargestRoot { get; init; }
    internal required uint TextEncoding { get; init; }
    internal required uint UserVersion { get; init; }
    internal required uint ApplicationId { get; init; }
    internal required uint VersionValidFor { get; init; }

    /// <summary>Bytes of a page that SQLite itself uses.</summary>
    internal int UsableSize => PageSize - ReservedBytes;

    /// <summary>Whether the database is in WAL mode.</summary>
    internal bool IsWal => ReadVersion == 2;

    /// <summary>The database size in pages, or null where the last writer was too old to keep it (the file's size counts then).</summary>
    internal uint? PageCount => DeclaredPageCount > 0 && VersionValidFor == ChangeCounter ? DeclaredPageCount : null;

    /// <summary>Whether these bytes begin like a database.</summary>
    internal static bool HasMagic(ReadOnlySpan<byte> first) => first.Length >= Magic.Length && first[..Magic.Length].SequenceEqual(Magic);

    /// <summary>Reads the header of an image; null where it is none, or where a field has a value that no SQLite writes.</summary>
    /// <exception cref="IOException">The system cannot read it.</exception>
    internal static SqliteHeader? TryRead(IDatabaseImage image)
    {
        Span<byte> first = stackalloc byte[Size];
        return TryParse(first[..image.Read(0, first)]);
    }

    /// <summary>Reads a header; null where it is none, or where a field has a value that no SQLite writes.</summary>
    internal static SqliteHeader? TryParse(ReadOnlySpan<byte> first100)
    {
        if (first100.Length < Size || !HasMagic(first100))
            return null;
        var rawSize = BinaryPrimitives.ReadUInt16BigEndian(first100[16..]);
        var pageSize = rawSize == 1 ? 65536 : rawSize;
        var reserved = first100[20];
        var possible = pageSize is >= 512 and <= 65536 && (pageSize & (pageSize - 1)) == 0
            && pageSize - reserved >= 480
            && first100[18] is (1 or 2) && first100[19] is (1 or 2)
            && first100[21] == 64 && first100[22] == 32 && first100[23] == 32;
        return !possible ? null : new SqliteHeader
        {
            PageSize = pageSize,
            WriteVersion = first100[18],
            ReadVersion = first100[19],
            ReservedBytes = reserved,
            ChangeCounter = U32(first100, 24),
            DeclaredPageCount = U32(first100, 28),
            FirstFreelistPage = U32(first100, 32),
            FreelistPages = U32(first100, 36),
            SchemaCookie = U32(first100, 40),
            LargestRoot = U32(first100, 52),
            TextEncoding = U32(first100, 56),
            UserVersion = U32(first100, 60),
            ApplicationId = U32(first100, 68),
            VersionValidFor = U32(first100, 92),
        };
    }

    private static uint U32(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt32BigEndian(header[at..]);
}

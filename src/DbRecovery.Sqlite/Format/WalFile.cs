using System.Buffers.Binary;

namespace DbRecovery.Sqlite.Format;

/// <summary>
/// What a -wal file holds: the committed frames that its check sums prove (https://www.sqlite.org/fileformat2.html, section 4).
/// Reading it through a descriptor of our own is safe: SQLite takes its WAL locks on the -shm file, never on the -wal.
/// </summary>
internal sealed record WalFile
{
    private const int HeaderSize = 32;
    private const int FrameHeaderSize = 24;

    /// <summary>The file.</summary>
    internal required string Path { get; init; }
    /// <summary>Bytes of the file.</summary>
    internal required long Size { get; init; }
    /// <summary>The page size; 0 where the header is not valid.</summary>
    internal int PageSize { get; init; }
    /// <summary>The checkpoint sequence and both salts, in hexadecimal: new for every new beginning of the WAL.</summary>
    internal string Salt { get; init; } = "";
    /// <summary>Frames up to and with the last commit.</summary>
    internal long CommittedFrames { get; init; }
    /// <summary>The database's size in pages after the last commit; 0 where there is none.</summary>
    internal uint PageCount { get; init; }
    /// <summary>Where in the file the newest committed content of a page is; only where it was asked for.</summary>
    internal IReadOnlyDictionary<uint, long> Pages { get; init; } = new Dictionary<uint, long>();

    /// <summary>The name of a database's WAL.</summary>
    internal static string PathOf(string database) => database + "-wal";

    /// <summary>Reads a database's WAL; null where there is none or it may not be read.</summary>
    internal static WalFile? TryRead(string database, bool withPages, CancellationToken cancellationToken) =>
        SideFile.TryRead(PathOf(database), (path, file) => Read(path, file, withPages, cancellationToken));

    private static WalFile Read(string path, FileStream file, bool withPages, CancellationToken cancellationToken)
    {
        var nothing = new WalFile { Path = path, Size = file.Length };
        var header = new byte[HeaderSize];
        if (file.ReadAtLeast(header, HeaderSize, throwOnEndOfStream: false) < HeaderSize)
            return nothing;
        var magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        var pageSize = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8));
        if ((magic & 0xfffffffe) != 0x377f0682 || pageSize is < 512 or > 65536 || (pageSize & (pageSize - 1)) != 0)
            return nothing;
        var sum = new Checksum((magic & 1) != 0);
        sum.Add(header.AsSpan(0, 24));
        if (!sum.Matches(header.AsSpan(24)))
            return nothing;
        return ReadFrames(nothing with { PageSize = (int)pageSize, Salt = Convert.ToHexString(header.AsSpan(12, 12)) }, file, header, sum, withPages, cancellationToken);
    }

    private static WalFile ReadFrames(WalFile wal, FileStream file, byte[] header, Checksum sum, bool withPages, CancellationToken cancellationToken)
    {
        var pages = new Dictionary<uint, long>();
        var pending = new List<(uint Page, long Offset)>();
        var frame = new byte[FrameHeaderSize + wal.PageSize];
        long frames = 0, committed = 0;
        uint pageCount = 0;
        while (file.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = BinaryPrimitives.ReadUInt32BigEndian(frame);
            var commit = BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(4));
            // frames of an earlier round of the WAL lie behind the last one and have its salts
            if (page == 0 || !frame.AsSpan(8, 8).SequenceEqual(header.AsSpan(16, 8)))
                break;
            sum.Add(frame.AsSpan(0, 8));
            sum.Add(frame.AsSpan(FrameHeaderSize));
            if (!sum.Matches(frame.AsSpan(16)))
                break;
            if (withPages)
                pending.Add((page, HeaderSize + frames * frame.Length + FrameHeaderSize));
            frames++;
            if (commit == 0)
                continue;
            committed = frames;
            pageCount = commit;
            foreach (var (number, offset) in pending)
                pages[number] = offset;
            pending.Clear();
        }
        return wal with { CommittedFrames = committed, PageCount = pageCount, Pages = pages };
    }

    private sealed class Checksum(bool bigEndian)
    {
        private uint _a, _b;

        internal void Add(ReadOnlySpan<byte> bytes)
        {
            var (a, b) = (_a, _b);
            for (var i = 0; i < bytes.Length; i += 8)
            {
                unchecked
                {
                    a += Word(bytes[i..]) + b;
                    b += Word(bytes[(i + 4)..]) + a;
                }
            }
            (_a, _b) = (a, b);
        }

        internal bool Matches(ReadOnlySpan<byte> stored) =>
            BinaryPrimitives.ReadUInt32BigEndian(stored) == _a && BinaryPrimitives.ReadUInt32BigEndian(stored[4..]) == _b;

        private uint Word(ReadOnlySpan<byte> bytes) =>
            bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }
}

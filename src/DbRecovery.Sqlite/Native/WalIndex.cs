using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DbRecovery.Sqlite.Native;

/// <summary>The header of the wal-index, in native byte order (https://sqlite.org/walformat.html, section 2.1).</summary>
internal static class WalIndex
{
    /// <summary>Bytes of a region of the shared memory.</summary>
    internal const int RegionSize = 32768;
    /// <summary>Bytes of one of the two copies of the header.</summary>
    internal const int HeaderSize = 48;
    /// <summary>The lock of the one writer.</summary>
    internal const int WriteLock = 0;
    /// <summary>Writer, checkpointer and recoverer: the locks of all who change the log or the database.</summary>
    internal const int ChangingLocks = 3;

    private const int BackfillOffset = 96;
    // SQLite knows 3007000; with any other version a connection gives SQLITE_CANTOPEN at the start of its next transaction
    private const uint FencedVersion = 0x44425246;

    /// <summary>A copy of a header.</summary>
    internal readonly record struct Header(uint MaxFrame, uint PageCount, uint Salt1, uint Salt2, UInt128 Digest1, UInt128 Digest2, UInt128 Digest3);

    /// <summary>Reads the header and the number of frames already in the database; null while a writer is in the middle of changing it.</summary>
    internal static unsafe (Header Header, uint Backfilled)? Read(IntPtr region, SqliteFile file)
    {
        var first = new ReadOnlySpan<byte>((void*)region, HeaderSize).ToArray();
        file.SharedMemoryBarrier();
        var memory = new ReadOnlySpan<byte>((void*)region, 136);
        if (!memory.Slice(HeaderSize, HeaderSize).SequenceEqual(first))
            return null;
        return (Parse(first), Volatile.Read(ref MemoryMarshal.AsRef<uint>(new Span<byte>((void*)(region + BackfillOffset), 4))));
    }

    private static Header Parse(ReadOnlySpan<byte> bytes) => new(
        MemoryMarshal.Read<uint>(bytes[16..]), MemoryMarshal.Read<uint>(bytes[20..]),
        // salts are kept as the log has them: big-endian bytes
        BinaryPrimitives.ReadUInt32BigEndian(bytes[32..]), BinaryPrimitives.ReadUInt32BigEndian(bytes[36..]),
        MemoryMarshal.Read<UInt128>(bytes), MemoryMarshal.Read<UInt128>(bytes[16..]), MemoryMarshal.Read<UInt128>(bytes[32..]));

    /// <summary>
    /// Makes every later transaction of the connections on this shared memory fail: a valid header of an unknown version.
    /// The caller holds <see cref="ChangingLocks"/>, so nobody is in the middle of a commit that would write the header again.
    /// </summary>
    /// <returns>The header as it was.</returns>
    internal static unsafe byte[] Fence(IntPtr region, SqliteFile file)
    {
        var before = new ReadOnlySpan<byte>((void*)region, HeaderSize).ToArray();
        var header = before.ToArray();
        WriteFenced(header);
        Write(header, region, file);
        return before;
    }

    /// <summary>Puts a header into both places.</summary>
    internal static unsafe void Write(ReadOnlySpan<byte> header, IntPtr region, SqliteFile file)
    {
        // readers compare the copies first to second, so the second goes first, as a commit does it
        header.CopyTo(new Span<byte>((void*)(region + HeaderSize), HeaderSize));
        file.SharedMemoryBarrier();
        header.CopyTo(new Span<byte>((void*)region, HeaderSize));
        file.SharedMemoryBarrier();
    }

    /// <summary>Gives a header the unknown version and a checksum that fits.</summary>
    internal static void WriteFenced(Span<byte> header)
    {
        MemoryMarshal.Write(header, FencedVersion);
        header[12] = 1; // initialised
        var (s1, s2) = (0u, 0u);
        for (var i = 0; i < 40; i += 8)
        {
            s1 += MemoryMarshal.Read<uint>(header[i..]) + s2;
            s2 += MemoryMarshal.Read<uint>(header[(i + 4)..]) + s1;
        }
        MemoryMarshal.Write(header[40..], s1);
        MemoryMarshal.Write(header[44..], s2);
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>A blob's place in a pack.</summary>
/// <param name="Id">The blob.</param>
/// <param name="Offset">Where its stored bytes begin.</param>
/// <param name="StoredLength">How many stored bytes.</param>
/// <param name="RawLength">How many bytes of data.</param>
/// <param name="PageSize">The page size over which its id was computed.</param>
/// <param name="Codec">How it is compressed.</param>
internal readonly record struct PackEntry(BlobId Id, uint Offset, int StoredLength, int RawLength, int PageSize, BlobCodec Codec)
{
    /// <summary>Whether standard tools can read it.</summary>
    public bool IsPortable => Codec is BlobCodec.Raw or BlobCodec.Gzip;
}

/// <summary>What a pack's header says.</summary>
/// <param name="CipherId">The cipher's number.</param>
/// <param name="Epoch">The epoch of the data key; 0 without a cipher.</param>
/// <param name="Salt">The salt from which the pack's own key is derived.</param>
internal readonly record struct PackHeader(ushort CipherId, uint Epoch, ReadOnlyMemory<byte> Salt);

/// <summary>
/// A pack, all numbers little-endian:
/// header (32): "DBRPACK1", u16 version, u16 cipher, u32 epoch (0 without a cipher), salt (16);
/// blobs, sealed, end to end;
/// trailer, sealed: u32 count, then an entry (56) a blob: id (32), u32 offset, u32 stored length, u32 raw length, u32 page size, u8 codec, 7 bytes 0;
/// footer (48): SHA-256 of the stored trailer (32), u32 its length, u32 number of blobs, "DBRPEND1".
/// The pack's name is the SHA-256 of all of it.
/// </summary>
internal static class PackFormat
{
    public const int Version = 1;
    public const int TargetSize = 32 << 20;
    public const int HeaderSize = 32;
    public const int SaltSize = 16;
    public const int EntrySize = 56;
    public const int FooterSize = 48;
    /// <summary>No blob of any kind of backup is larger than this; a reader refuses more before it allocates.</summary>
    public const int MaxBlobSize = 16 << 20;
    private static ReadOnlySpan<byte> Magic => "DBRPACK1"u8;
    private static ReadOnlySpan<byte> EndMagic => "DBRPEND1"u8;

    public static byte[] Header(ushort cipherId, uint epoch, ReadOnlySpan<byte> salt)
    {
        var header = new byte[HeaderSize];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(10), cipherId);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), epoch);
        salt.CopyTo(header.AsSpan(16));
        return header;
    }

    /// <summary>What a header says; null where it is not one that this version reads.</summary>
    public static PackHeader? ReadHeader(ReadOnlyMemory<byte> header)
    {
        var bytes = header.Span;
        if (bytes.Length != HeaderSize || !bytes.StartsWith(Magic) || BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]) != Version)
            return null;
        return new PackHeader(BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]), header.Slice(16, SaltSize));
    }

    public static byte[] Trailer(IReadOnlyList<PackEntry> entries)
    {
        var bytes = new byte[4 + entries.Count * EntrySize];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, entries.Count);
        WriteEntries(entries, bytes.AsSpan(4));
        return bytes;
    }

    public static byte[] Footer(ReadOnlySpan<byte> storedTrailer, int count)
    {
        var footer = new byte[FooterSize];
        SHA256.HashData(storedTrailer, footer);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(32), storedTrailer.Length);
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(36), count);
        EndMagic.CopyTo(footer.AsSpan(40));
        return footer;
    }

    /// <summary>The length and number that a footer names; null where it is none.</summary>
    public static (int TrailerLength, int Count)? ReadFooter(ReadOnlySpan<byte> footer, long packSize)
    {
        if (footer.Length != FooterSize || !footer[40..].SequenceEqual(EndMagic))
            return null;
        var length = BinaryPrimitives.ReadInt32LittleEndian(footer[32..]);
        var count = BinaryPrimitives.ReadInt32LittleEndian(footer[36..]);
        return length < 4 || count < 0 || length > packSize - HeaderSize - FooterSize ? null : (length, count);
    }

    public static bool TrailerMatches(ReadOnlySpan<byte> footer, ReadOnlySpan<byte> storedTrailer) =>
        SHA256.HashData(storedTrailer).AsSpan().SequenceEqual(footer[..32]);

    /// <summary>The entries of an opened trailer; null where it makes no sense.</summary>
    public static PackEntry[]? ReadTrailer(ReadOnlySpan<byte> trailer, int count, long packSize)
    {
        if (trailer.Length != 4 + (long)count * EntrySize || BinaryPrimitives.ReadInt32LittleEndian(trailer) != count)
            return null;
        return ReadEntries(trailer[4..], count, packSize);
    }

    public static void WriteEntries(IReadOnlyList<PackEntry> entries, Span<byte> bytes)
    {
        foreach (var entry in entries)
        {
            entry.Id.Write(bytes);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], entry.Offset);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[36..], entry.StoredLength);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[40..], entry.RawLength);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[44..], entry.PageSize);
            bytes[48] = (byte)entry.Codec;
            bytes = bytes[EntrySize..];
        }
    }

    public static PackEntry[]? ReadEntries(ReadOnlySpan<byte> bytes, int count, long packSize)
    {
        var entries = new PackEntry[count];
        for (var i = 0; i < count; i++, bytes = bytes[EntrySize..])
        {
            var entry = new PackEntry(BlobId.Read(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[40..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[44..]), (BlobCodec)bytes[48]);
            if (entry.StoredLength is <= 0 or > MaxBlobSize || entry.RawLength is <= 0 or > MaxBlobSize || entry.PageSize <= 0
                || entry.Offset < HeaderSize || entry.Offset + (long)entry.StoredLength > packSize)
                return null;
            entries[i] = entry;
        }
        return entries;
    }

    /// <summary>The key of a pack.</summary>
    public static string Key(string name) => $"packs/{name[..2]}/{name}.pack";

    /// <summary>The pack's name in a key; null where the key is not a pack's.</summary>
    public static string? NameOf(string key)
    {
        if (!key.StartsWith("packs/", StringComparison.Ordinal) || !key.EndsWith(".pack", StringComparison.Ordinal))
            return null;
        var name = key[(key.LastIndexOf('/') + 1)..^5];
        return BlobId.TryParse(name, out _) && key == Key(name) ? name : null;
    }
}

/// <summary>
/// index/&lt;sha256&gt;.idx: "DBRINDX1", u32 number of packs, then a pack: name (32), u64 size, u32 number of blobs, its trailer's entries.
/// Named by the SHA-256 of its stored bytes, so that damage shows; sealed where the repository is encrypted; everything in it can be read
/// from the packs' trailers.
/// </summary>
internal static class IndexFormat
{
    private static ReadOnlySpan<byte> Magic => "DBRINDX1"u8;

    public static byte[] Write(IReadOnlyList<PackContents> packs)
    {
        var bytes = new byte[12 + packs.Sum(p => 44L + (long)p.Entries.Count * PackFormat.EntrySize)];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), packs.Count);
        var rest = bytes.AsSpan(12);
        foreach (var pack in packs)
        {
            Convert.FromHexString(pack.Name).CopyTo(rest);
            BinaryPrimitives.WriteInt64LittleEndian(rest[32..], pack.Size);
            BinaryPrimitives.WriteInt32LittleEndian(rest[40..], pack.Entries.Count);
            PackFormat.WriteEntries(pack.Entries, rest[44..]);
            rest = rest[(44 + pack.Entries.Count * PackFormat.EntrySize)..];
        }
        return bytes;
    }

    /// <summary>The name under which an index is sealed: its key is known only when it is.</summary>
    public const string SealName = "index";

    /// <summary>The packs of an opened index; null where it makes no sense.</summary>
    public static IReadOnlyList<PackContents>? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 12 || !bytes.StartsWith(Magic))
            return null;
        var packs = new List<PackContents>();
        var count = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        var rest = bytes[12..];
        for (var i = 0; i < count; i++)
        {
            if (rest.Length < 44)
                return null;
            var size = BinaryPrimitives.ReadInt64LittleEndian(rest[32..]);
            var blobs = BinaryPrimitives.ReadInt32LittleEndian(rest[40..]);
            if (blobs < 0 || rest.Length < 44 + (long)blobs * PackFormat.EntrySize || PackFormat.ReadEntries(rest[44..], blobs, size) is not { } entries)
                return null;
            packs.Add(new PackContents(BlobId.Read(rest).ToString(), size, entries));
            rest = rest[(44 + blobs * PackFormat.EntrySize)..];
        }
        return rest.IsEmpty ? packs : null;
    }

    public static string Key(ReadOnlySpan<byte> bytes) =>
        $"index/{Convert.ToHexString(SHA256.HashData(bytes)).ToLowerInvariant()}.idx";
}

/// <summary>What is in a pack.</summary>
/// <param name="Name">The SHA-256 of its bytes.</param>
/// <param name="Size">Its size.</param>
/// <param name="Entries">Its blobs.</param>
internal sealed record PackContents(string Name, long Size, IReadOnlyList<PackEntry> Entries);

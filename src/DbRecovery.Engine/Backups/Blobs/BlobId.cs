using System.Buffers.Binary;

namespace DbRecovery.Engine.Backups;

/// <summary>The content address of a blob: 32 bytes.</summary>
internal readonly record struct BlobId(ulong A, ulong B, ulong C, ulong D)
{
    public const int Size = 32;

    public static BlobId Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, A);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], D);
    }

    public static bool TryParse(string? hex, out BlobId id)
    {
        id = default;
        if (hex is not { Length: 2 * Size } || hex.AsSpan().IndexOfAnyExcept("0123456789abcdef") >= 0)
            return false;
        id = Read(Convert.FromHexString(hex));
        return true;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Convert.ToHexString(bytes).ToLowerInvariant();
    }

    public bool Equals(BlobId other) => A == other.A && B == other.B && C == other.C && D == other.D;

    // the id is a hash already
    public override int GetHashCode() => A.GetHashCode();
}

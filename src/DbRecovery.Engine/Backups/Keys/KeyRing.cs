using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>The keys that seal and open a repository's content.</summary>
internal interface IKeyRing
{
    /// <summary>The epoch whose data key seals what is new.</summary>
    uint CurrentEpoch { get; }

    /// <summary>The data key of an epoch; null where it was dropped, or is newer than this ring.</summary>
    byte[]? DataKey(uint epoch);
}

/// <summary>A key of a repository as the ring knows it: what is not in this list is given no new epoch, whatever lies under keys/.</summary>
/// <param name="Id">The slot.</param>
/// <param name="PublicKey">The SHA-256 of its public key.</param>
internal sealed record RingMember(Guid Id, byte[] PublicKey);

/// <summary>
/// What an opened key slot gives: the root key, from which blob ids and the seal of repo.json come and which never changes; the data key
/// of every epoch; and who else holds a key.
/// </summary>
internal sealed class KeyRing : IKeyRing
{
    public const int KeySize = 32;
    private const int MaxCount = 4096;
    private readonly SortedDictionary<uint, byte[]> _epochs;

    private KeyRing(byte[] root, SortedDictionary<uint, byte[]> epochs, IReadOnlyList<RingMember> members, int generation) =>
        (Root, _epochs, Members, Generation) = (root, epochs, members, generation);

    /// <summary>The root key. Whoever holds it may seal a ring for another slot.</summary>
    public byte[] Root { get; }

    /// <summary>Counts the changes of the ring: of two copies the one with the higher number stands.</summary>
    public int Generation { get; }

    public IReadOnlyList<RingMember> Members { get; }
    public IReadOnlyCollection<uint> Epochs => _epochs.Keys;
    public uint CurrentEpoch => _epochs.Keys.Last();
    public byte[]? DataKey(uint epoch) => _epochs.GetValueOrDefault(epoch);

    /// <summary>A new repository's ring.</summary>
    public static KeyRing Create() =>
        new(RandomNumberGenerator.GetBytes(KeySize), new SortedDictionary<uint, byte[]> { [1] = RandomNumberGenerator.GetBytes(KeySize) }, [], 1);

    /// <summary>The next ring, with other members.</summary>
    public KeyRing With(IEnumerable<RingMember> members, bool newEpoch = false, uint? dropped = null)
    {
        var epochs = new SortedDictionary<uint, byte[]>(_epochs);
        if (newEpoch)
            epochs[CurrentEpoch + 1] = RandomNumberGenerator.GetBytes(KeySize);
        if (dropped is { } epoch)
            epochs.Remove(epoch);
        return new KeyRing(Root, epochs, [.. members], Generation + 1);
    }

    /// <summary>The seal of a repository's header: an HMAC that only a holder of the root key can make.</summary>
    public string SealOf(ReadOnlySpan<byte> header)
    {
        var key = Derive("dbrecovery header"u8);
        var seal = Convert.ToHexString(HMACSHA256.HashData(key, header)).ToLowerInvariant();
        CryptographicOperations.ZeroMemory(key);
        return seal;
    }

    /// <summary>The key of blob ids: one for the whole life of the repository, or equal blobs would be stored twice after each epoch.</summary>
    public byte[] BlobIdKey() => Derive("dbrecovery blob id"u8);

    /// <summary>Whether a slot is one of the members.</summary>
    public bool Has(KeySlot slot) => Members.Any(m => m.Id == slot.Id && m.PublicKey.AsSpan().SequenceEqual(SHA256.HashData(slot.PublicKey)));

    /// <summary>
    /// The ring without its root, all numbers little-endian: u32 generation, u32 epochs, (u32 number, key (32)) each, u32 members,
    /// (id (16), SHA-256 of the public key (32)) each.
    /// </summary>
    public byte[] Write()
    {
        var bytes = new byte[12 + _epochs.Count * (4 + KeySize) + Members.Count * (16 + 32)];
        var rest = bytes.AsSpan();
        Next(ref rest, Generation);
        Next(ref rest, _epochs.Count);
        foreach (var (number, key) in _epochs)
        {
            Next(ref rest, (int)number);
            key.CopyTo(rest);
            rest = rest[KeySize..];
        }
        Next(ref rest, Members.Count);
        foreach (var member in Members)
        {
            member.Id.TryWriteBytes(rest);
            member.PublicKey.CopyTo(rest[16..]);
            rest = rest[48..];
        }
        return bytes;

        static void Next(ref Span<byte> rest, int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rest, value);
            rest = rest[4..];
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null where it makes no sense.</summary>
    public static KeyRing? Read(byte[] root, ReadOnlySpan<byte> bytes)
    {
        if (!Next(ref bytes, out var generation) || !Next(ref bytes, out var count) || count is < 1 or > MaxCount || bytes.Length < count * (4 + KeySize))
            return null;
        var epochs = new SortedDictionary<uint, byte[]>();
        for (var i = 0; i < count; i++, bytes = bytes[(4 + KeySize)..])
            epochs[BinaryPrimitives.ReadUInt32LittleEndian(bytes)] = bytes.Slice(4, KeySize).ToArray();
        if (!Next(ref bytes, out var members) || members is < 0 or > MaxCount || bytes.Length != members * 48)
            return null;
        var list = new List<RingMember>(members);
        for (; !bytes.IsEmpty; bytes = bytes[48..])
            list.Add(new RingMember(new Guid(bytes[..16]), bytes.Slice(16, 32).ToArray()));
        return new KeyRing(root, epochs, list, generation);

        static bool Next(ref ReadOnlySpan<byte> rest, out int value)
        {
            if (!BinaryPrimitives.TryReadInt32LittleEndian(rest, out value))
                return false;
            rest = rest[4..];
            return true;
        }
    }

    private byte[] Derive(ReadOnlySpan<byte> purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, Root, KeySize, info: purpose.ToArray());
}

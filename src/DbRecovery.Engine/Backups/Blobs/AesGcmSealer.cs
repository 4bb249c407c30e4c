using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// AES-256-GCM. A pack's key is HKDF-SHA256(data key of its epoch, salt of its header, "dbrecovery pack"), so that no two packs share
/// one; the nonce is the piece's number; the AAD is "DBRP", repository, epoch, kind, blob id. A piece in another place, pack or repository
/// does not open.
/// </summary>
internal sealed class AesGcmSealer(IKeyRing keys) : IBlobSealer
{
    public const string Name = "aes-256-gcm";
    public const ushort Number = 1;
    public const int TagSize = 16;
    public const int NonceSize = 12;
    private const int MaxCachedPacks = 512;
    private const int AadSize = 4 + 16 + 4 + 1 + BlobId.Size;
    private static ReadOnlySpan<byte> Purpose => "dbrecovery pack"u8;
    private readonly ConcurrentDictionary<(uint Epoch, UInt128 Salt), PackCipher> _packs = new();

    public string Cipher => Name;
    public ushort CipherId => Number;
    public uint CurrentEpoch => keys.CurrentEpoch;

    public bool Knows(uint epoch) => keys.DataKey(epoch) is not null;

    public ReadOnlyMemory<byte> NewPackSalt() => RandomNumberGenerator.GetBytes(PackFormat.SaltSize);

    public ReadOnlyMemory<byte> Seal(in SealContext context, ReadOnlyMemory<byte> payload)
    {
        var pack = PackOf(context) ?? throw new InvalidOperationException($"there is no data key of epoch {context.Epoch}");
        var room = pack.Room(payload.Length + TagSize);
        Span<byte> nonce = stackalloc byte[NonceSize];
        Span<byte> aad = stackalloc byte[AadSize];
        Bind(context, nonce, aad);
        var cipher = pack.Rent();
        try
        {
            cipher.Encrypt(nonce, payload.Span, room.Span[..payload.Length], room.Span[payload.Length..], aad);
        }
        finally
        {
            pack.Return(cipher);
        }
        return room;
    }

    public ReadOnlyMemory<byte>? Open(in SealContext context, Memory<byte> stored)
    {
        if (stored.Length < TagSize || PackOf(context) is not { } pack)
            return null;
        Span<byte> nonce = stackalloc byte[NonceSize];
        Span<byte> aad = stackalloc byte[AadSize];
        Bind(context, nonce, aad);
        var text = stored[..^TagSize];
        var cipher = pack.Rent();
        try
        {
            cipher.Decrypt(nonce, text.Span, stored.Span[^TagSize..], text.Span, aad);
            return text;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
        finally
        {
            pack.Return(cipher);
        }
    }

    private static void Bind(in SealContext context, Span<byte> nonce, Span<byte> aad)
    {
        nonce.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(nonce[8..], context.Sequence);
        "DBRP"u8.CopyTo(aad);
        context.RepositoryId.TryWriteBytes(aad[4..]);
        BinaryPrimitives.WriteUInt32LittleEndian(aad[20..], context.Epoch);
        aad[24] = (byte)context.Kind;
        context.Blob.Write(aad[25..]);
    }

    private PackCipher? PackOf(in SealContext context)
    {
        var key = (context.Epoch, MemoryMarshal.Read<UInt128>(context.PackSalt.Span));
        if (_packs.TryGetValue(key, out var known))
            return known;
        if (keys.DataKey(context.Epoch) is not { } dataKey)
            return null;
        // what is let go of may be in use: its handles are closed when nobody holds them
        if (_packs.Count >= MaxCachedPacks)
            _packs.Clear();
        return _packs.GetOrAdd(key, static (_, from) => new PackCipher(HKDF.DeriveKey(HashAlgorithmName.SHA256, from.dataKey, 32, from.salt, Purpose.ToArray())), (dataKey, salt: context.PackSalt.ToArray()));
    }

    /// <summary>A pack's ciphers. The key schedule is made once a worker, not once a blob.</summary>
    private sealed class PackCipher(byte[] key)
    {
        private readonly ConcurrentBag<AesGcm> _free = [];
        private byte[] _room = [];

        public AesGcm Rent() => _free.TryTake(out var cipher) ? cipher : new AesGcm(key, TagSize);

        public void Return(AesGcm cipher) => _free.Add(cipher);

        /// <summary>Where a piece is sealed. One piece of a pack at a time: their order is their nonce.</summary>
        public Memory<byte> Room(int size)
        {
            if (_room.Length < size)
                _room = GC.AllocateUninitializedArray<byte>((int)BitOperations.RoundUpToPowerOf2((uint)size));
            return _room.AsMemory(0, size);
        }
    }
}

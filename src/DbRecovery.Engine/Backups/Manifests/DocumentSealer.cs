using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>Seals whole objects that tell of the data: manifests, proofs, indexes, ledgers.</summary>
internal interface IDocumentSealer
{
    /// <summary>Seals an object.</summary>
    /// <param name="name">What the object is, which it is bound to: its key, or a fixed name where the key follows from the bytes.</param>
    /// <param name="content">The content.</param>
    byte[] Seal(string name, byte[] content);

    /// <summary>Opens an object; null where it is not what was sealed under that name.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryLocked"/>: it is whole, and of an epoch that the key at hand does not open.</exception>
    ReadOnlyMemory<byte>? Open(string name, byte[] stored);
}

/// <summary>No cipher: objects are stored as they are, each with a check of its own.</summary>
internal sealed class PlainDocuments : IDocumentSealer
{
    public byte[] Seal(string name, byte[] content) => content;
    public ReadOnlyMemory<byte>? Open(string name, byte[] stored) => stored;
}

/// <summary>
/// A sealed object, all numbers little-endian: header (32): "DBRSEAL1", u16 version, u16 cipher, u32 epoch, salt (16); the content under
/// AES-256-GCM and its tag (16); SHA-256 of all before it (32), so that damage shows without a key. Its key is HKDF-SHA256(data key of the
/// epoch, salt, "dbrecovery document") and serves once, so the nonce is 0; the AAD is the repository's id, the header and the name.
/// In the clear stay repo.json, keys/, sessions/, and every object's name, size and time: engine, system id, ids and times of backups.
/// </summary>
internal sealed class SealedDocuments(IKeyRing keys, Guid repository, IRepositoryStorage storage) : IDocumentSealer
{
    public const int HeaderSize = 32;
    private const int SaltSize = 16;
    private const int Version = 1;
    private static ReadOnlySpan<byte> Magic => "DBRSEAL1"u8;
    private static ReadOnlySpan<byte> Purpose => "dbrecovery document"u8;

    public byte[] Seal(string name, byte[] content)
    {
        var bytes = new byte[HeaderSize + content.Length + AesGcmSealer.TagSize + SHA256.HashSizeInBytes];
        var header = bytes.AsSpan(0, HeaderSize);
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], AesGcmSealer.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], keys.CurrentEpoch);
        RandomNumberGenerator.Fill(header[16..]);
        using (var cipher = CipherOf(keys.DataKey(keys.CurrentEpoch)!, header))
            cipher.Encrypt(new byte[AesGcmSealer.NonceSize], content, bytes.AsSpan(HeaderSize, content.Length), bytes.AsSpan(HeaderSize + content.Length, AesGcmSealer.TagSize), Binding(name, header));
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - SHA256.HashSizeInBytes), bytes.AsSpan(bytes.Length - SHA256.HashSizeInBytes));
        return bytes;
    }

    public ReadOnlyMemory<byte>? Open(string name, byte[] stored)
    {
        if (stored.Length < HeaderSize + AesGcmSealer.TagSize + SHA256.HashSizeInBytes || EpochOf(stored) is not { } epoch)
            return null;
        var body = stored.AsSpan(0, stored.Length - SHA256.HashSizeInBytes);
        if (!SHA256.HashData(body).AsSpan().SequenceEqual(stored.AsSpan(body.Length)))
            return null;
        if (keys.DataKey(epoch) is not { } dataKey)
            throw RepositoryErrors.Locked(storage, name, epoch);
        var header = body[..HeaderSize];
        var content = new byte[body.Length - HeaderSize - AesGcmSealer.TagSize];
        using var cipher = CipherOf(dataKey, header);
        try
        {
            cipher.Decrypt(new byte[AesGcmSealer.NonceSize], body.Slice(HeaderSize, content.Length), body[^AesGcmSealer.TagSize..], content, Binding(name, header));
            return content;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    /// <summary>The epoch of a sealed object by its first 32 bytes; null where it is none.</summary>
    public static uint? EpochOf(ReadOnlySpan<byte> header) =>
        header.Length >= HeaderSize && header.StartsWith(Magic) && BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) == Version
        && BinaryPrimitives.ReadUInt16LittleEndian(header[10..]) == AesGcmSealer.Number
            ? BinaryPrimitives.ReadUInt32LittleEndian(header[12..])
            : null;

    private static AesGcm CipherOf(byte[] dataKey, ReadOnlySpan<byte> header)
    {
        Span<byte> key = stackalloc byte[KeyRing.KeySize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, dataKey, key, header.Slice(HeaderSize - SaltSize, SaltSize), Purpose);
        var cipher = new AesGcm(key, AesGcmSealer.TagSize);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }

    private byte[] Binding(string name, ReadOnlySpan<byte> header) => [.. repository.ToByteArray(), .. header, .. Encoding.UTF8.GetBytes(name)];
}

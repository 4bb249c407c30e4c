using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// The cryptography of slots. Key-encryption key: PBKDF2-SHA256 of the passphrase, or HKDF-SHA256 of the key file. Ring: ECDH over P-256
/// with a key pair made for the occasion; its key is HMAC-SHA256(root key, shared secret || "dbrecovery ring" || repository || slot || generation).
/// The root key in it keeps whoever has no key from sealing a ring of his own to a public key that all can read.
/// </summary>
internal static class SlotCipher
{
    private const int SaltSize = 16;
    private static ReadOnlySpan<byte> KeyFilePurpose => "dbrecovery key file"u8;

    /// <summary>Makes a slot, still without a ring.</summary>
    public static KeySlot Create(Guid repository, string label, KeyMaterial material, KeyRing ring, DateTimeOffset now)
    {
        using var pair = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var passphrase = material.Kind == RepositoryKeyKind.Passphrase;
        var slot = new KeySlot
        {
            Format = KeySlot.CurrentFormat,
            RepoId = repository,
            Id = Guid.NewGuid(),
            Label = label,
            Kind = material.Kind,
            CreatedAt = now,
            Kdf = new KeyDerivation(passphrase ? KeySlot.Pbkdf2 : KeySlot.Hkdf, passphrase ? KeySlot.MinIterations : 0, RandomNumberGenerator.GetBytes(SaltSize)),
            PublicKey = pair.ExportSubjectPublicKeyInfo(),
            Secret = [],
            Ring = new SealedRing(0, 0, [], []),
        };
        var privateKey = pair.ExportECPrivateKey();
        byte[] secret = [.. ring.Root, .. privateKey];
        var key = Derive(slot.Kdf, material);
        try
        {
            return slot with { Secret = Seal(key, secret, slot.Binding()) };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(privateKey);
        }
    }

    /// <summary>Seals a ring to a slot. Only its public key is needed.</summary>
    public static KeySlot WithRing(KeySlot slot, KeyRing ring)
    {
        using var sender = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        using var receiver = ECDiffieHellman.Create();
        receiver.ImportSubjectPublicKeyInfo(slot.PublicKey, out _);
        var purpose = Purpose(slot, ring.Generation);
        var key = sender.DeriveKeyFromHmac(receiver.PublicKey, HashAlgorithmName.SHA256, ring.Root, null, purpose);
        var bytes = ring.Write();
        try
        {
            return slot with { Ring = new SealedRing(ring.Generation, ring.CurrentEpoch, sender.ExportSubjectPublicKeyInfo(), Seal(key, bytes, purpose)) };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>The ring of a slot. No ring and no damage: the material is not the slot's. Damage: it is, and the ring was altered.</summary>
    public static (KeyRing? Ring, string? Damage) Open(KeySlot slot, KeyMaterial material)
    {
        var key = Derive(slot.Kdf, material);
        var secret = Open(key, slot.Secret, slot.Binding());
        CryptographicOperations.ZeroMemory(key);
        if (secret is not { Length: > KeyRing.KeySize })
            return (null, null);
        try
        {
            return OpenRing(slot, secret) is { } ring ? (ring, null) : (null, "its ring is not what was sealed");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static KeyRing? OpenRing(KeySlot slot, byte[] secret)
    {
        var root = secret[..KeyRing.KeySize];
        byte[]? key = null, bytes = null;
        try
        {
            using var own = ECDiffieHellman.Create();
            own.ImportECPrivateKey(secret.AsSpan(KeyRing.KeySize), out _);
            using var sender = ECDiffieHellman.Create();
            sender.ImportSubjectPublicKeyInfo(slot.Ring.Sender, out _);
            var purpose = Purpose(slot, slot.Ring.Generation);
            key = own.DeriveKeyFromHmac(sender.PublicKey, HashAlgorithmName.SHA256, root, null, purpose);
            bytes = Open(key, slot.Ring.Sealed, purpose);
            return bytes is not null && KeyRing.Read(root, bytes) is { } ring && ring.Generation == slot.Ring.Generation && ring.CurrentEpoch == slot.Ring.Epoch ? ring : null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null; // not a point of the curve
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static byte[] Derive(KeyDerivation kdf, KeyMaterial material) => kdf.Algorithm == KeySlot.Pbkdf2
        ? Rfc2898DeriveBytes.Pbkdf2(material.Bytes, kdf.Salt, kdf.Iterations, HashAlgorithmName.SHA256, KeyRing.KeySize)
        : HKDF.DeriveKey(HashAlgorithmName.SHA256, material.Bytes, KeyRing.KeySize, kdf.Salt, KeyFilePurpose.ToArray());

    private static byte[] Purpose(KeySlot slot, int generation)
    {
        var number = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(number, generation);
        return [.. "dbrecovery ring"u8, .. slot.RepoId.ToByteArray(), .. slot.Id.ToByteArray(), .. number];
    }

    private static byte[] Seal(byte[] key, ReadOnlySpan<byte> text, ReadOnlySpan<byte> binding)
    {
        var bytes = new byte[AesGcmSealer.NonceSize + text.Length + AesGcmSealer.TagSize];
        var nonce = bytes.AsSpan(0, AesGcmSealer.NonceSize);
        RandomNumberGenerator.Fill(nonce);
        using var cipher = new AesGcm(key, AesGcmSealer.TagSize);
        cipher.Encrypt(nonce, text, bytes.AsSpan(AesGcmSealer.NonceSize, text.Length), bytes.AsSpan(bytes.Length - AesGcmSealer.TagSize), binding);
        return bytes;
    }

    private static byte[]? Open(byte[] key, byte[] bytes, ReadOnlySpan<byte> binding)
    {
        if (bytes.Length < AesGcmSealer.NonceSize + AesGcmSealer.TagSize)
            return null;
        var text = new byte[bytes.Length - AesGcmSealer.NonceSize - AesGcmSealer.TagSize];
        using var cipher = new AesGcm(key, AesGcmSealer.TagSize);
        try
        {
            cipher.Decrypt(bytes.AsSpan(0, AesGcmSealer.NonceSize), bytes.AsSpan(AesGcmSealer.NonceSize, text.Length), bytes.AsSpan(bytes.Length - AesGcmSealer.TagSize), text, binding);
            return text;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }
}

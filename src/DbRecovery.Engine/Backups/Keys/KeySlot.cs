using System.Globalization;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>How a slot's key comes from what its holder has.</summary>
/// <param name="Algorithm"><c>pbkdf2-sha256</c> or <c>hkdf-sha256</c>.</param>
/// <param name="Iterations">The rounds of PBKDF2; 0 for HKDF.</param>
/// <param name="Salt">16 random bytes.</param>
internal sealed record KeyDerivation(string Algorithm, int Iterations, byte[] Salt);

/// <summary>The ring, sealed to a slot's public key.</summary>
/// <param name="Generation">The ring's generation.</param>
/// <param name="Epoch">Its current epoch, for people.</param>
/// <param name="Sender">The public half of the key pair made for this sealing.</param>
/// <param name="Sealed">The ring and its tag.</param>
internal sealed record SealedRing(int Generation, uint Epoch, byte[] Sender, byte[] Sealed);

/// <summary>
/// keys/&lt;id&gt;.json: one key of a repository. What its holder has opens <see cref="Secret"/> (the root key and the slot's private key);
/// the private key opens <see cref="Ring"/>. So a ring can be sealed to every slot by whoever holds one of them.
/// </summary>
internal sealed record KeySlot
{
    public const string Folder = "keys/";
    public const int CurrentFormat = 1;
    public const int MinIterations = 600_000;
    /// <summary>More would only let an altered file keep a reader busy for minutes.</summary>
    public const int MaxIterations = 20_000_000;
    public const string Pbkdf2 = "pbkdf2-sha256";
    public const string Hkdf = "hkdf-sha256";
    private const int SaltSize = 16;
    private const int MaxLabel = 64;

    public required int Format { get; init; }
    public required Guid RepoId { get; init; }
    public required Guid Id { get; init; }
    public required string Label { get; init; }
    public required RepositoryKeyKind Kind { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required KeyDerivation Kdf { get; init; }
    /// <summary>P-256, SubjectPublicKeyInfo.</summary>
    public required byte[] PublicKey { get; init; }
    /// <summary>Nonce (12), the root key (32) and the private key (RFC 5915) under AES-256-GCM, tag (16).</summary>
    public required byte[] Secret { get; init; }
    public required SealedRing Ring { get; init; }

    public string Key => $"{Folder}{Id:N}.json";

    /// <summary>How people name it.</summary>
    public string Name => $"'{Label}' ({(Kind == RepositoryKeyKind.Passphrase ? "passphrase" : "key file")}, since {CreatedAt.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)})";

    /// <summary>What the secret is bound to: every other property that an attacker could gain by altering.</summary>
    public byte[] Binding() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $"dbrecovery slot\n{Format}\n{RepoId:N}\n{Id:N}\n{Kind}\n{CreatedAt.UtcTicks}\n{Kdf.Algorithm}\n{Kdf.Iterations}\n{Convert.ToHexString(Kdf.Salt)}\n{Convert.ToHexString(PublicKey)}\n{Label}"));

    /// <summary>Why a slot is refused before anything is tried with it; null for nothing.</summary>
    public string? Defect(string key, Guid repository)
    {
        // what was altered and given a new checksum may lack anything
        if (Label is null || PublicKey is null || Secret is null || Kdf is not { Algorithm: not null, Salt: not null } || Ring is not { Sender: not null, Sealed: not null })
            return "a part of it is missing";
        if (Format > CurrentFormat)
            return $"it has format {Format}, which this version does not read";
        if (key != Key)
            return "it is another key's file";
        if (RepoId != repository)
            return "it belongs to another repository";
        if (Kdf.Salt.Length != SaltSize || Kdf.Algorithm != (Kind == RepositoryKeyKind.Passphrase ? Pbkdf2 : Hkdf))
            return $"its key derivation '{Kdf.Algorithm}' is not that of a {Kind}";
        if (Kind == RepositoryKeyKind.Passphrase && Kdf.Iterations is < MinIterations or > MaxIterations)
            return $"its iteration count {Kdf.Iterations} is not between {MinIterations} and {MaxIterations}: it was altered, and is not used";
        return null;
    }

    /// <summary>Refuses a label that cannot be told apart or printed.</summary>
    public static void CheckLabel(string label)
    {
        if (label.Length is 0 or > MaxLabel || label.Any(char.IsControl) || label != label.Trim())
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{label}' is no label for a key", $"Use 1 to {MaxLabel} characters without control characters, no blank at either end.", label);
    }
}

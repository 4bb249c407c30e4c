using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>RESTORE-BY-HAND.md: what a repository is made of, and how a backup in it is restored where there is no DbRecovery.</summary>
internal static class HandBook
{
    public const string Key = "RESTORE-BY-HAND.md";
    private const string SealBegin = "<!-- sha256: ";
    private const string SealEnd = " -->\n";
    private const int SealSize = 13 + 64 + 5;
    private const string Plain = "not encrypted";
    private const string SealedNote = """
        ## Encryption

        This repository is encrypted, and the script below does not open it: DbRecovery with a passphrase or key file of it is needed, or a program
        that does what follows. Repository ids are 16 bytes as .NET's Guid.ToByteArray gives them; HKDF is RFC 5869 with SHA-256; every tag has 16 bytes.

        - `keys/<id>.json` is a key. Its own key is PBKDF2-SHA256(passphrase, `kdf.salt`, `kdf.iterations`, 32 bytes), or HKDF(key file, `kdf.salt`,
          "dbrecovery key file"). `secret` is nonce (12), AES-256-GCM text, tag; the text is the root key (32) and a P-256 private key (RFC 5915);
          the AAD is the lines "dbrecovery slot", format, repository id and key id (32 hex digits each), kind, created (ticks), algorithm, iterations,
          salt and public key (hex, upper case), label, with a line feed between them.
        - `ring.sealed` of it has the same shape. Its key is HMAC-SHA256(root key, ECDH(private key, `ring.sender`) || purpose), its AAD the purpose:
          "dbrecovery ring", repository id, key id, u32 generation. The text: u32 generation, u32 number of epochs, for each u32 number and data key (32).
        - A piece of a pack (a blob, or the trailer) is AES-256-GCM text and tag. Key: HKDF(data key of the epoch, salt of the header, "dbrecovery pack").
          Nonce: 8 bytes of 0, u32 number of the piece in the pack (the trailer comes after the last blob). AAD: "DBRP", repository id, u32 epoch,
          u8 kind (1 blob, 2 trailer), id of the blob (32 bytes of 0 for a trailer). The text of a blob is then decompressed.
        - A manifest, proof or index is "DBRSEAL1", u16 1, u16 1, u32 epoch, 16 bytes of salt, AES-256-GCM text, tag, SHA-256 of all before. Key:
          HKDF(data key, salt, "dbrecovery document"); nonce 12 bytes of 0; AAD: repository id, the 32 bytes of the header, the object's path (`index` for an index).

        """;

    /// <summary>Writes the text where it is missing or not that of this version.</summary>
    public static async Task WriteAsync(BackupRepository repository, CancellationToken cancellationToken)
    {
        var text = Text(repository);
        if ((await HeaderCopy.TryGetAsync(repository.Storage, Key, cancellationToken).ConfigureAwait(false))?.AsSpan().SequenceEqual(text) != true)
            await repository.Storage.PutAsync(Key, text, PutMode.Replace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the text is as some version wrote it: its last line is the SHA-256 of all before.</summary>
    public static async Task<bool> IsIntactAsync(IRepositoryStorage storage, CancellationToken cancellationToken) =>
        await HeaderCopy.TryGetAsync(storage, Key, cancellationToken).ConfigureAwait(false) is { Length: > SealSize } bytes
        && bytes.AsSpan()[^SealSize..].SequenceEqual(SealOf(bytes.AsSpan()[..^SealSize]));

    private static byte[] Text(BackupRepository repository)
    {
        var plain = repository.Sealer.CipherId == 0;
        var text = Resource("restore-by-hand.md")
            .Replace("{format}", $"{repository.Header.Format}", StringComparison.Ordinal)
            .Replace("{repoId}", $"{repository.Header.RepoId}", StringComparison.Ordinal)
            .Replace("{encryption}", plain ? Plain : $"encrypted with {repository.Sealer.Cipher}", StringComparison.Ordinal)
            .Replace("{tool}", BackupService.Tool, StringComparison.Ordinal)
            .Replace("{sealing}", plain ? "" : SealedNote, StringComparison.Ordinal)
            .Replace("{script}", Resource("restore-by-hand.sh"), StringComparison.Ordinal);
        var bytes = Encoding.UTF8.GetBytes(text);
        return [.. bytes, .. SealOf(bytes)];
    }

    private static byte[] SealOf(ReadOnlySpan<byte> text) => Encoding.ASCII.GetBytes(SealBegin + Convert.ToHexString(SHA256.HashData(text)).ToLowerInvariant() + SealEnd);

    private static string Resource(string name)
    {
        using var stream = typeof(HandBook).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"the resource '{name}' was not built in");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}

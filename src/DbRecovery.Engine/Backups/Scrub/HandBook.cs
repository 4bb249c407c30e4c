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

        This repository is encrypted: manifests, blobs, trailers and indexes are sealed, and the script below does not open them. DbRecovery with a
        passphrase or key file of the repository is needed.

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

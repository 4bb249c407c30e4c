using System.Security.Cryptography;
using System.Text;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Backups;

/// <summary>What opens a slot: the bytes of a passphrase or of a key file. Disposing it wipes them.</summary>
internal sealed class KeyMaterial : IDisposable
{
    public const int MinPassphrase = 8;
    private const int MinKeyFile = 32;
    private const int MaxKeyFile = 64 * 1024;
    private const int MinDifferentBytes = 8;

    private KeyMaterial(RepositoryKeyKind kind, byte[] bytes, string source) => (Kind, Bytes, Source) = (kind, bytes, source);

    public RepositoryKeyKind Kind { get; }
    public byte[] Bytes { get; }
    /// <summary>Where it is from, for messages: never what it is.</summary>
    public string Source { get; }

    /// <summary>Reads what a definition names.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.SecretUnavailable"/>, <see cref="ErrorIds.ParameterInvalid"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    public static async Task<KeyMaterial> ReadAsync(RepositoryEncryption encryption, ISecretResolver? secrets, CancellationToken cancellationToken)
    {
        if (encryption.KeyFile is { } file)
            return OfFile(file);
        if (encryption.Passphrase is not { } reference || secrets is null)
            throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.InvalidInput, "the repository's encryption names neither a passphrase nor a key file that can be read here", "Name one: encryption: { passphrase: { env: NAME } } or { keyFile: PATH }.");
        var secret = await secrets.ResolveAsync(reference, cancellationToken).ConfigureAwait(false);
        return OfPassphrase(secret, $"{reference.Source.ToString().ToLowerInvariant()} '{reference.Name}'");
    }

    /// <summary>A passphrase.</summary>
    public static KeyMaterial OfPassphrase(SecretValue secret, string source) =>
        new(RepositoryKeyKind.Passphrase, Encoding.UTF8.GetBytes(secret.Reveal()), source);

    /// <summary>A key file's content. A line end behind printable text does not count: an editor or a copy may add one.</summary>
    public static KeyMaterial OfFile(string path)
    {
        var bytes = FileErrors.Guarded(path, ErrorIds.SecretUnavailable, () =>
        {
            using var handle = Open(path);
            CheckMode(path);
            var length = RandomAccess.GetLength(handle);
            if (length > MaxKeyFile)
                throw Wrong(path, $"it is {length} bytes long, and a key file has {MaxKeyFile} at most");
            var content = new byte[length];
            return content.AsSpan(0, RandomAccess.Read(handle, content, 0)).ToArray();
        });
        var used = bytes.AsSpan();
        if (used.IndexOfAnyExceptInRange((byte)' ', (byte)'~') is var first && first > 0 && used[first..].IndexOfAnyExcept((byte)'\r', (byte)'\n') < 0)
            used = used[..first];
        if (used.Length < MinKeyFile)
            throw Wrong(path, $"it holds {used.Length} bytes, and a key has {MinKeyFile} at least");
        if (used.ToArray().Distinct().Count() < MinDifferentBytes)
            throw Wrong(path, "its bytes are not random");
        var material = new KeyMaterial(RepositoryKeyKind.KeyFile, used.ToArray(), $"key file '{path}'");
        CryptographicOperations.ZeroMemory(bytes);
        return material;
    }

    /// <summary>Writes a new key file of 32 random bytes as text, which only its owner may read.</summary>
    public static void Generate(string path)
    {
        FileErrors.Guarded(path, ErrorIds.ParameterInvalid, () =>
        {
            if (Path.Exists(path))
                throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"'{path}' exists", "Name a new file: the one that is there may be the only key to something.", path);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var random = RandomNumberGenerator.GetBytes(KeyRing.KeySize);
            using var file = new FileStream(path, options);
            file.Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(random) + "\n"));
            file.Flush(flushToDisk: true);
            CryptographicOperations.ZeroMemory(random);
            return true;
        });
        DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Refuses a passphrase that is too short to be one, before a key is made of it.</summary>
    public void CheckStrength()
    {
        if (Kind == RepositoryKeyKind.Passphrase && Bytes.Length < MinPassphrase)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the passphrase of {Source} is shorter than {MinPassphrase} characters", "Use several words, or a key file.", Source);
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(Bytes);

    private static Microsoft.Win32.SafeHandles.SafeFileHandle Open(string path)
    {
        try
        {
            return File.OpenHandle(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound, $"there is no key file '{path}'", "Check the path, and that its disk is mounted.", path, e);
        }
    }

    private static void CheckMode(string path)
    {
        const UnixFileMode open = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite;
        // a group may read: services are given keys that way
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & open) is not UnixFileMode.None and var mode)
            throw new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.Refused, $"the key file '{path}' is open to others ({mode}), and is not used", $"Close it: chmod 600 '{path}'. Who may have read it has a key.", path);
    }

    private static DbRecoveryException Wrong(string path, string what) =>
        new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{path}' is no key file: {what}", "Make one: dbrecovery repository key add ... --new-key-file PATH, or 32 bytes of /dev/urandom.", path);
}

using DbRecovery.Engine.Backups;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    private const string PassphraseVariable = "DBRECOVERY_PASSPHRASE";
    private const string KeyFileVariable = "DBRECOVERY_KEY_FILE";

    private RepositoryKeyService KeyService => new(new SecretResolver(_options), _options.Clock);

    /// <summary>The keys of an encrypted repository.</summary>
    public Task<IReadOnlyList<RepositoryKeyInfo>> GetRepositoryKeysAsync(RepositoryDefinition repository, CancellationToken cancellationToken)
        => KeyService.ListAsync(repository, cancellationToken);

    /// <summary>Adds a key to an encrypted repository. Paths in it are resolved against the shell's folder.</summary>
    public Task<RepositoryKeyInfo> AddRepositoryKeyAsync(RepositoryDefinition repository, NewRepositoryKey key, CancellationToken cancellationToken)
        => KeyService.AddAsync(repository, key with
        {
            KeyFile = key.KeyFile is { } file ? Locations.Resolve(_options, file) : null,
            NewKeyFile = key.NewKeyFile is { } made ? Locations.Resolve(_options, made) : null,
        }, cancellationToken);

    /// <summary>Removes a key of an encrypted repository and begins a new epoch.</summary>
    public Task<IReadOnlyList<RepositoryKeyInfo>> RemoveRepositoryKeyAsync(RepositoryDefinition repository, string labelOrId, CancellationToken cancellationToken)
        => KeyService.RemoveAsync(repository, labelOrId, cancellationToken);

    /// <summary>Begins a new epoch of an encrypted repository.</summary>
    public Task<IReadOnlyList<RepositoryKeyInfo>> RotateRepositoryKeyAsync(RepositoryDefinition repository, CancellationToken cancellationToken)
        => KeyService.RotateAsync(repository, cancellationToken);

    /// <summary>Reads a secret that a shell was given a reference to.</summary>
    public ValueTask<SecretValue> ReadSecretAsync(SecretReference reference, CancellationToken cancellationToken)
        => new SecretResolver(_options).ResolveAsync(reference, cancellationToken);

    /// <summary>
    /// The repository at a path. One that the inventory knows is that one, with its encryption: a path must not be a way around it. For
    /// others the environment may name a key.
    /// </summary>
    private RepositoryDefinition RepositoryAt(string path)
    {
        if (Model?.Repositories.Values.FirstOrDefault(r => Path.TrimEndingDirectorySeparator(r.Path) == Path.TrimEndingDirectorySeparator(path)) is { } known)
            return known;
        var (passphrase, keyFile) = (Environment.GetEnvironmentVariable(PassphraseVariable), Environment.GetEnvironmentVariable(KeyFileVariable));
        var encryption = (passphrase is { Length: > 0 }, keyFile is { Length: > 0 }) switch
        {
            (true, true) => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{PassphraseVariable} and {KeyFileVariable} are both set", "Set the one that opens the repository.", path),
            (true, false) => new RepositoryEncryption(new SecretReference(SecretSource.Env, PassphraseVariable), null),
            (false, true) => new RepositoryEncryption(null, Locations.Resolve(_options, keyFile!)),
            _ => null,
        };
        return new RepositoryDefinition { Name = path, Path = path, Encryption = encryption };
    }
}

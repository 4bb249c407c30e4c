namespace DbRecovery.Engine.Backups;

/// <summary>Opens repositories: the one place where a definition, its storage and its keys come together.</summary>
internal sealed class RepositoryOpener(Func<RepositoryDefinition, IRepositoryStorage> storages, ISecretResolver? secrets, TimeProvider clock)
{
    /// <summary>Reads passphrases; null where there are none to read.</summary>
    public ISecretResolver? Secrets { get; } = secrets;

    /// <summary>Opens a repository; null where nothing was ever backed up to it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>, <see cref="ErrorIds.RepositoryCorrupt"/>, <see cref="ErrorIds.RepositoryLocked"/>.</exception>
    public Task<BackupRepository?> OpenAsync(RepositoryDefinition definition, CancellationToken cancellationToken) =>
        BackupRepository.OpenAsync(storages(definition), cancellationToken);

    /// <summary>Opens a repository that must be there.</summary>
    /// <exception cref="DbRecoveryException">As <see cref="OpenAsync"/>, and <see cref="ErrorIds.RepositoryInvalid"/> where there is none.</exception>
    public async Task<BackupRepository> OpenExistingAsync(RepositoryDefinition definition, CancellationToken cancellationToken) =>
        await OpenAsync(definition, cancellationToken).ConfigureAwait(false)
        ?? throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.NotFound, $"there is no repository at '{definition.Path}'", "Check that its disk is mounted.", definition.Path);

    /// <summary>Opens a repository or creates it, for writing: what every repository has beside its data is made sure of.</summary>
    public async Task<BackupRepository> OpenOrCreateAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var repository = await BackupRepository.OpenOrCreateAsync(storages(definition), clock, cancellationToken).ConfigureAwait(false);
        await HeaderCopy.EnsureAsync(repository.Storage, cancellationToken).ConfigureAwait(false);
        await HandBook.WriteAsync(repository, cancellationToken).ConfigureAwait(false);
        return repository;
    }

    /// <summary>Where a repository is kept, unopened.</summary>
    public IRepositoryStorage StorageOf(RepositoryDefinition definition) => storages(definition);

    /// <summary>The same over other storages.</summary>
    public RepositoryOpener Over(Func<RepositoryDefinition, IRepositoryStorage> other) => new(other, Secrets, clock);
}

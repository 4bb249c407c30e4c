using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Backups;

/// <summary>Checks and repairs repositories, and copies backups between them.</summary>
public sealed class RepositoryCare
{
    private readonly Func<string, IDatabaseProvider> _providers;
    private readonly TimeProvider _clock;
    private readonly ZstdLibrary? _zstd;
    private readonly RepositoryOpener _repositories;

    /// <summary>Makes a service.</summary>
    /// <param name="providers">Gives the provider of an engine, or throws <see cref="ErrorIds.EngineNotSupported"/>.</param>
    /// <param name="clock">The clock; null: the system's.</param>
    /// <param name="secrets">Reads the passphrases of encrypted repositories; null where there are none.</param>
    public RepositoryCare(Func<string, IDatabaseProvider> providers, TimeProvider? clock = null, ISecretResolver? secrets = null)
        : this(providers, clock, ZstdLibrary.Instance, static repository => new DirectoryStorage(repository.Path), secrets)
    {
    }

    internal RepositoryCare(Func<string, IDatabaseProvider> providers, TimeProvider? clock, ZstdLibrary? zstd, Func<RepositoryDefinition, IRepositoryStorage> storages, ISecretResolver? secrets = null)
    {
        (_providers, _clock, _zstd) = (providers, clock ?? TimeProvider.System, zstd);
        _repositories = new RepositoryOpener(storages, secrets, _clock);
    }

    /// <summary>Checks a repository: what no earlier check has read, every byte, or every blob, too.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>: there is none; <see cref="ErrorIds.RepositoryCorrupt"/>: its header is lost and cannot be known.</exception>
    public Task<RepositoryReport> TestAsync(RepositoryDefinition repository, ScrubDepth depth, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Guarded(repository, async () =>
        {
            var (opened, header) = await HeaderRecovery.OpenAsync(ReadOnly("scrub/"), repository, cancellationToken).ConfigureAwait(false);
            return (await new RepositoryScrub(opened, repository, _providers, _zstd, _clock).ExecuteAsync(depth, header?.Damage, progress, cancellationToken).ConfigureAwait(false)).Report;
        });

    /// <summary>What the last check of a repository found, without checking it; null where there is no repository, or none was checked.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>, <see cref="ErrorIds.RepositoryCorrupt"/>, <see cref="ErrorIds.RepositoryLocked"/>: it cannot be opened.</exception>
    public Task<RepositoryReport?> LastReportAsync(RepositoryDefinition repository, CancellationToken cancellationToken) =>
        Guarded(repository, async () => await ReadOnly(null).OpenAsync(repository, cancellationToken).ConfigureAwait(false) is { } opened
            ? await LastCheck.LoadAsync(opened, repository, cancellationToken).ConfigureAwait(false) : null);

    /// <summary>Repairs a repository, or says what a repair would do.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="other">Another repository that may hold what this one lost; null for none. It is only read.</param>
    /// <param name="plan">Whether nothing is changed.</param>
    /// <param name="giveUp">Whether backups whose manifests cannot be mended are ended, so that removal can go on.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException">As <see cref="TestAsync"/>; and <see cref="ErrorIds.RepositoryBusy"/>: a removal is at work.</exception>
    public Task<RepositoryRepairResult> RepairAsync(RepositoryDefinition repository, RepositoryDefinition? other, bool plan, bool giveUp, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Guarded(repository, async () =>
        {
            var from = other is null ? null : await _repositories.OpenExistingAsync(other, cancellationToken).ConfigureAwait(false);
            var (opened, header) = await HeaderRecovery.OpenAsync(plan ? ReadOnly(null) : _repositories, repository, cancellationToken).ConfigureAwait(false);
            if (from?.Storage.Location == opened.Storage.Location)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{repository.Path}' cannot be repaired from itself", "Name another repository that holds the same backups.", repository.Path);
            return await new RepositoryRepair(opened, repository, from, header, _providers, _zstd, _clock, plan, giveUp).ExecuteAsync(progress, cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Copies a backup to another repository, which is made where there is none.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: the backup cannot be read whole; <see cref="ErrorIds.BackupVerifyFailed"/>: it did not arrive as it was.</exception>
    public Task<BackupCopyResult> CopyAsync(BackupInfo backup, RepositoryDefinition destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Guarded(destination, async () =>
        {
            var definition = backup.RequireRepository();
            var source = await _repositories.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
            var (manifest, bytes) = await ManifestStore.ReadAsync(source, BackupPaths.Manifest(backup.Engine, backup.SystemId, backup.Id), cancellationToken).ConfigureAwait(false);
            var content = new BackupContent(source, manifest, manifest.ToInfo(definition, bytes) with { Definition = backup.Definition }, _zstd);
            var to = await _repositories.OpenOrCreateAsync(destination, cancellationToken).ConfigureAwait(false);
            return await new BackupCopy(content, to, destination, _zstd, _clock).ExecuteAsync(progress, cancellationToken).ConfigureAwait(false);
        });

    private RepositoryOpener ReadOnly(string? writable) => _repositories.Over(r => new DryStorage(_repositories.StorageOf(r), writable));

    private static async Task<T> Guarded<T>(RepositoryDefinition repository, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, repository.Path, ErrorIds.RepositoryInvalid);
        }
    }
}

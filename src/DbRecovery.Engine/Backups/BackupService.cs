using System.Diagnostics;
using System.Reflection;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Backups;

/// <summary>How a <see cref="BackupService"/> works; the defaults are what a shell wants.</summary>
public sealed record BackupServiceOptions
{
    /// <summary>The folder under which backups are restored for a test; null: the system's temporary folder.</summary>
    public string? ScratchFolder { get; init; }
    /// <summary>Bytes at which a pack is sealed, 64 KiB to 1 GiB.</summary>
    public int PackSize { get; init; } = PackFormat.TargetSize;
    /// <summary>Blobs compressed at once; null: one a core, 8 at most.</summary>
    public int? Workers { get; init; }
}

/// <summary>Takes, lists, proves and restores backups in directory repositories.</summary>
public sealed class BackupService : IBackupService
{
    private readonly Func<string, IDatabaseProvider> _providers;
    private readonly TimeProvider _clock;
    private readonly BackupServiceOptions _options;
    private readonly ZstdLibrary? _zstd;
    private readonly RepositoryOpener _repositories;

    /// <summary>Makes a service.</summary>
    /// <param name="providers">Gives the provider of an engine, or throws <see cref="ErrorIds.EngineNotSupported"/>.</param>
    /// <param name="clock">The clock; null: the system's.</param>
    /// <param name="options">How it works; null: the defaults.</param>
    /// <param name="secrets">Reads the passphrases of encrypted repositories; null where there are none.</param>
    public BackupService(Func<string, IDatabaseProvider> providers, TimeProvider? clock = null, BackupServiceOptions? options = null, ISecretResolver? secrets = null)
        : this(providers, clock, options, ZstdLibrary.Instance, static repository => new DirectoryStorage(repository.Path), secrets)
    {
    }

    internal BackupService(Func<string, IDatabaseProvider> providers, TimeProvider? clock, BackupServiceOptions? options, ZstdLibrary? zstd,
        Func<RepositoryDefinition, IRepositoryStorage> storages, ISecretResolver? secrets = null)
    {
        (_providers, _clock, _options, _zstd) = (providers, clock ?? TimeProvider.System, options ?? new(), zstd);
        _repositories = new RepositoryOpener(storages, secrets, _clock);
        if (_options.PackSize is < 64 << 10 or > 1 << 30)
            throw new ArgumentOutOfRangeException(nameof(options), "a pack has 64 KiB to 1 GiB");
    }

    /// <inheritdoc/>
    public async Task<BackupInfo> CreateAsync(BackupRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var source = _providers(request.Cluster.Engine).Require<IBackupSource>("backup");
        var node = ChooseNode(request.Cluster);
        try
        {
            var opened = await _repositories.OpenOrCreateAsync(request.Repository, cancellationToken).ConfigureAwait(false);
            if (request.Portable && opened.Sealer.CipherId != 0)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the repository '{request.Repository.Name}' is encrypted: no standard tool reads a backup in it", "Use another repository for portable backups.", request.Repository.Path);
            var run = new BackupRun(opened, _zstd, _options, _clock);
            var info = await run.ExecuteAsync(request, node, source, progress, cancellationToken).ConfigureAwait(false);
            return info with { Definition = request.Cluster };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, request.Repository.Path, ErrorIds.BackupFailed);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<BackupInfo>> ListAsync(RepositoryDefinition repository, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        if (await _repositories.OpenAsync(repository, cancellationToken).ConfigureAwait(false) is not { } opened)
            return [];
        var found = new List<BackupInfo>();
        var keys = (await ManifestStore.ListAsync(opened.Storage, cancellationToken).ConfigureAwait(false)).Where(k => filter.Id is null || BackupPaths.IdOf(k).StartsWith(filter.Id, StringComparison.Ordinal));
        // newest first: who asks for the latest need not wait until all are read
        foreach (var second in BackupPaths.NewestFirst(keys))
        {
            foreach (var key in second)
            {
                if (await TryReadAsync(opened, key, repository, damaged, cancellationToken).ConfigureAwait(false) is { } backup
                    && (filter.Cluster is null || backup.Cluster == filter.Cluster))
                    found.Add(backup);
            }
            if (!filter.Latest || filter.Id is not null || found.Count == 0)
                continue;
            if (await FilterAsync(opened, found, filter, damaged, cancellationToken).ConfigureAwait(false) is { Count: > 0 } latest)
                return latest;
            found.Clear();
        }
        return await FilterAsync(opened, found, filter, damaged, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<BackupInfo?> TryReadAsync(BackupRepository opened, string key, RepositoryDefinition repository, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        try
        {
            var (manifest, bytes) = await ManifestStore.ReadAsync(opened, key, cancellationToken).ConfigureAwait(false);
            return manifest.ToInfo(repository, bytes);
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid or ErrorIds.RepositoryLocked)
        {
            damaged?.Invoke(e);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.BackupNotFound)
        {
            // removed since it was listed
        }
        return null;
    }

    /// <inheritdoc/>
    public async Task<IBackupContent> OpenAsync(BackupInfo backup, CancellationToken cancellationToken) =>
        await OpenContentAsync(backup, cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<BackupTestResult> TestAsync(BackupInfo backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var content = await OpenContentAsync(backup, cancellationToken).ConfigureAwait(false);
        var provider = _providers(backup.Engine);
        var test = new BackupTest(content, provider.Require<IRestoreTarget>("test-backup"), provider.Require<IDataInspector>("test-backup"), _zstd, _clock);
        BackupProof proof;
        try
        {
            proof = await test.ExecuteAsync(_options.ScratchFolder ?? Path.GetTempPath(), progress, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, _options.ScratchFolder ?? Path.GetTempPath(), ErrorIds.RestoreFailed);
        }
        catch (DbRecoveryException e) when (cancellationToken.IsCancellationRequested)
        {
            // a scratch place that is given up makes what still reads it fail: that says nothing of the backup
            throw new OperationCanceledException("the test was cancelled", e, cancellationToken);
        }
        await ProofStore.WriteAsync(content.Repository, proof, cancellationToken).ConfigureAwait(false);
        return new BackupTestResult { Backup = content.Info with { Definition = backup.Definition, Proof = proof }, Proof = proof };
    }

    /// <inheritdoc/>
    public async Task<RestoreResult> RestoreAsync(RestoreRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (!Path.IsPathFullyQualified(request.Destination))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the destination '{request.Destination}' is not an absolute path", target: request.Destination);
        var started = Stopwatch.GetTimestamp();
        var content = await OpenContentAsync(request.Backup, cancellationToken).ConfigureAwait(false);
        var target = _providers(content.Info.Engine).Require<IRestoreTarget>("restore");
        try
        {
            // asked for before anything is written: what it refuses must not come after a restored database
            using var files = request.IncludeFiles ? FileRestore.Plan(content, request.FilesTo, _clock) : null;
            var session = await target.BeginAsync(content, request.Destination, request.Replace, cancellationToken).ConfigureAwait(false);
            await using (session.ConfigureAwait(false))
            {
                var index = await BlobIndex.LoadAsync(content.Repository, content.Manifest.Packs, cancellationToken).ConfigureAwait(false);
                await FileRestorer.RunAsync(content, index, _zstd, session.StagingPath, durable: true, progress, cancellationToken).ConfigureAwait(false);
                if (files is not null)
                    await files.StageAsync(content, index, _zstd, progress, cancellationToken).ConfigureAwait(false);
                var previous = await session.CommitAsync(cancellationToken).ConfigureAwait(false);
                return new RestoreResult
                {
                    BackupId = content.Info.Id,
                    Cluster = content.Info.Cluster,
                    Path = request.Destination,
                    PreviousPath = previous,
                    SizeBytes = content.Info.SizeBytes,
                    Duration = Stopwatch.GetElapsedTime(started),
                    DataAsOf = content.Source.DataAsOf,
                    Files = files?.Commit() ?? [],
                };
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, request.Destination, ErrorIds.RestoreFailed);
        }
    }

    /// <summary>The tool's name and version, as manifests carry it.</summary>
    internal static string Tool { get; } =
        $"DbRecovery {typeof(BackupService).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0"}";

    /// <summary>The node to read from: the one that is least missed, which is the last choice for a failover.</summary>
    internal static NodeDefinition ChooseNode(ClusterDefinition cluster) =>
        cluster.Nodes.MinBy(n => n.Priority)
        ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"cluster '{cluster.Name}' has no node to back up", target: cluster.Name);

    private async Task<BackupContent> OpenContentAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        var definition = backup.RequireRepository();
        var repository = await _repositories.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
        var (manifest, bytes) = await ManifestStore.ReadAsync(repository, BackupPaths.Manifest(backup.Engine, backup.SystemId, backup.Id), cancellationToken).ConfigureAwait(false);
        return new BackupContent(repository, manifest, manifest.ToInfo(definition, bytes) with { Definition = backup.Definition, Proof = backup.Proof }, _zstd);
    }

    private static async Task<IReadOnlyList<BackupInfo>> FilterAsync(BackupRepository repository, List<BackupInfo> found, BackupFilter filter, Action<DbRecoveryException>? damaged, CancellationToken cancellationToken)
    {
        if (filter.Id is { } id && found.Any(b => b.Id == id))
            found = found.Where(b => b.Id == id).ToList();
        if (filter.Id is not null && found.Count > 1)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"'{filter.Id}' is the beginning of {found.Count} backups: {string.Join(", ", found.Select(b => b.Id).Order().Take(5))}", "Give more of the id.", filter.Id);
        var kept = new List<BackupInfo>();
        foreach (var backup in found.OrderByDescending(b => b.StartedAt).ThenByDescending(b => b.Id, StringComparer.Ordinal))
        {
            if (filter.CompleteOnly && backup.Status != BackupStatus.Complete)
                continue;
            var proof = await ProofStore.LatestAsync(repository, backup.Id, damaged, cancellationToken).ConfigureAwait(false);
            if (filter.ProvedOnly && proof is not { Passed: true })
                continue;
            kept.Add(backup with { Proof = proof });
            if (filter.Latest)
                break;
        }
        return kept;
    }
}

namespace DbRecovery.Engine.Backups;

/// <summary>The taking of one backup, from the session to the manifest.</summary>
internal sealed class BackupRun(BackupRepository repository, ZstdLibrary? zstd, BackupServiceOptions options, TimeProvider clock)
{
    private const int MaxWorkers = 8;
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromDays(7);
    private readonly IRepositoryStorage _storage = repository.Storage;

    public async Task<BackupInfo> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSource source, RepositoryDefinition definition,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var started = clock.GetUtcNow();
        var id = BackupPaths.NewId(started);
        // from here on whoever removes packs waits for us
        var session = await WriterSession.BeginAsync(_storage, $"backup {id}", clock, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            await RemoveAbandonedAsync(session.Key, cancellationToken).ConfigureAwait(false);
            return await TakeAsync(cluster, node, source, definition, session, id, progress, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<BackupInfo> TakeAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSource source, RepositoryDefinition definition,
        WriterSession session, string id, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var index = await BlobIndex.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        var workers = options.Workers ?? Math.Clamp(Environment.ProcessorCount, 1, MaxWorkers);
        // a backup that fails leaves the packs that were complete: another writer may already refer to their blobs, so only the
        // two-phase removal of unreferenced packs may delete them. The next backup finds and uses them.
        var pipeline = new BlobPipeline(repository, index, zstd, workers, options.PackSize, cancellationToken);
        await using (pipeline.ConfigureAwait(false))
        {
            var writer = new BackupWriter(pipeline, _storage, $"Backing up {cluster.Name}", progress);
            await using (writer.ConfigureAwait(false))
            {
                var info = await source.ReadAsync(cluster, node, writer, progress, cancellationToken).ConfigureAwait(false);
                await pipeline.FinishAsync(cancellationToken).ConfigureAwait(false);
                var manifest = Describe(cluster, node, id, session.Owner.StartedAt, info, writer);
                return await CommitAsync(manifest, session, pipeline, writer, definition, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<BackupInfo> CommitAsync(BackupManifest manifest, WriterSession session, BlobPipeline pipeline, BackupWriter writer, RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var stored = pipeline.Packs.Sum(p => p.Size) + writer.PageHashBytes;
        if (pipeline.Packs.Count > 0)
            stored += await repository.WriteIndexAsync(pipeline.Packs, cancellationToken).ConfigureAwait(false);
        var pagesKey = BackupPaths.PageHashes(manifest.Engine, manifest.Source.SystemId, manifest.Id);
        try
        {
            await writer.CommitPageHashesAsync(pagesKey, cancellationToken).ConfigureAwait(false);
            // the last look before the backup exists: a pack that went away meanwhile would make it a lie
            await session.AssertOpenAsync(cancellationToken).ConfigureAwait(false);
            await PackReclaim.EnsureAsync(_storage, manifest.Packs, cancellationToken).ConfigureAwait(false);
            manifest = manifest with { StoredBytes = stored, FinishedAt = clock.GetUtcNow() };
            var bytes = await ManifestStore.WriteAsync(repository, manifest, cancellationToken).ConfigureAwait(false);
            await ConfirmAsync(manifest).ConfigureAwait(false);
            return manifest.ToInfo(definition, bytes);
        }
        catch (Exception)
        {
            await TryDeleteAsync(pagesKey).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The look after the backup began to exist: where a pack is gone after all, it ends to exist, and says so.</summary>
    private async Task ConfirmAsync(BackupManifest manifest)
    {
        try
        {
            await PackReclaim.ConfirmAsync(_storage, manifest.Packs, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            await TryDeleteAsync(BackupPaths.Manifest(manifest.Engine, manifest.Source.SystemId, manifest.Id)).ConfigureAwait(false);
            throw;
        }
    }

    private BackupManifest Describe(ClusterDefinition cluster, NodeDefinition node, string id, DateTimeOffset started, BackupSourceInfo info, BackupWriter writer)
    {
        var (entries, packs) = writer.Describe();
        if (entries.Count == 0)
            throw new DbRecoveryException(ErrorIds.BackupFailed, ErrorKind.Failed, $"nothing was read from node '{node.Name}' of '{cluster.Name}'", target: node.Name);
        return new BackupManifest
        {
            Format = RepositoryHeader.CurrentFormat,
            Tool = BackupService.Tool,
            RepoId = repository.Header.RepoId,
            Id = id,
            Cluster = cluster.Name,
            Node = node.Name,
            Engine = cluster.Engine,
            Kind = BackupKind.Full,
            Status = info.Problems.Count == 0 ? BackupStatus.Complete : BackupStatus.Suspect,
            StartedAt = started,
            FinishedAt = started,
            SizeBytes = writer.Bytes,
            StoredBytes = 0,
            Source = info,
            Packs = packs,
            Entries = entries,
        };
    }

    /// <summary>What processes that were killed left under tmp/, by the storage's own clock: the session that was just written says its time.</summary>
    private async Task RemoveAbandonedAsync(string sessionKey, CancellationToken cancellationToken)
    {
        if (await _storage.StatAsync(sessionKey, cancellationToken).ConfigureAwait(false) is not { } now)
            return;
        await foreach (var left in _storage.ListAsync("tmp/", cancellationToken).ConfigureAwait(false))
        {
            if (left.ModifiedAt + AbandonedAfter < now.ModifiedAt)
                await TryDeleteAsync(left.Key).ConfigureAwait(false);
        }
    }

    private async Task TryDeleteAsync(string key)
    {
        try
        {
            // also when the backup was cancelled
            await _storage.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // a session left behind only makes a removal wait; the error that led here is the one to report
        }
    }
}

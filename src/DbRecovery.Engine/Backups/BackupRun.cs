namespace DbRecovery.Engine.Backups;

/// <summary>The taking of one backup, from the session to the manifest.</summary>
internal sealed class BackupRun(BackupRepository repository, ZstdLibrary? zstd, BackupServiceOptions options, TimeProvider clock)
{
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromDays(7);
    private readonly IRepositoryStorage _storage = repository.Storage;

    public async Task<BackupInfo> ExecuteAsync(BackupRequest request, NodeDefinition node, IBackupSource source,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var started = clock.GetUtcNow();
        var id = BackupPaths.NewId(started);
        // from here on whoever removes packs waits for us
        var session = await WriterSession.BeginAsync(repository, $"backup {id}", clock, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            await RemoveAbandonedAsync(session.Key, cancellationToken).ConfigureAwait(false);
            return await TakeAsync(request, node, source, session, id, progress, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<BackupInfo> TakeAsync(BackupRequest request, NodeDefinition node, IBackupSource source, WriterSession session, string id,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var notes = new List<string>();
        var index = await BlobIndex.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        var parent = await ParentAsync(request, node, source, index, notes, cancellationToken).ConfigureAwait(false);
        // a backup that fails leaves the packs that were complete: another writer may already refer to their blobs, so only the
        // two-phase removal of unreferenced packs may delete them. The next backup finds and uses them.
        var pipeline = new BlobPipeline(repository, index, zstd, options.Workers ?? BlobPipeline.DefaultWorkers, options.PackSize, request.Portable, parent?.UsablePacks ?? new HashSet<string>(), cancellationToken);
        await using (pipeline.ConfigureAwait(false))
        {
            var writer = new BackupWriter(pipeline, parent, $"Backing up {request.Cluster.Name}", progress);
            var info = await source.ReadAsync(request.Cluster, node, writer, progress, cancellationToken).ConfigureAwait(false);
            var missing = await AttachedFiles.AddAsync(request.Cluster.Backups?.Files ?? [], writer, notes, cancellationToken).ConfigureAwait(false);
            await pipeline.FinishAsync(cancellationToken).ConfigureAwait(false);
            var manifest = Describe(request, node, id, session.Owner.StartedAt, info, writer, notes) with { MissingFiles = missing };
            return await CommitAsync(manifest, session, pipeline, request.Repository, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<ParentBackup?> ParentAsync(BackupRequest request, NodeDefinition node, IBackupSource source, BlobIndex index, List<string> notes, CancellationToken cancellationToken)
    {
        if (request.Kind == BackupKind.Full)
            return null;
        var systemId = await source.IdentifyAsync(node, cancellationToken).ConfigureAwait(false);
        var (parent, whyNot) = await ParentBackup.FindAsync(repository, index, zstd, request, node, systemId, cancellationToken).ConfigureAwait(false);
        if (parent is null)
            notes.Add($"taken as a full instead of {Named(request.Kind)}: {whyNot}");
        return parent;
    }

    private static string Named(BackupKind kind) => kind == BackupKind.Differential ? "a differential" : "an incremental";

    private async Task<BackupInfo> CommitAsync(BackupManifest manifest, WriterSession session, BlobPipeline pipeline, RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var stored = pipeline.Packs.Sum(p => p.Size);
        if (pipeline.Packs.Count > 0)
            stored += await repository.WriteIndexAsync(pipeline.Packs, cancellationToken).ConfigureAwait(false);
        // the last look before the backup exists: a pack that went away meanwhile would make it a lie
        await session.AssertOpenAsync(cancellationToken).ConfigureAwait(false);
        await PackReclaim.EnsureAsync(_storage, manifest, cancellationToken).ConfigureAwait(false);
        manifest = manifest with { StoredBytes = stored, FinishedAt = clock.GetUtcNow() };
        var bytes = await ManifestStore.WriteAsync(repository, manifest, cancellationToken).ConfigureAwait(false);
        await PackReclaim.ConfirmManifestAsync(_storage, manifest).ConfigureAwait(false);
        return manifest.ToInfo(definition, bytes);
    }

    private BackupManifest Describe(BackupRequest request, NodeDefinition node, string id, DateTimeOffset started, BackupSourceInfo info, BackupWriter writer, List<string> notes)
    {
        var cluster = request.Cluster;
        var (entries, packs) = writer.Describe();
        var compared = writer.ParentBackup is not null && writer.AnyCompared;
        if (writer.ParentBackup is { } unused && !compared)
            notes.Add($"taken as a full instead of {Named(request.Kind)}: backup {unused.Manifest.Id} has no page hashes of this page size");
        if (entries.All(e => e.Entry.Part != BackupEntryPart.Data))
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
            Kind = compared ? request.Kind : BackupKind.Full,
            Status = info.Problems.Count == 0 ? BackupStatus.Complete : BackupStatus.Suspect,
            Parent = compared ? writer.ParentBackup!.Manifest.Id : null,
            ChangedBytes = compared ? writer.ChangedBytes : null,
            Portable = request.Portable,
            Notes = notes,
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
                await TryDeleteAsync(left.Key, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task TryDeleteAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            await _storage.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // it only takes space, and the next backup tries again
        }
    }
}

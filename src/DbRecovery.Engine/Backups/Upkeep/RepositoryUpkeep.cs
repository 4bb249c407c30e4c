using System.Diagnostics;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Backups;

/// <summary>Removes backups and what nobody needs any more, and writes wasteful packs anew. Nothing that a listed backup needs is ever deleted.</summary>
public sealed class RepositoryUpkeep
{
    private readonly RepositoryOpener _repositories;
    private readonly TimeProvider _clock;
    private readonly ZstdLibrary? _zstd;

    /// <summary>Makes it.</summary>
    /// <param name="secrets">Reads the passphrases of encrypted repositories; null where there are none.</param>
    /// <param name="clock">This machine's clock; null: the system's.</param>
    public RepositoryUpkeep(ISecretResolver? secrets = null, TimeProvider? clock = null)
        : this(static repository => new DirectoryStorage(repository.Path), secrets, clock)
    {
    }

    internal RepositoryUpkeep(Func<RepositoryDefinition, IRepositoryStorage> storages, ISecretResolver? secrets = null, TimeProvider? clock = null)
    {
        _clock = clock ?? TimeProvider.System;
        _zstd = ZstdLibrary.Instance;
        _repositories = new RepositoryOpener(storages, secrets, _clock);
    }

    /// <summary>Decides what a rule keeps. Changes nothing.</summary>
    /// <param name="definition">The repository.</param>
    /// <param name="rule">The rule.</param>
    /// <param name="backups">All backups of the clusters that are meant.</param>
    /// <param name="options">The skew of clocks that is allowed.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ClockSkew"/>: the rule looks at dates and the clocks disagree, or a backup is dated in the future.</exception>
    public async Task<IReadOnlyList<RetentionDecision>> DecideAsync(RepositoryDefinition definition, RetentionRule rule, IReadOnlyList<BackupInfo> backups, UpkeepOptions options, CancellationToken cancellationToken)
    {
        var now = _clock.GetUtcNow();
        var dates = RetentionPolicy.NeedsClock(rule);
        if (backups.Count > 0 && (dates || backups.Max(b => b.StartedAt) - now > options.MaxSkew))
        {
            var repository = await _repositories.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
            var storage = await StorageClock.NowAsync(repository.Storage, cancellationToken).ConfigureAwait(false);
            var clocks = new Clocks(now, storage, backups.Max(b => b.StartedAt));
            clocks.AssertNoneFromFuture(options.MaxSkew);
            if (dates)
                clocks.AssertTogether(options.MaxSkew);
        }
        return RetentionPolicy.Decide(rule, backups, now);
    }

    /// <summary>Removes the backups that the decisions do not keep, and then what nobody refers to any more.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: a backup that stays is damaged, nothing was removed; <see cref="ErrorIds.RepositoryBusy"/>.</exception>
    public async Task<(IReadOnlyList<RetentionDecision> Decisions, PruneResult Result)> RemoveAsync(RepositoryDefinition definition, IReadOnlyList<RetentionDecision> decisions,
        UpkeepOptions options, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var going = decisions.Where(d => !d.Keep).Select(d => d.Backup).ToList();
        var removed = new HashSet<string>(StringComparer.Ordinal);
        var result = await KeepUpAsync(definition, options, "a removal of backups", going.Select(BackupRemoval.KeyOf).ToHashSet(StringComparer.Ordinal), async (repository, run) =>
        {
            var removal = new BackupRemoval(repository, run);
            // children before parents: a reader of an unfinished removal sees increments go first
            foreach (var backup in going.OrderByDescending(b => b.StartedAt))
            {
                if (await removal.RemoveAsync(backup, cancellationToken).ConfigureAwait(false))
                    removed.Add(backup.Id);
                progress?.Report(new OperationProgress("Removing backups", backup.Id, removed.Count, going.Count));
            }
        }, progress, cancellationToken).ConfigureAwait(false);
        return ([.. decisions.Select(d => d with { Removed = removed.Contains(d.Backup.Id) })], options.Plan ? result : result with { RemovedBackups = removed.Count });
    }

    /// <summary>Takes a removed backup back while its grace lasts; gives its whole id.</summary>
    public async Task<string> UndoAsync(RepositoryDefinition definition, string id, UpkeepOptions options, CancellationToken cancellationToken)
    {
        var repository = await _repositories.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
        var hold = await UpkeepLock.TakeAsync(repository.Storage, "taking back", options.SessionLimit, _clock, cancellationToken).ConfigureAwait(false);
        await using (hold.ConfigureAwait(false))
            return await new BackupRemoval(repository, new PruneRun(repository, options, _clock)).UndoAsync(id, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what no backup needs; writes wasteful packs anew where the options ask for it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: damage was found, nothing was deleted; <see cref="ErrorIds.RepositoryBusy"/>, <see cref="ErrorIds.ClockSkew"/>.</exception>
    public Task<PruneResult> PruneAsync(RepositoryDefinition definition, UpkeepOptions options, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        KeepUpAsync(definition, options, "a prune", null, null, progress, cancellationToken);

    private async Task<PruneResult> KeepUpAsync(RepositoryDefinition definition, UpkeepOptions options, string purpose, IReadOnlySet<string>? going,
        Func<BackupRepository, PruneRun, Task>? remove, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var repository = await _repositories.OpenExistingAsync(definition, cancellationToken).ConfigureAwait(false);
        // what is written anew must be of the newest data key: opened as for a backup
        if (!options.Plan && (options.Repack || options.MergeRuns || options.RotateEpochs))
            repository = await _repositories.OpenOrCreateAsync(definition, cancellationToken).ConfigureAwait(false);
        var run = new PruneRun(repository, options, _clock);
        PruneResult result;
        try
        {
            if (options.Plan)
                result = await PlanAsync(repository, run, options, going, cancellationToken).ConfigureAwait(false);
            else
            {
                var hold = await UpkeepLock.TakeAsync(repository.Storage, purpose, options.SessionLimit, _clock, cancellationToken).ConfigureAwait(false);
                await using (hold.ConfigureAwait(false))
                    result = await CarryOutAsync(repository, run, options, going, remove, progress, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, definition.Path, ErrorIds.RepositoryInvalid);
        }
        return result with { Repository = definition.Name, Location = repository.Storage.Location, Duration = Stopwatch.GetElapsedTime(started) };
    }

    private async Task<PruneResult> CarryOutAsync(BackupRepository repository, PruneRun run, UpkeepOptions options, IReadOnlySet<string>? going,
        Func<BackupRepository, PruneRun, Task>? remove, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var mark = await RepositoryMark.ReadAsync(repository, going, cancellationToken).ConfigureAwait(false);
        var clocks = await run.BeginAsync(mark.NewestBackup, cancellationToken).ConfigureAwait(false);
        if (remove is null && options.Grace > TimeSpan.Zero)
            clocks.AssertNotAhead(options.MaxSkew);
        (mark, var takenBack) = await mark.AssertWholeAsync(repository, going, takeBack: true, cancellationToken).ConfigureAwait(false);
        run.TakenBack += takenBack;
        if (remove is not null)
            await remove(repository, run).ConfigureAwait(false);
        var result = Nothing with { Backups = mark.Manifests.Count };
        if (options.Repack || options.MergeRuns || options.RotateEpochs)
            result = await RewriteAsync(repository, options, result, progress, cancellationToken).ConfigureAwait(false);
        await run.TrashAsync(cancellationToken).ConfigureAwait(false);
        await run.SweepAsync(cancellationToken).ConfigureAwait(false);
        if (options.RotateEpochs && repository.Keys is { } keys)
            result = result with { DroppedEpochs = await keys.DropUnusedEpochsAsync(cancellationToken).ConfigureAwait(false) };
        var leftovers = new Leftovers(repository, run, options.Grace);
        await leftovers.RemoveAsync(cancellationToken).ConfigureAwait(false);
        await leftovers.MergeIndexesAsync(cancellationToken).ConfigureAwait(false);
        return Describe(result, run);
    }

    private async Task<PruneResult> RewriteAsync(BackupRepository repository, UpkeepOptions options, PruneResult result, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var session = await WriterSession.BeginAsync(repository, "repack", _clock, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var mark = await RepositoryMark.ReadAsync(repository, null, cancellationToken).ConfigureAwait(false);
            if (options.MergeRuns)
            {
                var rewriter = new Repack(repository, mark, _zstd, options.PackSize, session);
                var merge = new RunMerge(repository, _zstd, options, rewriter);
                foreach (var (key, manifest) in mark.Manifests.Where(m => RunMerge.IsScattered(m.Manifest)))
                {
                    var info = manifest.ToInfo(new RepositoryDefinition { Name = "", Path = repository.Storage.Location }, 0);
                    await merge.ExecuteAsync(key, manifest, new BackupContent(repository, manifest, info, _zstd), progress, cancellationToken).ConfigureAwait(false);
                }
                result = result with { RewrittenBackups = rewriter.RewrittenBackups, WrittenBytes = merge.WrittenBytes };
                mark = await RepositoryMark.ReadAsync(repository, null, cancellationToken).ConfigureAwait(false);
            }
            if (!options.Repack && !options.RotateEpochs)
                return result;
            var repack = new Repack(repository, mark, _zstd, options.PackSize, session);
            var index = await BlobIndex.LoadAsync(repository, mark.Packs, cancellationToken).ConfigureAwait(false);
            var chosen = new HashSet<string>(StringComparer.Ordinal);
            if (options.Repack)
                chosen.UnionWith(await repack.ChooseAsync(index, cancellationToken).ConfigureAwait(false));
            if (options.RotateEpochs)
                chosen.UnionWith(await repack.OfOldEpochsAsync(cancellationToken).ConfigureAwait(false));
            if (chosen.Count > 0)
                await repack.ExecuteAsync(index, chosen, progress, cancellationToken).ConfigureAwait(false);
            if (options.RotateEpochs && repository.Keys is { } keys)
                await keys.ResealDocumentsAsync(cancellationToken).ConfigureAwait(false);
            return result with
            {
                RepackedPacks = chosen.Count,
                WrittenBytes = result.WrittenBytes + repack.WrittenBytes,
                RewrittenBackups = result.RewrittenBackups + repack.RewrittenBackups,
            };
        }
    }

    private async Task<PruneResult> PlanAsync(BackupRepository repository, PruneRun run, UpkeepOptions options, IReadOnlySet<string>? going, CancellationToken cancellationToken)
    {
        var mark = await RepositoryMark.ReadAsync(repository, going, cancellationToken).ConfigureAwait(false);
        (mark, _) = await mark.AssertWholeAsync(repository, going, takeBack: false, cancellationToken).ConfigureAwait(false);
        var unreferenced = await run.UnreferencedAsync(mark, cancellationToken).ConfigureAwait(false);
        var result = Nothing with
        {
            Planned = true, Backups = mark.Manifests.Count, RemovedBackups = going?.Count ?? 0,
            TrashedPacks = unreferenced.Count, TrashedBytes = unreferenced.Sum(u => u.Object.Size),
            WaitingBytes = (await Trash.ListAsync(repository.Storage, cancellationToken).ConfigureAwait(false)).Sum(t => t.Object.Size),
        };
        if (!options.Repack)
            return result;
        var index = await BlobIndex.LoadAsync(repository, mark.Packs, cancellationToken).ConfigureAwait(false);
        var chosen = await new Repack(repository, mark, _zstd, options.PackSize, null).ChooseAsync(index, cancellationToken).ConfigureAwait(false);
        return result with { RepackedPacks = chosen.Count };
    }

    private static PruneResult Nothing { get; } = new() { Repository = "", Location = "" };

    private static PruneResult Describe(PruneResult result, PruneRun run) => result with
    {
        TrashedPacks = run.TrashedPacks,
        TrashedBytes = run.TrashedBytes,
        TakenBack = run.TakenBack,
        DeletedObjects = run.Deleted,
        FreedBytes = run.Freed,
        WaitingBytes = run.WaitingBytes,
        WaitingFor = run.WaitingFor,
        DeadSessions = run.DeadSessions,
    };
}

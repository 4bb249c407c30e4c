using System.Diagnostics;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Mends a repository. The order makes it safe to be killed anywhere: what can still be read is stored anew and indexed, then backups are
/// pointed there, and only then what is damaged goes away, to quarantine/. A plan goes the same way over a storage that drops what is written.
/// </summary>
internal sealed class RepositoryRepair(BackupRepository repository, RepositoryDefinition definition, BackupRepository? other, RecoveredHeader? header,
    Func<string, IDatabaseProvider> providers, ZstdLibrary? zstd, TimeProvider clock, bool plan, bool giveUp)
{
    private const string Quarantine = "quarantine/";
    private readonly IRepositoryStorage _storage = repository.Storage is HeaderStorage wrapped ? wrapped.Inner : repository.Storage;
    private readonly List<RepositoryRepairAction> _actions = [];
    private readonly Dictionary<BlobId, PackReference> _new = [];
    private readonly HashSet<string> _mended = [];
    /// <summary>Of those, what standard tools cannot read.</summary>
    private readonly HashSet<BlobId> _unportable = [];
    private int _rescued;
    private int _refilled;
    private int _lost;

    /// <summary>Repairs, or plans to.</summary>
    public async Task<RepositoryRepairResult> ExecuteAsync(IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var (started, at) = (clock.GetUtcNow(), Stopwatch.GetTimestamp());
        IReadOnlyList<RepositoryDamage> left;
        // a removal must not take away what is just being mended, nor a repair bring back what was just removed
        var hold = await UpkeepLock.TakeAsync(_storage, "a repair", new UpkeepOptions().SessionLimit, clock, cancellationToken).ConfigureAwait(false);
        await using (hold.ConfigureAwait(false))
        {
            var session = await WriterSession.BeginAsync(repository, "repair", clock, cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            var found = await new RepositoryScrub(repository, definition, providers, zstd, clock).ExecuteAsync(ScrubDepth.New, header?.Damage, progress, cancellationToken).ConfigureAwait(false);
            await RepairHeaderAsync(cancellationToken).ConfigureAwait(false);
            await RepairPacksAsync(found, progress, cancellationToken).ConfigureAwait(false);
            await RepairManifestsAsync(found, progress, cancellationToken).ConfigureAwait(false);
            if (giveUp)
                await GiveUpAsync(found, cancellationToken).ConfigureAwait(false);
            await RepairIndexesAsync(found, cancellationToken).ConfigureAwait(false);
            await RepairDocumentsAsync(found, cancellationToken).ConfigureAwait(false);
            left = found.Report.Damage;
        }
        if (!plan)
            left = (await new RepositoryScrub(repository, definition, providers, zstd, clock).ExecuteAsync(ScrubDepth.New, null, progress, cancellationToken).ConfigureAwait(false)).Report.Damage;
        return new RepositoryRepairResult
        {
            Repository = definition.Name, Location = _storage.Location, Planned = plan, RepairedAt = started, Duration = Stopwatch.GetElapsedTime(at),
            Actions = _actions, BlobsRescued = _rescued, BlobsRefilled = _refilled, BlobsLost = _lost, Damage = left,
        };
    }

    private async Task DoAsync(RepositoryRepairKind kind, string key, string text, Func<Task> act)
    {
        await act().ConfigureAwait(false);
        _actions.Add(new RepositoryRepairAction(kind, key, text));
    }

    private async Task RepairHeaderAsync(CancellationToken cancellationToken)
    {
        if (header is not null)
            await DoAsync(RepositoryRepairKind.RestoreHeader, BackupRepository.HeaderKey, $"written again from {header.Origin}",
                () => _storage.PutAsync(BackupRepository.HeaderKey, header.Bytes, PutMode.Replace, cancellationToken)).ConfigureAwait(false);
    }

    private async Task RepairPacksAsync(ScrubOutcome found, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var needs = await RepairNeeds.OfAsync(repository, found, cancellationToken).ConfigureAwait(false);
        var bad = found.Packs.Where(p => p.Problem is not null).ToList();
        if (needs.Stale.Count == 0 && bad.Count == 0)
            return;
        var written = new HashSet<string>();
        var writer = new PackWriter(repository, PackFormat.TargetSize);
        await using (writer.ConfigureAwait(false))
        {
            // the bytes are kept before anything else: a pack that is stored anew whole takes the damaged one's place
            foreach (var pack in bad)
                await DoAsync(RepositoryRepairKind.Quarantine, PackFormat.Key(pack.Name), $"moved to '{Quarantine}{pack.Name}.pack': {pack.Problem}",
                    () => CopyAsync(PackFormat.Key(pack.Name), $"{Quarantine}{pack.Name}.pack", cancellationToken)).ConfigureAwait(false);
            await RescueAsync(needs, found, writer, cancellationToken).ConfigureAwait(false);
            await RefillAsync(needs, found, writer, progress, cancellationToken).ConfigureAwait(false);
            await writer.FinishAsync(cancellationToken).ConfigureAwait(false);
            if (writer.Sealed.Count > 0)
                await repository.WriteIndexAsync(writer.Sealed, cancellationToken).ConfigureAwait(false);
            written.UnionWith(writer.Sealed.Select(p => p.Name));
        }
        foreach (var key in needs.Stale)
            await RepointAsync(key, found.Blobs, cancellationToken).ConfigureAwait(false);
        // backups may now name packs that a killed repair stored and did not index
        if (found.Index.Unindexed.Count > 0)
            await BlobIndex.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        // moved over its copy: a disk that could not read a part of it may be well again tomorrow
        foreach (var pack in bad.Where(p => !written.Contains(p.Name)))
            await _storage.MoveAsync(PackFormat.Key(pack.Name), $"{Quarantine}{pack.Name}.pack", cancellationToken).ConfigureAwait(false);
    }

    private async Task RescueAsync(RepairNeeds needs, ScrubOutcome found, PackWriter writer, CancellationToken cancellationToken)
    {
        foreach (var (pack, wanted) in needs.Rescue)
        {
            // in the order of the pack: where only its frame is damaged the same pack comes out
            var places = found.Index.In(pack).Where(l => wanted.Contains(l.Entry.Id)).OrderBy(l => l.Sequence);
            var before = _rescued;
            await foreach (var (location, blob) in BlobReader.ReadAsync(repository, places, zstd, cancellationToken).ConfigureAwait(false))
            {
                if (blob is null || _new.ContainsKey(location.Entry.Id))
                    continue;
                _new[location.Entry.Id] = await writer.AppendAsync(location.Entry.Id, blob.Payload, blob.Entry.RawLength, blob.Entry.PageSize, blob.Entry.Codec, cancellationToken).ConfigureAwait(false);
                if (!blob.Entry.IsPortable)
                    _unportable.Add(location.Entry.Id);
                _rescued++;
            }
            _actions.Add(new RepositoryRepairAction(RepositoryRepairKind.RescueBlobs, PackFormat.Key(pack), $"{Counted.Of(_rescued - before, "unharmed blob")} stored in a new pack"));
        }
    }

    private async Task RefillAsync(RepairNeeds needs, ScrubOutcome found, PackWriter writer, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        using var refill = new BlobRefill(repository, found.Manifests, other, definition, zstd);
        using var codec = new CodecContext(zstd);
        var done = 0;
        foreach (var lost in needs.Lost.Values)
        {
            progress?.Report(new OperationProgress($"Repairing {definition.Name}", "lost blobs", done++, needs.Lost.Count, "blobs"));
            if (await refill.FindAsync(lost, cancellationToken).ConfigureAwait(false) is not var (data, unit))
            {
                // one without a place in a file holds hashes of pages, which cost no data
                _lost += lost.Unit > 0 ? 1 : 0;
                continue;
            }
            _new[lost.Id] = await AppendAsync(writer, lost, data, unit, codec, cancellationToken).ConfigureAwait(false);
            _refilled++;
        }
        if (_refilled > 0)
            _actions.Add(new RepositoryRepairAction(RepositoryRepairKind.RefillBlobs, "packs/", $"{_refilled} of {Counted.Of(needs.Lost.Count, "lost blob")} filled in from {(other is null ? "other backups" : $"'{other.Storage.Location}' and other backups")}"));
    }

    private async Task<PackReference> AppendAsync(PackWriter writer, LostBlob lost, byte[] data, int unit, CodecContext codec, CancellationToken cancellationToken)
    {
        var kind = lost.Portable ? BlobCodec.Gzip : repository.Codec(zstd);
        var room = new byte[data.Length];
        var length = codec.CompressChecked(kind, data, room, new byte[data.Length]);
        return length is null
            ? await writer.AppendAsync(lost.Id, data, data.Length, unit, BlobCodec.Raw, cancellationToken).ConfigureAwait(false)
            : await writer.AppendAsync(lost.Id, room.AsMemory(0, length.Value), data.Length, unit, kind, cancellationToken).ConfigureAwait(false);
    }

    private async Task RepointAsync(string key, BlobStates blobs, CancellationToken cancellationToken)
    {
        var (manifest, _) = await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
        var text = $"backup {manifest.Id} points to the packs in which its blobs are now; page hashes that are lost are left out, so that the next increment after it reads all pages";
        var kept = manifest.WithoutHashes(manifest.References().Select(r => r.Blob).Where(b => !_new.ContainsKey(b) && blobs.Find(b, null, false) is null).ToHashSet());
        var portable = true;
        var moved = kept.WithBlobs((pack, blob) =>
        {
            BlobId.TryParse(blob, out var id);
            if (_new.TryGetValue(id, out var stored))
            {
                portable &= !_unportable.Contains(id);
                return (stored.Name!, blob);
            }
            if (blobs.Find(id, pack, manifest.Portable) is not { } place)
                return (pack, blob);
            portable &= place.Entry.IsPortable;
            return (place.Pack, blob);
        });
        if (manifest.Portable && !portable)
            moved = moved with { Portable = false, Notes = [.. moved.Notes, "standard tools cannot read it any longer: a repair put what another backup stored in the place of what was damaged"] };
        if (!moved.Packs.SequenceEqual(manifest.Packs) || !kept.Entries.SequenceEqual(manifest.Entries))
            await DoAsync(RepositoryRepairKind.RepointBackup, key, text, () => ManifestStore.ReplaceAsync(repository, moved, cancellationToken)).ConfigureAwait(false);
    }

    private async Task RepairManifestsAsync(ScrubOutcome found, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (other is null)
            return;
        foreach (var damage in found.Report.Damage.Where(d => d.Kind == RepositoryObjectKind.Manifest))
        {
            BackupContent content;
            try
            {
                var (manifest, bytes) = await ManifestStore.ReadAsync(other, damage.Key, cancellationToken).ConfigureAwait(false);
                content = new BackupContent(other, manifest, manifest.ToInfo(definition, bytes), zstd);
            }
            catch (DbRecoveryException e) when (e.Id is ErrorIds.BackupNotFound or ErrorIds.RepositoryCorrupt)
            {
                continue; // the other one does not have it either; the damage stays named
            }
            // the damaged one stays until the copy takes its place: what is not there would not be named as damaged
            await QuarantineAsync(damage, k => CopyAsync(damage.Key, k, cancellationToken)).ConfigureAwait(false);
            try
            {
                await DoAsync(RepositoryRepairKind.CopyBackup, damage.Key, $"backup {content.Info.Id} copied from '{other.Storage.Location}'",
                    () => plan ? Task.CompletedTask : new BackupCopy(content, repository, definition, zstd, clock, replace: true).ExecuteAsync(progress, cancellationToken)).ConfigureAwait(false);
                _mended.Add(damage.Key);
            }
            catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.BackupVerifyFailed)
            {
                // damaged there, too
            }
        }
    }

    /// <summary>
    /// Moves away the manifests that are still damaged. What only they refer to is from then on what nobody needs, and goes with the next
    /// removal: nobody can know any more what that is, so this is done only where it is asked for.
    /// </summary>
    private async Task GiveUpAsync(ScrubOutcome found, CancellationToken cancellationToken)
    {
        foreach (var damage in found.Report.Damage.Where(d => d.Kind == RepositoryObjectKind.Manifest && !_mended.Contains(d.Key)))
        {
            // one of a newer version is no damage
            if (!await IsDamagedAsync(damage.Key, cancellationToken).ConfigureAwait(false))
                continue;
            var to = QuarantineKey(damage.Key);
            var ended = $"backup {BackupPaths.Named(damage.Key)} ends: its manifest cannot be read, and is moved to '{to}'. What only it needs goes with the next removal";
            await DoAsync(RepositoryRepairKind.GiveUpBackup, damage.Key, ended, () => _storage.MoveAsync(damage.Key, to, cancellationToken)).ConfigureAwait(false);
        }
    }

    private async Task<bool> IsDamagedAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid or ErrorIds.BackupNotFound)
        {
            return e.Id == ErrorIds.RepositoryCorrupt;
        }
    }

    private async Task RepairIndexesAsync(ScrubOutcome found, CancellationToken cancellationToken)
    {
        foreach (var damage in found.Report.Damage.Where(d => d.Kind == RepositoryObjectKind.Index))
            await DoAsync(RepositoryRepairKind.RebuildIndex, damage.Key, "built again from the packs' trailers", () => BlobIndex.LoadAsync(repository, cancellationToken)).ConfigureAwait(false);
    }

    private async Task RepairDocumentsAsync(ScrubOutcome found, CancellationToken cancellationToken)
    {
        foreach (var damage in found.Report.Damage)
        {
            switch (damage.Key)
            {
                case HeaderCopy.Key:
                    await DoAsync(RepositoryRepairKind.RestoreHeader, damage.Key, "written again from repo.json", () => HeaderCopy.EnsureAsync(_storage, cancellationToken)).ConfigureAwait(false);
                    break;
                case HandBook.Key:
                    await DoAsync(RepositoryRepairKind.Rewrite, damage.Key, "written again", () => HandBook.WriteAsync(repository, cancellationToken)).ConfigureAwait(false);
                    break;
                case ScrubLedger.Key:
                    _actions.Add(new RepositoryRepairAction(RepositoryRepairKind.Rewrite, damage.Key, "every pack was read, and the list written again"));
                    break;
                case LastCheck.Key:
                    _actions.Add(new RepositoryRepairAction(RepositoryRepairKind.Rewrite, damage.Key, "written again with what this check found"));
                    break;
                default:
                    if (damage.Kind == RepositoryObjectKind.Proof)
                        await QuarantineAsync(damage, to => _storage.MoveAsync(damage.Key, to, cancellationToken)).ConfigureAwait(false);
                    break;
            }
        }
    }

    private Task QuarantineAsync(RepositoryDamage damage, Func<string, Task> bring)
    {
        var to = QuarantineKey(damage.Key);
        return DoAsync(RepositoryRepairKind.Quarantine, damage.Key, $"moved to '{to}': {damage.Problem}", () => bring(to));
    }

    private static string QuarantineKey(string key) => Quarantine + key.Replace('/', '_');

    /// <summary>Copies an object; what the disk cannot give is left out at the place where it stops.</summary>
    private async Task CopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        var writer = await _storage.CreateAsync(cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            try
            {
                for (long at = 0; await _storage.ReadAsync(from, at, buffer, cancellationToken).ConfigureAwait(false) is { } read and > 0; at += read)
                    await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt)
            {
                // see above
            }
            await writer.CommitAsync(to, PutMode.Replace, cancellationToken).ConfigureAwait(false);
        }
    }
}

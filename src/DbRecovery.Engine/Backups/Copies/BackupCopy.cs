using System.Diagnostics;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Copies a backup to another repository: what the destination lacks is read, decoded, checked and stored; then every file is read back
/// and compared with the digest in the manifest; only then the manifest is written. Killed anywhere, there is no backup but packs that a
/// removal clears, or the next copy uses.
/// </summary>
/// <remarks>A repair lets the copy take the place of a damaged manifest. Between two repositories without a cipher ids and compressed bytes stay as they are. Else blobs get the ids and the seal of the destination.</remarks>
internal sealed class BackupCopy(BackupContent source, BackupRepository destination, RepositoryDefinition definition, ZstdLibrary? zstd, TimeProvider clock, bool replace = false)
{
    private const string ProofNote = "The proofs of the backup stay where they are: they are of the bytes in that repository. Test the copy.";
    private readonly bool _sameIds = source.Repository.Sealer.CipherId == 0 && destination.Sealer.CipherId == 0;
    private readonly Dictionary<BlobId, (PackReference Pack, BlobId Id)> _places = [];
    private readonly WholeIndex _all = new(source.Repository);
    private readonly HashSet<BlobId> _data = source.Manifest.References(data: true).Select(r => r.Blob).ToHashSet();
    private readonly HashSet<BlobId> _lost = [];
    private int _copied;
    private int _shared;

    /// <summary>Copies the backup, or finds it there.</summary>
    public async Task<BackupCopyResult> ExecuteAsync(IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var at = Stopwatch.GetTimestamp();
        if (source.Repository.Storage.Location == destination.Storage.Location)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{definition.Path}' is the repository that backup {source.Info.Id} is in", "Name another repository.", definition.Path);
        if (!replace && await FindAsync(cancellationToken).ConfigureAwait(false) is { } there)
            return Result(there, at) with { Skipped = true, Notes = ["It was there already."] };
        var session = await WriterSession.BeginAsync(destination, $"copy of {source.Info.Id}", clock, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var packs = await CopyBlobsAsync(progress, cancellationToken).ConfigureAwait(false);
            var stored = packs.Sum(p => p.Size);
            if (packs.Count > 0)
                stored += await destination.WriteIndexAsync(packs, cancellationToken).ConfigureAwait(false);
            var manifest = source.Manifest.WithoutHashes(_lost).WithBlobs((_, blob) => Place(blob)) with { RepoId = destination.Header.RepoId, StoredBytes = stored };
            if (manifest.Portable && destination.Sealer.CipherId != 0)
                manifest = manifest with { Portable = false, Notes = [.. manifest.Notes, "standard tools cannot read this copy: its repository is encrypted"] };
            await VerifyAsync(manifest, progress, cancellationToken).ConfigureAwait(false);
            await session.AssertOpenAsync(cancellationToken).ConfigureAwait(false);
            await PackReclaim.EnsureAsync(destination.Storage, manifest, cancellationToken).ConfigureAwait(false);
            var bytes = await ManifestStore.WriteAsync(destination, manifest, cancellationToken, replace ? PutMode.Replace : PutMode.IfAbsent).ConfigureAwait(false);
            await PackReclaim.ConfirmManifestAsync(destination.Storage, manifest).ConfigureAwait(false);
            return Result(manifest.ToInfo(definition, bytes), at) with { StoredBytes = stored + bytes, BlobsCopied = _copied, BlobsShared = _shared, Notes = [ProofNote] };
        }
    }

    private BackupCopyResult Result(BackupInfo backup, long at) => new()
    {
        BackupId = backup.Id,
        Cluster = backup.Cluster,
        Source = source.Info.Repository,
        Destination = definition.Name,
        SizeBytes = backup.SizeBytes,
        Duration = Stopwatch.GetElapsedTime(at),
        Backup = backup with { Definition = source.Info.Definition },
    };

    /// <summary>The backup in the destination; a damaged one is an error, for it would hide that nothing was copied.</summary>
    private async Task<BackupInfo?> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            var key = BackupPaths.Manifest(source.Info.Engine, source.Info.SystemId, source.Info.Id);
            var (manifest, bytes) = await ManifestStore.ReadAsync(destination, key, cancellationToken).ConfigureAwait(false);
            return manifest.ToInfo(definition, bytes);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.BackupNotFound)
        {
            return null;
        }
    }

    private async Task<IReadOnlyList<PackContents>> CopyBlobsAsync(IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var from = await BlobIndex.LoadAsync(source.Repository, source.Manifest.Packs, cancellationToken, repair: false).ConfigureAwait(false);
        var to = await BlobIndex.LoadAsync(destination, cancellationToken).ConfigureAwait(false);
        var trust = new PackTrust(destination.Storage);
        var wanted = new List<BlobLocation>();
        foreach (var (pack, blob) in source.Manifest.References().DistinctBy(r => r.Blob))
        {
            if (_sameIds && await trust.FindAsync(to, blob, source.Manifest.Portable, cancellationToken).ConfigureAwait(false) is { } held)
                Share(blob, held, blob);
            else
            {
                if ((First(from.Find(blob, pack)) ?? First(await EverywhereAsync(blob, cancellationToken).ConfigureAwait(false))) is { } place)
                    wanted.Add(place);
                else
                    Lose(pack, blob);
            }
        }
        var writer = new PackWriter(destination, PackFormat.TargetSize);
        await using (writer.ConfigureAwait(false))
        {
            var written = new Dictionary<BlobId, PackReference>();
            using var codec = new CodecContext(zstd);
            long done = 0, total = wanted.Sum(w => (long)w.Entry.RawLength);
            await foreach (var (location, found) in BlobReader.ReadAsync(source.Repository, wanted, zstd, cancellationToken).ConfigureAwait(false))
            {
                var blob = found ?? await OtherCopyAsync(location, cancellationToken).ConfigureAwait(false);
                if (blob is null)
                    Lose(location.Pack, location.Entry.Id);
                else
                    await StoreAsync(blob, location.Entry.Id, to, trust, writer, written, codec, cancellationToken).ConfigureAwait(false);
                progress?.Report(new OperationProgress($"Copying {source.Info.Id}", "blobs", done += location.Entry.RawLength, total));
            }
            await writer.FinishAsync(cancellationToken).ConfigureAwait(false);
            return writer.Sealed;
        }
    }

    private async Task StoreAsync(CheckedBlob blob, BlobId sourceId, BlobIndex to, PackTrust trust, PackWriter writer, Dictionary<BlobId, PackReference> written, CodecContext codec, CancellationToken cancellationToken)
    {
        var id = sourceId;
        if (!_sameIds)
        {
            id = PackReader.IdOf(destination.Identity, codec, blob.Data, blob.Entry.PageSize);
            if (await trust.FindAsync(to, id, source.Manifest.Portable, cancellationToken).ConfigureAwait(false) is { } held)
            {
                Share(sourceId, held, id);
                return;
            }
        }
        if (!written.TryGetValue(id, out var pack))
        {
            written[id] = pack = await writer.AppendAsync(id, blob.Payload, blob.Entry.RawLength, blob.Entry.PageSize, blob.Entry.Codec, cancellationToken).ConfigureAwait(false);
            _copied++;
        }
        _places[sourceId] = (pack, id);
    }

    /// <summary>The places of a blob in all packs; of a backup that standard tools read, those where they can.</summary>
    private async Task<IEnumerable<BlobLocation>> EverywhereAsync(BlobId blob, CancellationToken cancellationToken) =>
        (await _all.LoadAsync(cancellationToken).ConfigureAwait(false)).Find(blob).Where(l => !source.Manifest.Portable || l.Entry.IsPortable);

    private static BlobLocation? First(IEnumerable<BlobLocation> places) => places.Select(l => (BlobLocation?)l).FirstOrDefault();

    private void Share(BlobId sourceId, string pack, BlobId id)
    {
        _places[sourceId] = (new PackReference(pack), id);
        _shared++;
    }

    /// <summary>The blob from another pack that holds it.</summary>
    private async Task<CheckedBlob?> OtherCopyAsync(BlobLocation damaged, CancellationToken cancellationToken)
    {
        using var codecs = new CodecPool(zstd);
        foreach (var other in (await EverywhereAsync(damaged.Entry.Id, cancellationToken).ConfigureAwait(false)).Where(l => l.Pack != damaged.Pack))
        {
            if (await BlobReader.ReadAsync(source.Repository, other, codecs, cancellationToken).ConfigureAwait(false) is { } blob)
                return blob;
        }
        return null;
    }

    /// <summary>Hashes of pages that are lost do not come along: the next increment there reads all pages.</summary>
    private void Lose(string pack, BlobId blob)
    {
        if (_data.Contains(blob))
            throw Missing(pack, blob);
        _lost.Add(blob);
    }

    private DbRecoveryException Missing(string pack, BlobId blob) => new(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData,
        $"'{PackFormat.Key(pack)}' in the repository '{source.Repository.Storage.Location}' is damaged or missing: backup {source.Info.Id} cannot be copied (blob {blob})",
        "Check the repository, repair it, or copy another backup.", PackFormat.Key(pack));

    private (string Pack, string Blob) Place(string blob)
    {
        BlobId.TryParse(blob, out var id);
        var (pack, newId) = _places[id];
        return (pack.Name!, newId.ToString());
    }

    /// <summary>Reads every file back out of the destination and compares it with what was backed up.</summary>
    private async Task VerifyAsync(BackupManifest manifest, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var content = new BackupContent(destination, manifest, manifest.ToInfo(definition, 0), zstd);
        long done = 0;
        foreach (var file in manifest.Entries.Where(e => e.Entry.Type == BackupEntryType.File && e.Digest is not null))
        {
            using var reader = await content.OpenFileAsync(file.Entry.Path, cancellationToken).ConfigureAwait(false);
            var digest = FileDigest.Compute(reader.Read, reader.Length, file.HashUnit, destination.Identity,
                count => progress?.Report(new OperationProgress($"Copying {source.Info.Id}", "checking what arrived", done += count, manifest.SizeBytes)), cancellationToken);
            if (digest != file.Digest)
                throw new DbRecoveryException(ErrorIds.BackupVerifyFailed, ErrorKind.CorruptData, $"'{file.Entry.Path}' of backup {manifest.Id} did not arrive at '{definition.Path}' as it was backed up; the copy was given up", "Try again.", manifest.Id);
        }
    }
}

namespace DbRecovery.Engine.Backups;

/// <summary>
/// A synthetic full: a backup whose files lie in many small pieces after increments is read through its own manifest and stored in
/// whole blobs. Its content stays the same to the byte: every file must come out with the digest that it had.
/// </summary>
internal sealed class RunMerge(BackupRepository repository, ZstdLibrary? zstd, UpkeepOptions options, Repack rewriter)
{
    // the next backup may need what this one stored
    private BlobIndex? _index;

    /// <summary>Bytes of new packs.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>Whether a backup has a file in more than twice as many pieces as it needs.</summary>
    public static bool IsScattered(BackupManifest manifest) =>
        manifest.Entries.Any(e => e.Runs.Count > 2 * (e.Size / BlobPipeline.BlobSize + 1) + 2);

    /// <summary>Stores a backup's files in whole blobs and lets its manifest refer to those.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/>: a file did not come out as it was; the backup is as before.</exception>
    public async Task ExecuteAsync(string key, BackupManifest manifest, BackupContent content, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var index = _index ??= await BlobIndex.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        var pipeline = new BlobPipeline(repository, index, zstd, BlobPipeline.DefaultWorkers, options.PackSize, manifest.Portable, new HashSet<string>(), cancellationToken);
        await using (pipeline.ConfigureAwait(false))
        {
            var writer = new BackupWriter(pipeline, null, $"Merging {manifest.Id}", progress);
            foreach (var entry in manifest.Entries)
                await CopyAsync(content, entry, writer, cancellationToken).ConfigureAwait(false);
            await pipeline.FinishAsync(cancellationToken).ConfigureAwait(false);
            foreach (var pack in pipeline.Packs)
                index.Add(pack);
            var (entries, packs) = writer.Describe();
            if (pipeline.Packs.Count > 0)
                WrittenBytes += pipeline.Packs.Sum(p => p.Size) + await repository.WriteIndexAsync(pipeline.Packs, cancellationToken).ConfigureAwait(false);
            await rewriter.RewriteAsync(key, manifest, Merge(manifest, entries, packs), cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task CopyAsync(BackupContent content, ManifestEntry entry, BackupWriter writer, CancellationToken cancellationToken)
    {
        var file = await writer.BeginAsync(entry.Entry with { ExpectedSize = entry.Size }, cancellationToken).ConfigureAwait(false);
        await using (file.ConfigureAwait(false))
        {
            if (entry.Size > 0)
            {
                using var reader = await content.OpenFileAsync(entry.Entry.Path, cancellationToken).ConfigureAwait(false);
                await file.CopyAsync(reader, cancellationToken).ConfigureAwait(false);
            }
            await file.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private BackupManifest Merge(BackupManifest manifest, IReadOnlyList<ManifestEntry> merged, IReadOnlyList<string> packs)
    {
        var byPath = merged.ToDictionary(e => e.Entry.Path, StringComparer.Ordinal);
        var entries = manifest.Entries.Select(old =>
        {
            var entry = byPath[old.Entry.Path];
            if (entry.Size != old.Size || (old.Digest is not null && entry.Digest != old.Digest))
                throw RepositoryErrors.Corrupt(repository.Storage, manifest.Id, $"'{old.Entry.Path}' did not come out of its blobs as it was; the backup stays as it is");
            return old with { Runs = entry.Runs, PageHashes = entry.PageHashes };
        }).ToList();
        return manifest with { Entries = entries, Packs = packs };
    }
}

namespace DbRecovery.Engine.Backups;

/// <summary>Bytes of a file of a backup that are in a blob.</summary>
/// <param name="Manifest">The backup's manifest.</param>
/// <param name="Path">The file.</param>
/// <param name="FileOffset">Where they are in the file.</param>
/// <param name="Length">How many.</param>
/// <param name="OffsetInBlob">Where they are in the blob.</param>
internal sealed record BlobPiece(string Manifest, string Path, long FileOffset, long Length, int OffsetInBlob);

/// <summary>A blob that no pack holds unharmed, and the files that tell what was in it.</summary>
internal sealed class LostBlob(BlobId id, int unit)
{
    public BlobId Id { get; } = id;
    /// <summary>The unit over which its id was computed.</summary>
    public int Unit { get; } = unit;
    public List<BlobPiece> Pieces { get; } = [];
    /// <summary>Whether a backup that standard tools can read needs it.</summary>
    public bool Portable { get; set; }
}

/// <summary>What backups need and what can be had of it.</summary>
internal sealed class RepairNeeds
{
    /// <summary>Unharmed blobs in damaged packs, by pack.</summary>
    public SortedDictionary<string, HashSet<BlobId>> Rescue { get; } = new(StringComparer.Ordinal);
    public Dictionary<BlobId, LostBlob> Lost { get; } = [];
    /// <summary>The manifests that name a pack in which their blobs are not.</summary>
    public List<string> Stale { get; } = [];

    /// <summary>Reads every manifest, one after the other.</summary>
    public static async Task<RepairNeeds> OfAsync(BackupRepository repository, ScrubOutcome found, CancellationToken cancellationToken)
    {
        var needs = new RepairNeeds();
        foreach (var key in found.Manifests)
        {
            var (manifest, _) = await ManifestStore.ReadAsync(repository, key, cancellationToken).ConfigureAwait(false);
            needs.Add(key, manifest, found.Blobs);
        }
        return needs;
    }

    private void Add(string key, BackupManifest manifest, BlobStates blobs)
    {
        var stale = false;
        foreach (var (pack, blob) in manifest.References())
        {
            if (blobs.Find(blob, pack, manifest.Portable) is not { } place)
            {
                Lost.TryAdd(blob, new LostBlob(blob, 0));
                stale = true;
                continue;
            }
            stale |= place.Pack != pack || !blobs.IsWhole(pack);
            if (!blobs.IsWhole(place.Pack))
                (Rescue.TryGetValue(place.Pack, out var wanted) ? wanted : Rescue[place.Pack] = []).Add(blob);
        }
        if (!stale)
            return;
        Stale.Add(key);
        foreach (var entry in manifest.Entries)
        {
            foreach (var run in entry.Runs)
            {
                if (!BlobId.TryParse(run.Blob, out var id) || !Lost.TryGetValue(id, out var lost))
                    continue;
                if (lost.Unit == 0)
                    Lost[id] = lost = new LostBlob(id, entry.HashUnit);
                lost.Portable |= manifest.Portable;
                lost.Pieces.Add(new BlobPiece(key, entry.Entry.Path, run.FileOffset, run.Length, run.OffsetInBlob));
            }
        }
    }
}

namespace DbRecovery.Engine.Backups;

/// <summary>What of one backup cannot be read.</summary>
internal sealed class ManifestDamage
{
    private readonly SortedDictionary<string, List<(long Offset, long Length)>> _ranges = new(StringComparer.Ordinal);

    private ManifestDamage(BackupManifest manifest) => Manifest = manifest;

    public BackupManifest Manifest { get; }
    /// <summary>The packs that it names and in which something of its data is missing.</summary>
    public HashSet<string> LostIn { get; } = [];
    /// <summary>The packs that it names and whose blobs are now in others.</summary>
    public HashSet<string> MovedFrom { get; } = [];
    /// <summary>The packs in which only hashes of its pages are missing, which a test of the backup builds again.</summary>
    public HashSet<string> HashesLostIn { get; } = [];
    /// <summary>The bytes of each file that cannot be read.</summary>
    public IReadOnlyDictionary<string, List<(long Offset, long Length)>> Ranges => _ranges;
    public bool IsNone => LostIn.Count == 0 && MovedFrom.Count == 0 && HashesLostIn.Count == 0;

    /// <summary>Looks every blob of a manifest up.</summary>
    public static ManifestDamage Of(BackupManifest manifest, BlobStates blobs)
    {
        var damage = new ManifestDamage(manifest);
        var named = manifest.Packs.ToHashSet();
        var states = new Dictionary<string, BlobState>();
        foreach (var entry in manifest.Entries)
        {
            foreach (var run in entry.Runs)
                damage.Add(entry.Entry.Path, run, StateOf(run.Blob));
        }
        foreach (var (pack, blob) in manifest.References())
        {
            var id = blob.ToString();
            if (states.ContainsKey(id))
                continue;
            var state = StateOf(id);
            if (state != BlobState.Readable)
                (state == BlobState.Lost ? damage.HashesLostIn : damage.MovedFrom).Add(pack);
        }
        return damage;

        BlobState StateOf(string blob)
        {
            if (states.TryGetValue(blob, out var known))
                return known;
            return states[blob] = BlobId.TryParse(blob, out var id) ? blobs.Of(id, named) : BlobState.Lost;
        }
    }

    private void Add(string path, ManifestRun run, BlobState state)
    {
        if (state == BlobState.Readable)
            return;
        if (state == BlobState.Elsewhere)
        {
            MovedFrom.Add(Manifest.Packs[run.Pack]);
            return;
        }
        LostIn.Add(Manifest.Packs[run.Pack]);
        if (!_ranges.TryGetValue(path, out var ranges))
            _ranges[path] = ranges = [];
        if (ranges.Count > 0 && ranges[^1].Offset + ranges[^1].Length == run.FileOffset)
            ranges[^1] = (ranges[^1].Offset, ranges[^1].Length + run.Length);
        else
            ranges.Add((run.FileOffset, run.Length));
    }
}

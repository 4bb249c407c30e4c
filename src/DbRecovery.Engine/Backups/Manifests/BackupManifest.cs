namespace DbRecovery.Engine.Backups;

/// <summary>Bytes of a file that are in a blob. A file's runs are in order and without gaps.</summary>
/// <param name="FileOffset">Where they belong in the file.</param>
/// <param name="Length">How many.</param>
/// <param name="Pack">The pack, as an index into <see cref="BackupManifest.Packs"/>.</param>
/// <param name="Blob">The blob's id.</param>
/// <param name="OffsetInBlob">Where they begin in the blob: an increment may need only a part of one.</param>
internal sealed record ManifestRun(long FileOffset, long Length, int Pack, string Blob, int OffsetInBlob);

/// <summary>Where a file's page hashes are in pages.bin, and what they must be.</summary>
internal sealed record PageHashSection(int PageSize, long Offset, int Length, string Sha256);

/// <summary>A path of a backup.</summary>
internal sealed record ManifestEntry
{
    public required BackupEntry Entry { get; init; }
    public required long Size { get; init; }
    /// <summary>The unit over which blobs and digest are computed: the page size, or 4096 where there are no pages.</summary>
    public int HashUnit { get; init; }
    /// <summary><c>sha256-pages-UNIT:</c> and the SHA-256 over the SHA-256 of every unit in order.</summary>
    public string? Digest { get; init; }
    public PageHashSection? PageHashes { get; init; }
    public IReadOnlyList<ManifestRun> Runs { get; init; } = [];
}

/// <summary>All that makes up a backup. It is written last: a backup without one does not exist.</summary>
internal sealed record BackupManifest
{
    public required int Format { get; init; }
    public required string Tool { get; init; }
    public required Guid RepoId { get; init; }
    public required string Id { get; init; }
    public required string Cluster { get; init; }
    public required string Node { get; init; }
    public required string Engine { get; init; }
    public required BackupKind Kind { get; init; }
    public required BackupStatus Status { get; init; }
    /// <summary>The backup whose runs an increment took over; null for a full.</summary>
    public string? Parent { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required DateTimeOffset FinishedAt { get; init; }
    public required long SizeBytes { get; init; }
    /// <summary>New bytes in the repository, without the manifest's own.</summary>
    public required long StoredBytes { get; init; }
    public required BackupSourceInfo Source { get; init; }
    public required IReadOnlyList<string> Packs { get; init; }
    public required IReadOnlyList<ManifestEntry> Entries { get; init; }

    /// <summary>Every blob that the backup needs, with the pack in which it was when the manifest was written. What is not named here may be removed.</summary>
    public IEnumerable<(string Pack, BlobId Blob)> References()
    {
        foreach (var run in Entries.SelectMany(e => e.Runs))
        {
            BlobId.TryParse(run.Blob, out var id);
            yield return (Packs[run.Pack], id);
        }
    }

    /// <summary>The same backup, with every blob in the pack, and under the id, that a function gives for it.</summary>
    public BackupManifest WithBlobs(Func<string, string, (string Pack, string Blob)> place)
    {
        var packs = new List<string>();
        var numbers = new Dictionary<string, int>();
        var entries = Entries.Select(e => e with { Runs = [.. e.Runs.Select(Moved)] }).ToList();
        return this with { Packs = packs, Entries = entries };

        ManifestRun Moved(ManifestRun run)
        {
            var (number, blob) = Place(run.Pack, run.Blob);
            return run with { Pack = number, Blob = blob };
        }

        (int Pack, string Blob) Place(int pack, string blob)
        {
            var to = place(Packs[pack], blob);
            if (!numbers.TryGetValue(to.Pack, out var number))
            {
                numbers[to.Pack] = number = packs.Count;
                packs.Add(to.Pack);
            }
            return (number, to.Blob);
        }
    }

    /// <summary>What makes the manifest unusable though its bytes are as written; null for nothing.</summary>
    public string? Defect()
    {
        foreach (var entry in Entries)
        {
            long at = 0;
            foreach (var run in entry.Runs)
            {
                if (run.FileOffset != at || run.Length <= 0 || run.OffsetInBlob < 0 || run.Pack < 0 || run.Pack >= Packs.Count || !BlobId.TryParse(run.Blob, out _))
                    return $"the run at {run.FileOffset} of '{entry.Entry.Path}' makes no sense";
                at += run.Length;
            }
            if (at != entry.Size)
                return $"the runs of '{entry.Entry.Path}' give {at} of {entry.Size} bytes";
            if (BackupPaths.Defect(entry.Entry.Path) is { } defect)
                return $"the path '{entry.Entry.Path}' {defect}";
        }
        return Packs.FirstOrDefault(p => !BlobId.TryParse(p, out _)) is { } bad ? $"'{bad}' is not a pack's name" : null;
    }

    public BackupInfo ToInfo(RepositoryDefinition repository, long manifestBytes) => new()
    {
        Id = Id,
        Cluster = Cluster,
        Node = Node,
        Engine = Engine,
        EngineVersion = Source.EngineVersion,
        SystemId = Source.SystemId,
        Kind = Kind,
        Status = Status,
        StartedAt = StartedAt,
        FinishedAt = FinishedAt,
        SizeBytes = SizeBytes,
        StoredBytes = StoredBytes + manifestBytes,
        Parent = Parent,
        DataAsOf = Source.DataAsOf,
        Position = Source.Position,
        Repository = repository.Name,
        RepositoryDefinition = repository,
    };
}

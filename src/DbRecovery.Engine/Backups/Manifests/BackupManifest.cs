namespace DbRecovery.Engine.Backups;

/// <summary>Bytes of a file that are in a blob. A file's runs are in order and without gaps.</summary>
/// <param name="FileOffset">Where they belong in the file.</param>
/// <param name="Length">How many.</param>
/// <param name="Pack">The pack, as an index into <see cref="BackupManifest.Packs"/>.</param>
/// <param name="Blob">The blob's id.</param>
/// <param name="OffsetInBlob">Where they begin in the blob: an increment may need only a part of one.</param>
internal sealed record ManifestRun(long FileOffset, long Length, int Pack, string Blob, int OffsetInBlob);

/// <summary>A blob that holds a part of a list of page hashes.</summary>
/// <param name="Pack">The pack, as an index into <see cref="BackupManifest.Packs"/>.</param>
/// <param name="Blob">The blob's id.</param>
/// <param name="Length">Bytes of it.</param>
internal sealed record HashBlob(int Pack, string Blob, int Length);

/// <summary>
/// Where a file's page hashes are: a base list, 16 bytes a page, over which the lists of the increments since are laid in order, 20 bytes
/// a page (u32 little-endian page number from 0, then the hash). So an increment stores the hashes of what changed and no others.
/// </summary>
/// <param name="PageSize">The page size.</param>
/// <param name="Count">The number of pages.</param>
/// <param name="Sha256">The SHA-256 of the whole list, 16 bytes a page.</param>
/// <param name="Base">The base list in order.</param>
/// <param name="Deltas">The changes since in order.</param>
internal sealed record PageHashSection(int PageSize, int Count, string Sha256, IReadOnlyList<HashBlob> Base, IReadOnlyList<HashBlob> Deltas)
{
    public IEnumerable<HashBlob> Blobs => Base.Concat(Deltas);
}

/// <summary>A path of a backup.</summary>
internal sealed record ManifestEntry
{
    public required BackupEntry Entry { get; init; }
    public required long Size { get; init; }
    /// <summary>The unit over which blobs and digest are computed: the page size, or 4096 where there are no pages.</summary>
    public int HashUnit { get; init; }
    /// <summary><c>sha256-pages16-UNIT:</c> and the SHA-256 over the page hashes, 16 bytes each, in order.</summary>
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
    /// <summary>Bytes of data that differ from the parent; null for a full.</summary>
    public long? ChangedBytes { get; init; }
    /// <summary>Whether every blob is raw or gzip.</summary>
    public bool Portable { get; init; }
    /// <summary>New bytes in the repository, without the manifest's own.</summary>
    public required long StoredBytes { get; init; }
    /// <summary>What a person should know of it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>Files that the inventory named and that are not in it.</summary>
    public IReadOnlyList<string> MissingFiles { get; init; } = [];
    public required BackupSourceInfo Source { get; init; }
    public required IReadOnlyList<string> Packs { get; init; }
    public required IReadOnlyList<ManifestEntry> Entries { get; init; }

    /// <summary>Every blob that the backup needs, with the pack in which it was when the manifest was written. What is not named here may be removed.</summary>
    /// <param name="data">Whether only those that a restore needs: not those that hold hashes of pages.</param>
    public IEnumerable<(string Pack, BlobId Blob)> References(bool data = false)
    {
        var seen = new HashSet<(int, string)>();
        foreach (var entry in Entries)
        {
            var blobs = entry.Runs.Select(r => (r.Pack, r.Blob)).Concat(data ? [] : entry.PageHashes?.Blobs.Select(h => (h.Pack, h.Blob)) ?? []);
            foreach (var (pack, blob) in blobs.Where(seen.Add))
            {
                BlobId.TryParse(blob, out var id);
                yield return (Packs[pack], id);
            }
        }
    }

    /// <summary>The same backup without the page hashes of which a part is lost: the next increment after it reads all pages.</summary>
    public BackupManifest WithoutHashes(IReadOnlySet<BlobId> lost) => lost.Count == 0 ? this : this with
    {
        Entries = [.. Entries.Select(e => e.PageHashes?.Blobs.Any(h => BlobId.TryParse(h.Blob, out var id) && lost.Contains(id)) == true ? e with { PageHashes = null } : e)],
    };

    /// <summary>The same backup with its blobs in other packs.</summary>
    /// <param name="packOf">The pack of a blob, from the one in which it is now.</param>
    public BackupManifest WithPacks(Func<string, BlobId, string> packOf) => WithBlobs((pack, blob) =>
    {
        BlobId.TryParse(blob, out var id);
        return (packOf(pack, id), blob);
    });

    /// <summary>The same backup, with every blob in the pack, and under the id, that a function gives for it.</summary>
    public BackupManifest WithBlobs(Func<string, string, (string Pack, string Blob)> place)
    {
        var packs = new Numbering<string>();
        var entries = Entries.Select(e => e with { Runs = [.. e.Runs.Select(Moved)], PageHashes = e.PageHashes is { } h ? h with { Base = [.. h.Base.Select(MovedHashes)], Deltas = [.. h.Deltas.Select(MovedHashes)] } : null }).ToList();
        return this with { Packs = packs.Items, Entries = entries };

        HashBlob MovedHashes(HashBlob hashes)
        {
            var (number, blob) = Place(hashes.Pack, hashes.Blob);
            return hashes with { Pack = number, Blob = blob };
        }

        ManifestRun Moved(ManifestRun run)
        {
            var (number, blob) = Place(run.Pack, run.Blob);
            return run with { Pack = number, Blob = blob };
        }

        (int Pack, string Blob) Place(int pack, string blob)
        {
            var to = place(Packs[pack], blob);
            return (packs.Of(to.Pack), to.Blob);
        }
    }

    /// <summary>What makes the manifest unusable though its bytes are as written; null for nothing.</summary>
    public string? Defect()
    {
        var names = new HashSet<string>();
        foreach (var entry in Entries)
        {
            long at = 0;
            foreach (var run in entry.Runs)
            {
                if (run.FileOffset != at || run.Length <= 0 || run.OffsetInBlob < 0 || !IsBlob(run.Pack, run.Blob, names))
                    return $"the run at {run.FileOffset} of '{entry.Entry.Path}' makes no sense";
                at += run.Length;
            }
            if (at != entry.Size)
                return $"the runs of '{entry.Entry.Path}' give {at} of {entry.Size} bytes";
            if (BackupPaths.Defect(entry.Entry.Path) is { } defect)
                return $"the path '{entry.Entry.Path}' {defect}";
            if (entry.PageHashes is { } hashes && (hashes.Count < 0 || hashes.Blobs.Any(h => h.Length is <= 0 or > PackFormat.MaxBlobSize || !IsBlob(h.Pack, h.Blob, names))))
                return $"the page hashes of '{entry.Entry.Path}' make no sense";
        }
        return Packs.FirstOrDefault(p => !BlobId.TryParse(p, out _)) is { } bad ? $"'{bad}' is not a pack's name" : null;
    }

    private bool IsBlob(int pack, string blob, HashSet<string> known)
    {
        if (pack < 0 || pack >= Packs.Count)
            return false;
        // runs share the few names of their blobs
        return known.Contains(blob) || (BlobId.TryParse(blob, out _) && known.Add(blob));
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
        ChangedBytes = ChangedBytes,
        Portable = Portable,
        Notes = Notes,
        MissingFiles = MissingFiles,
        DataAsOf = Source.DataAsOf,
        Position = Source.Position,
        Repository = repository.Name,
        RepositoryDefinition = repository,
    };
}

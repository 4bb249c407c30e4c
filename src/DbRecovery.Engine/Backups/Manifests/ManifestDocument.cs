using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>A blob of a manifest: [pack, id].</summary>
internal readonly record struct ManifestBlob(int Pack, string Id);

/// <summary>A path as the manifest's JSON has it.</summary>
internal sealed record EntryDocument
{
    public required BackupEntry Entry { get; init; }
    public required long Size { get; init; }
    public int HashUnit { get; init; }
    public string? Digest { get; init; }
    public HashesDocument? PageHashes { get; init; }
    public IReadOnlyList<int> Runs { get; init; } = [];
}

/// <summary>Page hashes as the manifest's JSON has them.</summary>
internal sealed record HashesDocument
{
    public required int PageSize { get; init; }
    public required int Count { get; init; }
    public required string Sha256 { get; init; }
    public required IReadOnlyList<int> Base { get; init; }
    public required IReadOnlyList<int> Deltas { get; init; }
}

/// <summary>
/// The manifest as its JSON has it. <c>blobs</c> names each blob once, as [pack, id]. A file's <c>runs</c> are numbers, three a run: pages, blob (its
/// place in <c>blobs</c>), the page in the blob at which they begin. A page has the file's <c>hashUnit</c> bytes, the last one of the
/// file the rest of its <c>size</c>; runs follow each other in the file. <c>base</c> and <c>deltas</c> of the page hashes are two numbers
/// a blob: its place in <c>blobs</c>, and its bytes. So an increment of scattered pages costs a dozen bytes a page, and a short script
/// can still read it.
/// </summary>
internal sealed record ManifestDocument
{
    private const int RunNumbers = 3;

    public required int Format { get; init; }
    public required string Tool { get; init; }
    public required Guid RepoId { get; init; }
    public required string Id { get; init; }
    public required string Cluster { get; init; }
    public required string Node { get; init; }
    public required string Engine { get; init; }
    public required BackupKind Kind { get; init; }
    public required BackupStatus Status { get; init; }
    public string? Parent { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required DateTimeOffset FinishedAt { get; init; }
    public required long SizeBytes { get; init; }
    public long? ChangedBytes { get; init; }
    public bool Portable { get; init; }
    public required long StoredBytes { get; init; }
    public IReadOnlyList<string> Notes { get; init; } = [];
    public IReadOnlyList<string> MissingFiles { get; init; } = [];
    public required BackupSourceInfo Source { get; init; }
    public required IReadOnlyList<string> Packs { get; init; }
    public required IReadOnlyList<ManifestBlob> Blobs { get; init; }
    public required IReadOnlyList<EntryDocument> Entries { get; init; }

    public static ManifestDocument Of(BackupManifest manifest)
    {
        var blobs = new List<ManifestBlob>();
        var numbers = new Dictionary<ManifestBlob, int>();
        return new ManifestDocument
        {
            Format = manifest.Format, Tool = manifest.Tool, RepoId = manifest.RepoId, Id = manifest.Id, Cluster = manifest.Cluster, Node = manifest.Node,
            Engine = manifest.Engine, Kind = manifest.Kind, Status = manifest.Status, Parent = manifest.Parent, StartedAt = manifest.StartedAt,
            FinishedAt = manifest.FinishedAt, SizeBytes = manifest.SizeBytes, ChangedBytes = manifest.ChangedBytes, Portable = manifest.Portable,
            StoredBytes = manifest.StoredBytes, Notes = manifest.Notes, MissingFiles = manifest.MissingFiles, Source = manifest.Source, Packs = manifest.Packs, Blobs = blobs,
            Entries = [.. manifest.Entries.Select(e => Of(e, NumberOf))],
        };

        int NumberOf(int pack, string id)
        {
            var blob = new ManifestBlob(pack, id);
            if (!numbers.TryGetValue(blob, out var number))
            {
                numbers[blob] = number = blobs.Count;
                blobs.Add(blob);
            }
            return number;
        }
    }

    public BackupManifest ToManifest() => new()
    {
        Format = Format, Tool = Tool, RepoId = RepoId, Id = Id, Cluster = Cluster, Node = Node, Engine = Engine, Kind = Kind, Status = Status, Parent = Parent,
        StartedAt = StartedAt, FinishedAt = FinishedAt, SizeBytes = SizeBytes, ChangedBytes = ChangedBytes, Portable = Portable, StoredBytes = StoredBytes,
        Notes = Notes, MissingFiles = MissingFiles, Source = Source, Packs = Packs, Entries = [.. Entries.Select(ToEntry)],
    };

    private static EntryDocument Of(ManifestEntry entry, Func<int, string, int> numberOf)
    {
        var runs = new List<int>(entry.Runs.Count * RunNumbers);
        foreach (var run in entry.Runs)
        {
            var pages = (int)((run.Length + entry.HashUnit - 1) / entry.HashUnit);
            runs.AddRange([pages, numberOf(run.Pack, run.Blob), run.OffsetInBlob / entry.HashUnit]);
        }
        return new EntryDocument
        {
            Entry = entry.Entry, Size = entry.Size, HashUnit = entry.HashUnit, Digest = entry.Digest, Runs = runs,
            PageHashes = entry.PageHashes is not { } hashes ? null : new HashesDocument
            {
                PageSize = hashes.PageSize, Count = hashes.Count, Sha256 = hashes.Sha256,
                Base = [.. hashes.Base.SelectMany(Pair)], Deltas = [.. hashes.Deltas.SelectMany(Pair)],
            },
        };

        int[] Pair(HashBlob blob) => [numberOf(blob.Pack, blob.Blob), blob.Length];
    }

    private ManifestEntry ToEntry(EntryDocument entry)
    {
        if (entry.Runs.Count % RunNumbers != 0)
            throw new JsonException($"the runs of '{entry.Entry.Path}' are not three numbers each");
        var runs = new List<ManifestRun>(entry.Runs.Count / RunNumbers);
        long at = 0;
        for (var i = 0; i < entry.Runs.Count; i += RunNumbers)
        {
            var blob = Blob(entry.Runs[i + 1]);
            // pages that would reach past the file's end leave a length that is no length
            var length = Math.Min((long)entry.Runs[i] * entry.HashUnit, entry.Size - at);
            var offset = (long)entry.Runs[i + 2] * entry.HashUnit;
            runs.Add(new ManifestRun(at, length, blob.Pack, blob.Id, offset > PackFormat.MaxBlobSize ? -1 : (int)offset));
            at += length;
        }
        return new ManifestEntry
        {
            Entry = entry.Entry, Size = entry.Size, HashUnit = entry.HashUnit, Digest = entry.Digest, Runs = runs,
            PageHashes = entry.PageHashes is not { } hashes ? null
                : new PageHashSection(hashes.PageSize, hashes.Count, hashes.Sha256, ToBlobs(hashes.Base), ToBlobs(hashes.Deltas)),
        };
    }

    private List<HashBlob> ToBlobs(IReadOnlyList<int> pairs)
    {
        if (pairs.Count % 2 != 0)
            throw new JsonException("the blobs of page hashes are not two numbers each");
        var blobs = new List<HashBlob>(pairs.Count / 2);
        for (var i = 0; i < pairs.Count; i += 2)
        {
            var blob = Blob(pairs[i]);
            blobs.Add(new HashBlob(blob.Pack, blob.Id, pairs[i + 1]));
        }
        return blobs;
    }

    private ManifestBlob Blob(int number) => number >= 0 && number < Blobs.Count ? Blobs[number] : throw new JsonException($"there is no blob {number}");
}

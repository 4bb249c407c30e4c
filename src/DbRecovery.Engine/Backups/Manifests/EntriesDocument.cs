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
/// The paths of a manifest as its JSON has them. <c>blobs</c> names each blob once, as [pack, id]. A file's <c>runs</c> are numbers, three a run: pages, blob (its
/// place in <c>blobs</c>), the page in the blob at which they begin. A page has the file's <c>hashUnit</c> bytes, the last one of the
/// file the rest of its <c>size</c>; runs follow each other in the file. <c>base</c> and <c>deltas</c> of the page hashes are two numbers
/// a blob: its place in <c>blobs</c>, and its bytes. So an increment of scattered pages costs a dozen bytes a page, and a short script
/// can still read it.
/// </summary>
/// <param name="Blobs">The blobs.</param>
/// <param name="Entries">The paths.</param>
internal sealed record EntriesDocument(IReadOnlyList<ManifestBlob> Blobs, IReadOnlyList<EntryDocument> Entries)
{
    private const int RunNumbers = 3;

    public static EntriesDocument Of(IReadOnlyList<ManifestEntry> entries)
    {
        var blobs = new Numbering<ManifestBlob>();
        EntryDocument[] documents = [.. entries.Select(e => Of(e, (pack, id) => blobs.Of(new ManifestBlob(pack, id))))];
        return new EntriesDocument(blobs.Items, documents);
    }

    /// <summary>The paths.</summary>
    /// <exception cref="JsonException">The numbers make no sense.</exception>
    public IReadOnlyList<ManifestEntry> ToEntries() => [.. Entries.Select(ToEntry)];

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

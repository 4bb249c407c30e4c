namespace DbRecovery.Engine.Backups;

/// <summary>A blob that is being filled; runs refer to it before it is submitted.</summary>
internal sealed class BlobSlot(PendingBlob? blob = null)
{
    public PendingBlob? Blob { get; set; } = blob;
}

/// <summary>A part of a list of page hashes on its way: new, or the parent's.</summary>
internal readonly record struct HashPiece(PendingBlob? New, HashBlob? Old);

/// <summary>Page hashes on their way into the manifest.</summary>
internal sealed record HashSectionDraft(int PageSize, int Count, string Sha256, IReadOnlyList<HashPiece> Base, IReadOnlyList<HashPiece> Deltas);

/// <summary>What is known of a file so far.</summary>
internal sealed class FileRecord(BackupEntry entry, int unit, int order)
{
    private readonly List<Piece> _pieces = [];

    private readonly record struct Piece(BlobSlot? New, ManifestRun? Old, int OffsetInBlob, long Length);

    public BackupEntry Entry { get; } = entry;
    public int Unit { get; } = unit;
    public int Order { get; } = order;
    public long Size { get; private set; }
    public bool Complete { get; set; }
    public string? Digest { get; set; }
    public HashSectionDraft? PageHashes { get; set; }

    /// <summary>The file goes on with bytes of a new blob.</summary>
    public void Add(BlobSlot blob, int offsetInBlob, int length) => Add(new Piece(blob, null, offsetInBlob, length));

    /// <summary>The file goes on with bytes of a blob of the parent's.</summary>
    public void Add(ManifestRun run, int offsetInBlob, long length) => Add(new Piece(null, run, offsetInBlob, length));

    public ManifestEntry Describe(Func<string, int> numberOf, Func<int, int> numberOfParent)
    {
        var runs = new List<ManifestRun>(_pieces.Count);
        long at = 0;
        foreach (var piece in _pieces)
        {
            var (pack, blob) = piece.New is { Blob: { } made } ? (numberOf(made.Pack!.Name!), made.Id.ToString()) : (numberOfParent(piece.Old!.Pack), piece.Old.Blob);
            // two blobs of the same content are one blob: their runs may continue each other only now
            if (runs.Count > 0 && runs[^1] is var last && last.Pack == pack && last.Blob == blob && last.OffsetInBlob + last.Length == piece.OffsetInBlob)
                runs[^1] = last with { Length = last.Length + piece.Length };
            else
                runs.Add(new ManifestRun(at, piece.Length, pack, blob, piece.OffsetInBlob));
            at += piece.Length;
        }
        return new ManifestEntry { Entry = Entry, Size = Size, HashUnit = Unit, Digest = Digest, PageHashes = Describe(PageHashes, numberOf, numberOfParent), Runs = runs };
    }

    private static PageHashSection? Describe(HashSectionDraft? draft, Func<string, int> numberOf, Func<int, int> numberOfParent)
    {
        return draft is null ? null
            : new PageHashSection(draft.PageSize, draft.Count, draft.Sha256, [.. draft.Base.Select(Blob)], [.. draft.Deltas.Select(Blob)]);

        HashBlob Blob(HashPiece piece) => piece.New is { } made
            ? new HashBlob(numberOf(made.Pack!.Name!), made.Id.ToString(), made.Length)
            : piece.Old! with { Pack = numberOfParent(piece.Old!.Pack) };
    }

    private void Add(Piece piece)
    {
        Size += piece.Length;
        if (_pieces.Count > 0 && _pieces[^1] is var last && last.OffsetInBlob + last.Length == piece.OffsetInBlob
            && (piece.New is not null ? ReferenceEquals(last.New, piece.New) : last.Old is not null && last.Old.Pack == piece.Old!.Pack && last.Old.Blob == piece.Old.Blob))
            _pieces[^1] = last with { Length = last.Length + piece.Length };
        else
            _pieces.Add(piece);
    }
}

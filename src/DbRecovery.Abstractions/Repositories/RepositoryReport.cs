namespace DbRecovery;

/// <summary>What kind of object in a repository is damaged.</summary>
public enum RepositoryObjectKind
{
    /// <summary>repo.json.</summary>
    Header,
    /// <summary>A wrapped key.</summary>
    Key,
    /// <summary>A pack of blobs.</summary>
    Pack,
    /// <summary>An index, which can be built again from the packs.</summary>
    Index,
    /// <summary>A backup's manifest.</summary>
    Manifest,
    /// <summary>The record of a test.</summary>
    Proof,
    /// <summary>Any other object.</summary>
    Other,
}

/// <summary>Damage found in a repository, and whom it concerns.</summary>
public sealed record RepositoryDamage
{
    /// <summary>The object's key, as a path inside the repository.</summary>
    public required string Key { get; init; }
    /// <summary>What it is.</summary>
    public required RepositoryObjectKind Kind { get; init; }
    /// <summary>What is wrong, in one sentence.</summary>
    public required string Problem { get; init; }
    /// <summary>The backups that cannot be restored whole because of it.</summary>
    public IReadOnlyList<string> Backups { get; init; } = [];
    /// <summary>The tables, indexes and files in those backups whose content is hit; <c>backup/file</c> where no more is known.</summary>
    public IReadOnlyList<string> Objects { get; init; } = [];
    /// <summary>What would mend it.</summary>
    public required string Remedy { get; init; }
}

/// <summary>What a check of a repository reads.</summary>
public enum ScrubDepth
{
    /// <summary>The packs that no earlier check has read, and everything else.</summary>
    New,
    /// <summary>Every byte of every pack, also what an earlier check has read.</summary>
    Full,
    /// <summary>Every byte, and every blob is decoded and compared with its id.</summary>
    Decode,
}

/// <summary>The outcome of a check of a repository.</summary>
public sealed record RepositoryReport
{
    /// <summary>The repository's name.</summary>
    public required string Repository { get; init; }
    /// <summary>Its path.</summary>
    public required string Location { get; init; }
    /// <summary>When the check began (UTC).</summary>
    public required DateTimeOffset TestedAt { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>Whether every byte was read; else only what no earlier check had read.</summary>
    public required bool Full { get; init; }
    /// <summary>Whether every blob was decoded, too.</summary>
    public bool Decoded { get; init; }
    /// <summary>Objects read.</summary>
    public required int ObjectsChecked { get; init; }
    /// <summary>Bytes read.</summary>
    public required long BytesChecked { get; init; }
    /// <summary>Packs that an earlier check had read and that look unchanged.</summary>
    public int PacksTrusted { get; init; }
    /// <summary>Backups in it.</summary>
    public int Backups { get; init; }
    /// <summary>Bytes of all its objects.</summary>
    public long StoredBytes { get; init; }
    /// <summary>Bytes in packs that no backup refers to.</summary>
    public long UnreferencedBytes { get; init; }
    /// <summary>Whether it is encrypted.</summary>
    public bool Encrypted { get; init; }
    /// <summary>The damage found.</summary>
    public IReadOnlyList<RepositoryDamage> Damage { get; init; } = [];
    /// <summary>Whether nothing is damaged.</summary>
    public bool Passed => Damage.Count == 0;
}

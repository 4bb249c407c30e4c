namespace DbRecovery;

/// <summary>What a repair does to an object.</summary>
public enum RepositoryRepairKind
{
    /// <summary>The header or its copy is written anew.</summary>
    RestoreHeader,
    /// <summary>Blobs that are unharmed in damaged packs are stored in new ones.</summary>
    RescueBlobs,
    /// <summary>Blobs that are lost are filled in, from another repository or from other backups.</summary>
    RefillBlobs,
    /// <summary>A backup is pointed to the packs in which its blobs are now.</summary>
    RepointBackup,
    /// <summary>A backup whose manifest is damaged is copied from another repository.</summary>
    CopyBackup,
    /// <summary>A damaged object is moved to quarantine/, where nothing reads it.</summary>
    Quarantine,
    /// <summary>An index is built again from the packs.</summary>
    RebuildIndex,
    /// <summary>A text or list that the tool can make again is written.</summary>
    Rewrite,
    /// <summary>A backup whose manifest cannot be mended is ended: its manifest is moved to quarantine/.</summary>
    GiveUpBackup,
}

/// <summary>One thing that a repair does.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Key">To which object.</param>
/// <param name="Text">What it is, in one sentence.</param>
public sealed record RepositoryRepairAction(RepositoryRepairKind Kind, string Key, string Text);

/// <summary>The outcome of a repair, or what one would do.</summary>
public sealed record RepositoryRepairResult
{
    /// <summary>The repository's name.</summary>
    public required string Repository { get; init; }
    /// <summary>Its path.</summary>
    public required string Location { get; init; }
    /// <summary>Whether it was only planned: then nothing was changed.</summary>
    public required bool Planned { get; init; }
    /// <summary>When the repair began (UTC).</summary>
    public required DateTimeOffset RepairedAt { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>What was done, in order.</summary>
    public IReadOnlyList<RepositoryRepairAction> Actions { get; init; } = [];
    /// <summary>Blobs that were unharmed in damaged packs.</summary>
    public int BlobsRescued { get; init; }
    /// <summary>Blobs that were lost and are filled in.</summary>
    public int BlobsRefilled { get; init; }
    /// <summary>Blobs that backups need and that could be had nowhere.</summary>
    public int BlobsLost { get; init; }
    /// <summary>The damage that is left, as a check after the repair found it; of a plan, the damage that was found before.</summary>
    public IReadOnlyList<RepositoryDamage> Damage { get; init; } = [];
    /// <summary>Whether nothing is damaged any more.</summary>
    public bool Passed => Damage.Count == 0;
}

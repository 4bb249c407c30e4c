namespace DbRecovery;

/// <summary>The outcome of copying a backup to another repository.</summary>
public sealed record BackupCopyResult
{
    /// <summary>The backup, which keeps its id.</summary>
    public required string BackupId { get; init; }
    /// <summary>The cluster that it is of.</summary>
    public required string Cluster { get; init; }
    /// <summary>The repository that it was read from.</summary>
    public required string Source { get; init; }
    /// <summary>The repository that has it now.</summary>
    public required string Destination { get; init; }
    /// <summary>Whether it was there already: then nothing was copied.</summary>
    public bool Skipped { get; init; }
    /// <summary>Bytes of the data.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>New bytes in the destination.</summary>
    public long StoredBytes { get; init; }
    /// <summary>Blobs that were copied.</summary>
    public int BlobsCopied { get; init; }
    /// <summary>Blobs that the destination had already.</summary>
    public int BlobsShared { get; init; }
    /// <summary>How long it took, with the check of what arrived.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>What a person should know of it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>The backup in the destination.</summary>
    public required BackupInfo Backup { get; init; }
}

namespace DbRecovery;

/// <summary>What an upkeep of a repository did, or would do.</summary>
public sealed record PruneResult
{
    /// <summary>The repository's name.</summary>
    public required string Repository { get; init; }
    /// <summary>Its path.</summary>
    public required string Location { get; init; }
    /// <summary>Whether this is a plan: nothing was changed.</summary>
    public bool Planned { get; init; }
    /// <summary>Backups in it, without those removed.</summary>
    public int Backups { get; init; }
    /// <summary>Backups whose manifests went to the trash.</summary>
    public int RemovedBackups { get; init; }
    /// <summary>Packs that no backup refers to and that went to the trash.</summary>
    public int TrashedPacks { get; init; }
    /// <summary>Their bytes.</summary>
    public long TrashedBytes { get; init; }
    /// <summary>Packs taken back from the trash because a backup refers to them.</summary>
    public int TakenBack { get; init; }
    /// <summary>Objects deleted for good: from the trash, leftovers of failed backups, superseded indexes.</summary>
    public int DeletedObjects { get; init; }
    /// <summary>Bytes freed for good.</summary>
    public long FreedBytes { get; init; }
    /// <summary>Bytes that wait in the trash.</summary>
    public long WaitingBytes { get; init; }
    /// <summary>What they wait for; null where nothing waits.</summary>
    public string? WaitingFor { get; init; }
    /// <summary>Packs whose live blobs were written to new packs.</summary>
    public int RepackedPacks { get; init; }
    /// <summary>Bytes of new packs.</summary>
    public long WrittenBytes { get; init; }
    /// <summary>Manifests that now refer to new packs.</summary>
    public int RewrittenBackups { get; init; }
    /// <summary>Old data keys that were forgotten because nothing is sealed with them any more.</summary>
    public int DroppedEpochs { get; init; }
    /// <summary>Sessions of processes that died, which were removed.</summary>
    public int DeadSessions { get; init; }
    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
}

using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>What a backup was compared with when it was taken. Every manifest is complete: any kind restores like a full.</summary>
public enum BackupKind
{
    /// <summary>Compared with nothing; every byte stored anew.</summary>
    Full,
    /// <summary>Compared with the last full.</summary>
    Differential,
    /// <summary>Compared with the last backup.</summary>
    Incremental,
}

/// <summary>How far a backup can be trusted.</summary>
public enum BackupStatus
{
    /// <summary>Taken whole.</summary>
    Complete,
    /// <summary>Taken whole from a source with damaged pages; the manifest says which.</summary>
    Suspect,
}

/// <summary>One backup in a repository.</summary>
public sealed record BackupInfo
{
    /// <summary>The id: UTC start time and a random part, so that ids sort by time.</summary>
    public required string Id { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node that it was read from.</summary>
    public required string Node { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>The engine's exact version.</summary>
    public required string EngineVersion { get; init; }
    /// <summary>The origin of the data, as in an observation.</summary>
    public required string SystemId { get; init; }
    /// <summary>What it was compared with.</summary>
    public required BackupKind Kind { get; init; }
    /// <summary>How far it can be trusted.</summary>
    public required BackupStatus Status { get; init; }
    /// <summary>When it began (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }
    /// <summary>When it was complete (UTC).</summary>
    public required DateTimeOffset FinishedAt { get; init; }
    /// <summary>Bytes of data that it restores.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>Bytes that it added to the repository.</summary>
    public required long StoredBytes { get; init; }
    /// <summary>The backup that it was compared with; null for a full. It need not exist any longer: every backup stands by itself.</summary>
    public string? Parent { get; init; }
    /// <summary>Bytes of data that differ from the parent; null for a full.</summary>
    public long? ChangedBytes { get; init; }
    /// <summary>Whether every blob of it is raw or gzip, so that standard tools can read it.</summary>
    public bool Portable { get; init; }
    /// <summary>What a person should know of it: why an increment became a full, which file that belongs to it was missing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>Files that belong to the database, as the inventory names them, and are not in it: they were missing or could not be read.</summary>
    public IReadOnlyList<string> MissingFiles { get; init; } = [];
    /// <summary>The moment whose data it is (UTC).</summary>
    public DateTimeOffset? DataAsOf { get; init; }
    /// <summary>The position of the data.</summary>
    public LogPosition? Position { get; init; }
    /// <summary>The repository's name or path.</summary>
    public required string Repository { get; init; }
    /// <summary>The last test of it; null where it was never tested.</summary>
    public BackupProof? Proof { get; init; }
    /// <summary>The repository, for the next command of a pipeline.</summary>
    [JsonIgnore]
    public RepositoryDefinition? RepositoryDefinition { get; init; }
    /// <summary>The cluster, for the next command of a pipeline.</summary>
    [JsonIgnore]
    public ClusterDefinition? Definition { get; init; }

    /// <summary>The repository, where it must be known.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: the backup does not say.</exception>
    public RepositoryDefinition RequireRepository() => RepositoryDefinition
        ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"backup {Id} does not say in which repository it is", "List it from its repository.", Id);
}

/// <summary>The record of a backup having been restored into a scratch place and checked.</summary>
public sealed record BackupProof
{
    /// <summary>The backup.</summary>
    public required string BackupId { get; init; }
    /// <summary>When the test began (UTC).</summary>
    public required DateTimeOffset TestedAt { get; init; }
    /// <summary>Whether every check passed.</summary>
    public required bool Passed { get; init; }
    /// <summary>How long restoring took: what a recovery would wait for.</summary>
    public required TimeSpan RestoreDuration { get; init; }
    /// <summary>How long the checks took.</summary>
    public required TimeSpan CheckDuration { get; init; }
    /// <summary>The checks.</summary>
    public required IReadOnlyList<ProofCheck> Checks { get; init; }
}

/// <summary>One check of a restored backup.</summary>
/// <param name="Name">The check, such as <c>integrity_check</c>.</param>
/// <param name="Passed">Whether it passed.</param>
/// <param name="Detail">What was compared with what.</param>
public sealed record ProofCheck(string Name, bool Passed, string Detail);

/// <summary>The outcome of a test of a backup.</summary>
public sealed record BackupTestResult
{
    /// <summary>The backup, with its new proof.</summary>
    public required BackupInfo Backup { get; init; }
    /// <summary>The proof that was written.</summary>
    public required BackupProof Proof { get; init; }
    /// <summary>Whether every check passed.</summary>
    public bool Passed => Proof.Passed;
}

/// <summary>The outcome of a restore.</summary>
public sealed record RestoreResult
{
    /// <summary>The backup.</summary>
    public required string BackupId { get; init; }
    /// <summary>The cluster that the backup is of.</summary>
    public required string Cluster { get; init; }
    /// <summary>Where the data is now.</summary>
    public required string Path { get; init; }
    /// <summary>Where what was there before is kept; null where nothing was.</summary>
    public string? PreviousPath { get; init; }
    /// <summary>Bytes written.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
    /// <summary>The moment whose data this is.</summary>
    public required DateTimeOffset DataAsOf { get; init; }
    /// <summary>The files that belong to the database, where they were restored with it.</summary>
    public IReadOnlyList<RestoredFile> Files { get; init; } = [];
}

/// <summary>A file that belongs to a database, put back.</summary>
/// <param name="Path">Where it is now.</param>
/// <param name="OriginalPath">Where it was when the backup was taken.</param>
/// <param name="PreviousPath">Where what was there before is kept; null where nothing was.</param>
public sealed record RestoredFile(string Path, string OriginalPath, string? PreviousPath);

namespace DbRecovery;

/// <summary>What opens a key of an encrypted repository.</summary>
public enum RepositoryKeyKind
{
    /// <summary>A passphrase.</summary>
    Passphrase,
    /// <summary>A file of random bytes.</summary>
    KeyFile,
}

/// <summary>How a key of a repository is.</summary>
public enum RepositoryKeyState
{
    /// <summary>It opens everything.</summary>
    Current,
    /// <summary>It does not open what was written since the last change of the keys, which did not reach it.</summary>
    Behind,
    /// <summary>Its file lies among the keys and is none of the repository's: it was removed, or put there by somebody.</summary>
    Foreign,
    /// <summary>Its file is damaged.</summary>
    Damaged,
    /// <summary>Its file is gone.</summary>
    Missing,
}

/// <summary>One key of an encrypted repository. It says nothing secret.</summary>
public sealed record RepositoryKeyInfo
{
    /// <summary>The repository's name.</summary>
    public required string Repository { get; init; }
    /// <summary>The repository's path.</summary>
    public required string Location { get; init; }
    /// <summary>The key's id.</summary>
    public required string Id { get; init; }
    /// <summary>Its label; null where it cannot be read.</summary>
    public string? Label { get; init; }
    /// <summary>What opens it; null where that cannot be read.</summary>
    public RepositoryKeyKind? Kind { get; init; }
    /// <summary>When it was made (UTC).</summary>
    public DateTimeOffset? CreatedAt { get; init; }
    /// <summary>How it is.</summary>
    public required RepositoryKeyState State { get; init; }
    /// <summary>The newest epoch that it opens.</summary>
    public int? Epoch { get; init; }
    /// <summary>Whether it is the one that opened the repository now; null where the repository was not opened, and files that are none of its keys could not be told.</summary>
    public bool? InUse { get; init; }
    /// <summary>What is wrong with it; null for nothing.</summary>
    public string? Problem { get; init; }
    /// <summary>The repository's definition, so that the object can be piped on.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public RepositoryDefinition? RepositoryDefinition { get; init; }
}
